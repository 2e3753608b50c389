// Shares that a run learns: summed where the columns are, folded from the log alone.

#include "engine/learned_shares.h"

#include <algorithm>
#include <cmath>

#include "engine/run.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using Kind = sampling::Proportion::Kind;

constexpr uint64_t kSession = 9;

// Six samples of the labels 10, 20, 30: two, three and one.
class LearnedSharesTest : public ::testing::Test {
 protected:
  LearnedSharesTest() : run(Settings(), nullptr) {
    columns["label"] = Stored<int64_t>("label", v1::COLUMN_TYPE_INT64, {20, 10, 20, 30, 10, 20}, 3);
    columns["il"] = Stored<float>("il", v1::COLUMN_TYPE_FLOAT32, {.5f, 2, NAN, 0, 1, 1}, 0);
    run.FoldSession(kSession, 1);
  }
  static v1::Run Settings() {
    v1::Run settings;
    settings.set_num_samples(6);
    settings.set_global_batch_size(2);
    return settings;
  }
  static std::shared_ptr<SamplerVersion> Sampler(Kind kind) {
    auto sampler = std::make_shared<SamplerVersion>();
    sampler->spec.proportion.kind = kind;
    sampler->spec.proportion.column = "label";
    sampler->spec.proportion.eta = 0.5;
    sampler->spec.proportion.epsilon = 0.01;
    return sampler;
  }
  std::shared_ptr<Epoch> MakeEpoch(uint64_t number, std::shared_ptr<SamplerVersion> sampler) {
    auto epoch = std::make_shared<Epoch>();
    epoch->opened.set_epoch(number);
    epoch->opened.set_num_positions(6);
    epoch->opened.set_keep_epochs(3);
    EXPECT_OK(run.NoteLearnedShares(sampler, columns, &epoch->opened));
    epoch->sampler = std::move(sampler);
    epoch->columns = columns;
    return epoch;
  }
  log::v1::FeedbackReported Message(uint64_t sequence, const std::vector<uint32_t>& samples,
                                    const std::vector<float>& losses,
                                    std::optional<uint64_t> position = std::nullopt) {
    log::v1::FeedbackReported record;
    record.set_session_id(kSession);
    record.set_sequence(sequence);
    record.set_content_hash(sequence);
    *record.add_feedback() = Losses(0, 0, 0, 0, position, samples, losses).feedback(0);
    EXPECT_OK(AddGroupLosses(*run.NewestEpoch(), &record));
    return record;
  }
  // What an epoch that opens now would take.
  std::vector<double> Shares(Kind kind) {
    log::v1::EpochOpened opened;
    EXPECT_OK(run.NoteLearnedShares(Sampler(kind), columns, &opened));
    return {opened.learned_shares().begin(), opened.learned_shares().end()};
  }

  PinnedColumns columns;
  std::vector<Uid> dropped;  // tables of commits: none
  subset::Run run;
};

TEST_F(LearnedSharesTest, BatchesMoveTheSharesAsTheSamplingRoomSays) {
  for (const Kind kind : {Kind::kGroupDro, Kind::kDoremi, Kind::kOdm}) {
    sampling::GroupWeights oracle(3);
    const auto sampler = Sampler(kind);
    auto epoch = MakeEpoch(0, sampler);
    LearnedShares learned(*epoch);
    const std::vector<uint64_t> sizes = {2, 3, 1};
    EXPECT_EQ(std::vector<uint64_t>(epoch->opened.group_sizes().begin(),
                                    epoch->opened.group_sizes().end()),
              sizes);
    // Labels 20: (1 + 3) / 2; 10: 5; 30: not in the message.
    log::v1::FeedbackReported record;
    *record.add_feedback() = Losses(0, 0, 0, 0, std::nullopt, {0, 2, 1}, {1, 3, 5}).feedback(0);
    ASSERT_OK(AddGroupLosses(*epoch, &record));
    learned.Update(record.group_losses(0));
    oracle.Update(sampler->spec.proportion, {5, 2, NAN}, sizes);
    EXPECT_EQ(learned.shares(), oracle.Shares(kind));
    ASSERT_OK_AND_ASSIGN(const LearnedShares again, LearnedShares::Restore(*epoch, learned.Save()));
    EXPECT_EQ(again.shares(), learned.shares());
  }
}

