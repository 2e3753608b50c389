// The account of an epoch against one entry per position.

#include "engine/epoch_accounts.h"

#include <algorithm>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace subset {
namespace {

v1::Acknowledgement Failing(uint64_t lease) {
  v1::Acknowledgement how;
  how.mutable_lease()->set_incarnation(1);
  how.mutable_lease()->set_id(lease);
  how.set_failed("corrupt");
  how.set_worker("w");
  return how;
}

struct Position {
  bool acknowledged = false;
  uint32_t failures = 0;
  std::string worker;  // that acknowledged

  bool parked() const { return failures >= kMaxAttempts; }
};

TEST(EpochAccountsTest, EqualsOneEntryPerPositionUnderRandomOperations) {
  constexpr uint64_t kPositions = 120;
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    EpochAccounts accounts;
    std::vector<Position> model(kPositions);
    for (uint64_t operation = 1; operation <= 400; ++operation) {
      const uint64_t begin = random() % kPositions;
      const Block block{begin, std::min<uint64_t>(kPositions, begin + 1 + random() % 12)};
      const bool free = std::none_of(model.begin() + block.begin, model.begin() + block.end,
                                     [](const Position& p) { return p.acknowledged; });
      switch (random() % 5) {
        case 0: {
          if (!free) break;
          const std::string worker = absl::StrCat("w", random() % 3);
          accounts.Acknowledge(block, 1, worker);
          for (uint64_t i = block.begin; i < block.end; ++i) model[i] = {true, 0, worker};
          break;
        }
        case 1: {
          if (random() % 20 != 0) break;
          for (Position& position : model) {
            if (position.parked()) position.failures = 0;
          }
          accounts.Release(std::nullopt);
          break;
        }
        default: {
          const bool parked = std::all_of(model.begin() + block.begin, model.begin() + block.end,
                                          [](const Position& p) { return p.parked(); });
          // Blocks that hold parked ones are granted to nobody.
          const bool any_parked =
              std::any_of(model.begin() + block.begin, model.begin() + block.end,
                          [](const Position& p) { return p.parked(); });
          if (!free || (any_parked && !parked)) break;
          uint32_t most = 0;
          for (uint64_t i = block.begin; i < block.end; ++i) {
            most = std::max(most, model[i].failures);
          }
          const auto failed = accounts.Fail(block, Failing(operation));
          if (parked) break;
          ASSERT_EQ(failed == EpochAccounts::Failed::kParked, most + 1 == kMaxAttempts);
          for (uint64_t i = block.begin; i < block.end; ++i) model[i].failures = most + 1;
          ASSERT_EQ(accounts.Fail(block, Failing(operation)), EpochAccounts::Failed::kRepeated);
          break;
        }
      }
      if (operation % 10 == 0) {
        log::v1::EpochState saved;
        accounts.Save(&saved);
        accounts = EpochAccounts();
        accounts.Restore(saved);
      }
      uint64_t parked = 0;
      for (uint64_t i = 0; i < kPositions; ++i) {
        parked += model[i].parked() ? 1 : 0;
        ASSERT_EQ(accounts.acknowledged().CountIn(i, i + 1), model[i].acknowledged ? 1 : 0);
        const auto audit = accounts.AuditOf({i, i + 1});
        ASSERT_EQ(audit.size(), model[i].acknowledged ? 1 : 0);
        for (const auto& entry : audit) ASSERT_EQ(entry.worker(), model[i].worker);
      }
      ASSERT_EQ(accounts.parked_positions(), parked);
      for (const auto& [first, failure] : accounts.failures()) {
        for (uint64_t i = first; i < failure.end; ++i) {
          ASSERT_EQ(model[i].failures, failure.failures) << i;
        }
      }
      const uint64_t acknowledged = accounts.acknowledged().size();
      ASSERT_EQ(accounts.Settled(kPositions), acknowledged + parked == kPositions);
    }
  }
}

TEST(EpochAccountsTest, ReturningForgetsWhoAcknowledgedWhatWasReturned) {
  EpochAccounts accounts;
  accounts.Acknowledge({0, 10}, 1, "a");
  const PositionSet then = accounts.acknowledged();
  accounts.Acknowledge({10, 30}, 1, "a");  // joined with the first
  EXPECT_EQ(accounts.ReturnTo(then), 20u);
  ASSERT_EQ(accounts.AuditOf({0, 30}).size(), 1u);
  EXPECT_EQ(accounts.AuditOf({0, 30})[0].num_positions(), 10u);
}

}  // namespace
}  // namespace subset
