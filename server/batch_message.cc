#include "server/batch_message.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/slice.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace subset {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

// The fields with a value for each sample, and how a draw reaches them.
struct ArrayField {
  int number;
  std::string* (v1::Batch::*bytes)();
};
constexpr size_t kFields = 3;
constexpr size_t kIndices = 0;  // in kArrayFields
constexpr std::array<ArrayField, kFields> kArrayFields = {{
    {v1::Batch::kIndicesFieldNumber, &v1::Batch::mutable_indices},
    {v1::Batch::kProbabilitiesFieldNumber, &v1::Batch::mutable_probabilities},
    {v1::Batch::kWeightsFieldNumber, &v1::Batch::mutable_weights},
}};

constexpr size_t kLarge = 4096;  // bytes; smaller arrays are cheaper to copy than to hand over
constexpr size_t kKept = 4;      // arrays of a field that wait for their next batch

// The tag and length that go before a field of `size` bytes.
std::string FieldHead(int number, size_t size) {
  std::string head(10, '\0');
  auto* const begin = reinterpret_cast<uint8_t*>(head.data());
  uint8_t* end = CodedOutputStream::WriteTagToArray(
      WireFormatLite::MakeTag(number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED), begin);
  end = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(size), end);
  head.resize(end - begin);
  return head;
}

}  // namespace

// Arrays that were sent. Thread-safe.
class BatchMessages::Arrays {
 public:
  std::string Take(size_t field) {
    MutexLock lock(&mu_);
    std::vector<std::string>& kept = kept_[field];
    if (kept.empty()) return {};
    std::string bytes = std::move(kept.back());
    kept.pop_back();
    return bytes;
  }
  void Keep(size_t field, std::string bytes) {
    MutexLock lock(&mu_);
    if (kept_[field].size() < kKept) kept_[field].push_back(std::move(bytes));
  }

 private:
  Mutex mu_;
  std::array<std::vector<std::string>, kFields> kept_ ABSL_GUARDED_BY(mu_);
};

BatchMessages::BatchMessages() : arrays_(std::make_shared<Arrays>()) {}

void BatchMessages::Clear(v1::Batch* batch) const {
  batch->Clear();
  for (size_t field = 0; field < kFields; ++field) {
    std::string bytes = arrays_->Take(field);
    if (field != kIndices) bytes.clear();
    *(batch->*kArrayFields[field].bytes)() = std::move(bytes);
  }
}

grpc::ByteBuffer BatchMessages::Encode(v1::Batch* batch) const {
  struct Sent {
    std::shared_ptr<Arrays> arrays;
    size_t field;
    std::string bytes;
  };
  std::array<std::string, kFields> large;
  for (size_t field = 0; field < kFields; ++field) {
    std::string* const bytes = (batch->*kArrayFields[field].bytes)();
    if (bytes->size() >= kLarge) large[field].swap(*bytes);
  }
  // Fields may come in any order: the large ones come last, each behind its tag and length.
  std::vector<grpc::Slice> slices;
  std::string small = batch->SerializeAsString();
  for (size_t field = 0; field < kFields; ++field) {
    if (large[field].empty()) continue;
    small += FieldHead(kArrayFields[field].number, large[field].size());
    slices.emplace_back(small);
    small.clear();
    auto* const sent = new Sent{arrays_, field, std::move(large[field])};
    slices.emplace_back(
        sent->bytes.data(), sent->bytes.size(),
        [](void* data) {
          const std::unique_ptr<Sent> sent(static_cast<Sent*>(data));
          sent->arrays->Keep(sent->field, std::move(sent->bytes));
        },
        sent);
  }
  if (!small.empty()) slices.emplace_back(small);
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace subset