TEST_F(LearnedSharesTest, TheExcessOverTheIrreducibleLossIsSummed) {
  const auto sampler = Sampler(Kind::kDoremi);
  sampler->spec.preference.irreducible = "il";
  const auto epoch = MakeEpoch(0, sampler);
  const auto sum_of = [&](uint32_t sample, float loss) {
    log::v1::FeedbackReported record;
    *record.add_feedback() = Losses(0, 0, 0, 0, std::nullopt, {sample}, {loss}).feedback(0);
    EXPECT_OK(AddGroupLosses(*epoch, &record));
    const log::v1::GroupLosses& entry = record.group_losses(0);
    return entry.sums_size() == 0 ? -1 : entry.sums(0);
  };
  EXPECT_EQ(sum_of(0, 2), 1.5);
  EXPECT_EQ(sum_of(1, 1), 0);  // below what no training can remove
  EXPECT_EQ(sum_of(2, 3), 3);  // unknown: the loss as it is
  sampler->spec.preference.missing_irreducible = sampling::Preference::MissingIrreducible::kExclude;
  EXPECT_EQ(sum_of(2, 3), -1);
}

TEST_F(LearnedSharesTest, OnlyWhatIsAppliedCounts) {
  run.FoldEpoch(MakeEpoch(0, Sampler(Kind::kGroupDro)), nullptr, &dropped);
  sampling::GroupWeights oracle(3);
  const sampling::Proportion proportion = Sampler(Kind::kGroupDro)->spec.proportion;
  const std::vector<uint64_t> sizes = {2, 3, 1};

  ASSERT_OK(run.FoldFeedback(2, Message(1, {0, 1}, {1, 2}, 0)));
  oracle.Update(proportion, {2, 1, NAN}, sizes);
  EXPECT_EQ(Shares(Kind::kGroupDro), oracle.Shares(Kind::kGroupDro));
  ASSERT_OK(run.FoldFeedback(3, Message(1, {0, 1}, {1, 2}, 0)));  // sent again
  ASSERT_OK(run.FoldFeedback(4, Message(2, {0, 1}, {9, 9}, 0)));  // acknowledged before
  EXPECT_EQ(Shares(Kind::kGroupDro), oracle.Shares(Kind::kGroupDro));
  ASSERT_OK(run.FoldFeedback(5, Message(3, {3}, {4}, 2)));
  oracle.Update(proportion, {NAN, NAN, 4}, sizes);
  EXPECT_EQ(Shares(Kind::kGroupDro), oracle.Shares(Kind::kGroupDro));
}

// Clients pack reports that wait into one message: by chance, so it must not show.
TEST_F(LearnedSharesTest, EachBatchIsAStepHoweverTheyArePackedIntoMessages) {
  run.FoldEpoch(MakeEpoch(0, Sampler(Kind::kGroupDro)), nullptr, &dropped);
  sampling::GroupWeights oracle(3);
  const sampling::Proportion proportion = Sampler(Kind::kGroupDro)->spec.proportion;
  log::v1::FeedbackReported record = Message(1, {0, 1}, {1, 2}, 0);
  const log::v1::FeedbackReported second = Message(1, {2, 3}, {4, 3}, 2);
  *record.add_feedback() = second.feedback(0);
  *record.add_group_losses() = second.group_losses(0);
  ASSERT_OK(run.FoldFeedback(2, record));
  oracle.Update(proportion, {2, 1, NAN}, {2, 3, 1});
  oracle.Update(proportion, {NAN, 4, 3}, {2, 3, 1});
  EXPECT_EQ(Shares(Kind::kGroupDro), oracle.Shares(Kind::kGroupDro));
}

