// What is refused of leases and acknowledgements; nothing changes.

#include "engine/lease_terms.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

class LeaseErrorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(t.ImportLabels("d", 100));
    ASSERT_OK(t.CreateSampler("d/u", "uniform"));
    ASSERT_OK_AND_ASSIGN(run, t.CreateRun("r", "d/u", 10));
    ASSERT_OK_AND_ASSIGN(batch, t.Acquire(run.uid(), 0, "a"));
    before = State();
  }
  void TearDown() override { EXPECT_EQ(State(), before) << "a refused call changed something"; }

  std::string State() { return t.GetRun("r")->SerializeAsString(); }
  v1::AcknowledgeRequest Good() { return Acknowledgement(run.uid(), batch, "a"); }
  v1::Acknowledgement& Entry(v1::AcknowledgeRequest& request) {
    return *request.mutable_acknowledgements(0);
  }
  v1::ReportFeedbackRequest Report() {
    v1::ReportFeedbackRequest report =
        Losses(run.uid(), *t.OpenSession(run.uid()), 1, 0, batch.position(),
               Decode<uint32_t>(batch.indices()), std::vector<float>(10, 1.0f));
    *report.mutable_feedback(0)->mutable_lease() = batch.lease();
    report.mutable_feedback(0)->set_worker("a");
    return report;
  }

  TestEngine t;
  v1::Run run;
  v1::Batch batch;
  std::string before;
};

TEST_F(LeaseErrorTest, TermsOutOfBounds) {
  EXPECT_THAT(t.Acquire(run.uid(), 0, ""), FieldIs("leased.worker"));
  EXPECT_THAT(t.Acquire(run.uid(), 0, std::string(129, 'w')), FieldIs("leased.worker"));
  EXPECT_THAT(t.Acquire(run.uid(), 0, "a", 65537), FieldIs("leased.batch_size"));
  EXPECT_THAT(t.Acquire(run.uid(), 0, "a", 1, absl::Milliseconds(99)),
              FieldIs("leased.lease_time"));
  EXPECT_THAT(t.Acquire(run.uid(), 0, "a", 1, absl::Hours(25)), StatusIs(kInvalid));
  EXPECT_THAT(t.Acquire(run.uid() + 9, 0, "a"), ReasonIs("NOT_FOUND"));
  v1::GetBatchRequest replay;
  replay.set_run_uid(run.uid());
  replay.mutable_leased()->set_worker("a");
  replay.set_replay(true);
  EXPECT_THAT(t.GetBatch(replay), FieldIs("replay"));
}

