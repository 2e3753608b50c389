#include "server/batch_message.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace subset {
namespace {

v1::Batch Sent(grpc::ByteBuffer message) {
  v1::Batch batch;
  EXPECT_TRUE(grpc::SerializationTraits<v1::Batch>::Deserialize(&message, &batch).ok());
  return batch;
}

// Around the size from which arrays are handed over rather than copied.
TEST(BatchMessagesTest, WhatIsSentIsTheBatch) {
  const BatchMessages messages;
  v1::Batch drawn;
  for (const size_t samples : {0, 1, 1023, 1024, 1025, 8192, 3, 8192}) {
    for (const bool arrays : {false, true}) {
      v1::Batch batch;
      batch.set_epoch(3);
      batch.set_position(samples);
      batch.set_index_width(4);
      batch.set_indices(std::string(4 * samples, 'i'));
      if (arrays) {
        batch.set_probabilities(std::string(8 * samples, 'p'));
        batch.set_weights(std::string(4 * samples, 'w'));
      } else {
        batch.set_weight(0.5);
      }
      batch.set_pool_samples(7);  // a field behind the arrays

      messages.Clear(&drawn);
      EXPECT_TRUE(drawn.probabilities().empty() && drawn.weights().empty());
      drawn.clear_indices();
      EXPECT_EQ(drawn.ByteSizeLong(), 0);
      drawn = batch;
      EXPECT_EQ(Sent(messages.Encode(&drawn)).SerializeAsString(), batch.SerializeAsString())
          << samples << " samples, arrays " << arrays;
    }
  }
}

TEST(BatchMessagesTest, TheNextBatchIsDrawnIntoMemoryThatWasSent) {
  const BatchMessages messages;
  v1::Batch batch;
  messages.Clear(&batch);
  batch.set_indices(std::string(32768, 'a'));
  const void* const memory = batch.indices().data();
  grpc::ByteBuffer message = messages.Encode(&batch);
  messages.Clear(&batch);
  EXPECT_EQ(batch.indices().size(), 0) << "the first is not sent yet";
  message.Clear();
  messages.Clear(&batch);
  EXPECT_EQ(batch.indices().data(), memory);
  EXPECT_EQ(batch.indices().size(), 32768) << "nothing is zeroed again";
}

// What a transport still holds when its stream has ended.
TEST(BatchMessagesTest, AMessageOutlivesItsStreamOnAnyThread) {
  auto messages = std::make_unique<BatchMessages>();
  std::vector<std::thread> threads;
  for (char c = 'a'; c < 'e'; ++c) {
    v1::Batch batch;
    messages->Clear(&batch);
    batch.set_indices(std::string(8192, c));
    threads.emplace_back([c, message = messages->Encode(&batch)]() mutable {
      EXPECT_EQ(Sent(std::move(message)).indices(), std::string(8192, c));
    });
  }
  messages.reset();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace subset