TEST_F(LearnedSharesTest, WhatIsLearnedStaysWhileTheStrataDo) {
  run.FoldEpoch(MakeEpoch(0, Sampler(Kind::kGroupDro)), nullptr, &dropped);
  ASSERT_OK(run.FoldFeedback(2, Message(1, {0, 1}, {1, 2})));
  const std::vector<double> learned = Shares(Kind::kGroupDro);
  EXPECT_EQ(learned.size(), 3u);
  EXPECT_TRUE(Shares(Kind::kOdm).empty());  // learns in another way
  auto next = MakeEpoch(1, Sampler(Kind::kGroupDro));
  EXPECT_EQ(std::vector<double>(next->opened.learned_shares().begin(),
                                next->opened.learned_shares().end()),
            learned);
  run.FoldEpoch(next, nullptr, &dropped);
  EXPECT_EQ(Shares(Kind::kGroupDro), learned);

  // From its image.
  log::v1::RunState saved;
  run.Save(&saved);
  subset::Run restored(Settings(), nullptr);
  restored.RestoreEpoch(next, saved.epochs(1));
  ASSERT_OK(restored.RestoreLearned(saved.learned_shares()));
  log::v1::EpochOpened opened;
  ASSERT_OK(restored.NoteLearnedShares(Sampler(Kind::kGroupDro), columns, &opened));
  EXPECT_EQ(std::vector<double>(opened.learned_shares().begin(), opened.learned_shares().end()),
            learned);
  EXPECT_THAT(restored.RestoreLearned("damaged"), StatusIs(absl::StatusCode::kDataLoss));

  // Other strata, or none: it starts anew.
  columns["label"] = Stored<int64_t>("label", v1::COLUMN_TYPE_INT64, {1, 1, 1, 2, 2, 2}, 2);
  EXPECT_TRUE(Shares(Kind::kGroupDro).empty());
  run.FoldEpoch(MakeEpoch(2, Sampler(Kind::kNatural)), nullptr, &dropped);
  log::v1::RunState without;
  run.Save(&without);
  EXPECT_TRUE(without.learned_shares().empty());
}

// From the first loss to the next epoch's draws, and the same again after a crash.
TEST(LearnedSharesEndToEndTest, AnEpochDrawsMoreOfWhatWasHard) {
  TestEngine t;
  ASSERT_OK(t.ImportLabels("d", 200, /*classes=*/2));
  v1::SamplerSpec spec;
  spec.mutable_proportion()->set_kind(v1::Proportion::GROUP_DRO);
  spec.mutable_proportion()->set_column("label");
  spec.mutable_proportion()->set_eta(0.1);
  ASSERT_OK(t.CreateSampler("d/s", spec));
  const Uid run = t.CreateRun("r", "d/s", 20)->uid();
  ASSERT_OK_AND_ASSIGN(const uint64_t session, t.OpenSession(run));
  sampling::GroupWeights oracle(2);
  sampling::Proportion proportion;
  proportion.kind = Kind::kGroupDro;
  proportion.eta = 0.1;
  const std::vector<uint32_t> first = t.EpochIndices(run, 0);
  EXPECT_EQ(std::count_if(first.begin(), first.end(), [](uint32_t i) { return i % 2 == 1; }), 100);
  for (uint64_t step = 0; step < 10; ++step) {
    const std::vector<uint32_t> batch(first.begin() + step * 20, first.begin() + step * 20 + 20);
    std::vector<float> losses;
    for (const uint32_t i : batch) losses.push_back(i % 2 == 1 ? 2.0f : 1.0f);
    ASSERT_OK(t.Report(Losses(run, session, step + 1, 0, step * 20, batch, losses)));
    oracle.Update(proportion, {1, 2}, {100, 100});
    if (step != 4) continue;
    ASSERT_OK(t.engine->FoldNow());  // the rest is replayed
  }
  t.CrashAndReopen();
  ASSERT_OK_AND_ASSIGN(const v1::Epoch epoch, t.OpenEpoch(run, 1));
  EXPECT_EQ(epoch.opened(), v1::Epoch::FEEDBACK_COMPLETE);
  const std::vector<uint32_t> second = t.EpochIndices(run, 1);
  const double share = oracle.Shares(Kind::kGroupDro)[1];  // e / (1 + e), e = exp(.1 * 10)
  EXPECT_NEAR(share, std::exp(1.0) / (1 + std::exp(1.0)), 1e-9);
  EXPECT_NEAR(std::count_if(second.begin(), second.end(), [](uint32_t i) { return i % 2 == 1; }),
              200 * share, 1);
  t.CrashAndReopen();
  EXPECT_EQ(t.EpochIndices(run, 1), second);
  ASSERT_OK(t.engine->FoldNow());
  t.Reopen();
  EXPECT_EQ(t.EpochIndices(run, 1), second);
}

}  // namespace
}  // namespace subset