TEST_F(LeaseErrorTest, ALeaseNeverGranted) {
  for (const auto& [incarnation, id] :
       std::vector<std::pair<uint64_t, uint64_t>>{{1, 2}, {1, 0}, {2, 1}, {0, 1}}) {
    v1::AcknowledgeRequest request = Good();
    Entry(request).mutable_lease()->set_incarnation(incarnation);
    Entry(request).mutable_lease()->set_id(id);
    EXPECT_THAT(t.Acknowledge(request), StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT(t.Acknowledge(request), ReasonIs("LEASE_UNKNOWN"));
    EXPECT_THAT(t.Acknowledge(request), FieldIs("acknowledgements[0].lease"));
    EXPECT_THAT(t.Renew(run.uid(), "a", {Entry(request).lease()}), ReasonIs("LEASE_UNKNOWN"));
  }
}

TEST_F(LeaseErrorTest, ALeaseOfAnotherRunOrWorker) {
  v1::AcknowledgeRequest request = Good();
  Entry(request).set_worker("b");
  EXPECT_THAT(t.Acknowledge(request), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(t.Acknowledge(request), ReasonIs("LEASE_FOREIGN"));
  EXPECT_THAT(t.Renew(run.uid(), "b", {batch.lease()}), ReasonIs("LEASE_FOREIGN"));
  ASSERT_OK_AND_ASSIGN(const v1::Run other, t.CreateRun("other", "d/u", 10));
  request = Good();
  request.set_run_uid(other.uid());
  EXPECT_THAT(t.Acknowledge(request), ReasonIs("LEASE_FOREIGN"));
  EXPECT_THAT(t.Renew(other.uid(), "a", {batch.lease()}), ReasonIs("LEASE_FOREIGN"));
  v1::ReportFeedbackRequest report = Report();
  report.mutable_feedback(0)->set_worker("b");
  EXPECT_THAT(t.Report(report), ReasonIs("LEASE_FOREIGN"));
  EXPECT_THAT(t.Report(report), FieldIs("feedback[0].lease"));
}

TEST_F(LeaseErrorTest, ARangeOutsideTheLeasesBlock) {
  v1::AcknowledgeRequest request = Good();
  Entry(request).set_position(1);
  EXPECT_THAT(t.Acknowledge(request), StatusIs(kInvalid));
  request = Good();
  Entry(request).set_num_positions(11);
  EXPECT_THAT(t.Acknowledge(request), StatusIs(kInvalid));
  request = Good();
  Entry(request).set_epoch(1);
  EXPECT_THAT(t.Acknowledge(request), StatusIs(kInvalid));
  for (const uint32_t size : {0u, 65537u}) {
    request = Good();
    Entry(request).set_num_positions(size);
    EXPECT_THAT(t.Acknowledge(request), FieldIs("acknowledgements[0].num_positions"));
  }
}

TEST_F(LeaseErrorTest, AMessageThatCannotBe) {
  v1::AcknowledgeRequest request;
  request.set_run_uid(run.uid());
  EXPECT_THAT(t.Acknowledge(request), FieldIs("acknowledgements"));
  for (int i = 0; i <= kMaxLeasesPerCall; ++i) request.add_acknowledgements();
  EXPECT_THAT(t.Acknowledge(request), FieldIs("acknowledgements"));
  request = Good();
  request.set_durability(static_cast<v1::Durability>(9));
  EXPECT_THAT(t.Acknowledge(request), FieldIs("durability"));
  request = Good();
  Entry(request).set_worker("");
  EXPECT_THAT(t.Acknowledge(request), FieldIs("acknowledgements[0].worker"));
  request = Good();
  Entry(request).set_failed(std::string(1025, 'x'));
  EXPECT_THAT(t.Acknowledge(request), FieldIs("acknowledgements[0].failed"));
  request = Good();
  Entry(request).set_failed("corrupt");
  Entry(request).clear_lease();
  EXPECT_THAT(t.Acknowledge(request), FieldIs("acknowledgements[0].lease"));
  request = Good();
  request.set_run_uid(run.uid() + 9);
  EXPECT_THAT(t.Acknowledge(request), ReasonIs("NOT_FOUND"));
  v1::ReportFeedbackRequest report = Report();
  report.mutable_feedback(0)->clear_position();
  EXPECT_THAT(t.Report(report), FieldIs("feedback[0].position"));
  report = Report();
  report.mutable_feedback(0)->set_worker("");
  EXPECT_THAT(t.Report(report), FieldIs("feedback[0].worker"));
  EXPECT_THAT(t.Renew(run.uid(), "", {}), FieldIs("worker"));
  EXPECT_THAT(t.Renew(run.uid(), "a", std::vector<v1::Lease>(1025, batch.lease())),
              FieldIs("leases"));
  EXPECT_THAT(t.Renew(run.uid(), "a", {}, absl::ZeroDuration()), FieldIs("lease_time"));
}

TEST_F(LeaseErrorTest, OneBadEntryKeepsTheOthersOut) {
  v1::AcknowledgeRequest request = Good();
  v1::Acknowledgement* assigned = request.add_acknowledgements();
  assigned->set_epoch(0);
  assigned->set_position(95);
  assigned->set_num_positions(6);
  EXPECT_THAT(t.Acknowledge(request), FieldIs("acknowledgements[1].position"));
  assigned->set_epoch(7);
  EXPECT_THAT(t.Acknowledge(request), ReasonIs("EPOCH_NOT_OPEN"));
  assigned->set_epoch(0);
  assigned->set_position(5);
  assigned->set_num_positions(10);
  EXPECT_THAT(t.Acknowledge(request), ReasonIs("PARTLY_ACKNOWLEDGED"));
}

TEST_F(LeaseErrorTest, AGenerationThatIsNotTheRuns) {
  v1::AcknowledgeRequest request = Good();
  Entry(request).mutable_lease()->set_generation(1);
  EXPECT_THAT(t.Acknowledge(request), StatusIs(kPrecondition));
  EXPECT_THAT(t.Acknowledge(request), ReasonIs("GENERATION_PASSED"));
  Entry(request).clear_lease();
  Entry(request).set_generation(3);
  EXPECT_THAT(t.Acknowledge(request), ReasonIs("GENERATION_PASSED"));
}

TEST_F(LeaseErrorTest, ListsAndReleasesOfWhatIsNotThere) {
  EXPECT_THAT(t.ListLeases(run.uid(), 3), ReasonIs("EPOCH_NOT_OPEN"));
  EXPECT_THAT(t.ListLeases(run.uid() + 9, 0), ReasonIs("NOT_FOUND"));
  EXPECT_THAT(t.Release(run.uid(), 3), ReasonIs("EPOCH_NOT_OPEN"));
  EXPECT_THAT(t.Release(run.uid(), 0, 0), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(t.Release(run.uid(), 0, 0), ReasonIs("NOT_PARKED"));
  EXPECT_THAT(t.Release(run.uid() + 9, 0), ReasonIs("NOT_FOUND"));
}

}  // namespace
}  // namespace subset
