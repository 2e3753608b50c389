// Leases, acknowledgements, commits and rollbacks that are refused.

#include "engine/lease_terms.h"
#include "tests/server/bad_input.h"

namespace subset {
namespace {

class BadLeaseTest : public BadInputTest {
 protected:
  void SetUp() override {
    BadInputTest::SetUp();
    batch_ = Acquire([](auto&) {});
    ASSERT_EQ(batch_.lease().id(), 1u);
    Context context;
    v1::CreateRunRequest request;
    request.set_name("foreign");
    request.set_sampler("d/uniform");
    request.set_global_batch_size(8);
    ASSERT_TRUE(serving_->training->CreateRun(&context, request, &foreign_).ok());
  }

  // Each sends a good request after `change`: worker "a" leases the next block of epoch 1,
  template <typename Change>
  grpc::Status Lease(Change change, v1::Batch* batch) {
    Context context;
    v1::GetBatchRequest request;
    request.set_run_uid(run_.uid());
    request.set_epoch(1);
    request.mutable_leased()->set_worker("a");
    change(request);
    return serving_->training->GetBatch(&context, request, batch);
  }
  template <typename Change>
  v1::Batch Acquire(Change change) {
    v1::Batch batch;
    const grpc::Status status = Lease(change, &batch);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return batch;
  }
  // acknowledges `batch_`,
  v1::Acknowledgement Good() const {
    v1::Acknowledgement good;
    good.set_epoch(1);
    good.set_position(batch_.position());
    good.set_num_positions(8);
    *good.mutable_lease() = batch_.lease();
    good.set_worker("a");
    return good;
  }
  template <typename Change>
  grpc::Status Acknowledge(Change change, v1::AcknowledgeResponse* response) {
    Context context;
    v1::AcknowledgeRequest request;
    request.set_run_uid(run_.uid());
    *request.add_acknowledgements() = Good();
    change(request);
    return serving_->training->Acknowledge(&context, request, response);
  }
  // and renews its lease.
  template <typename Change>
  grpc::Status Renew(Change change) {
    Context context;
    v1::RenewLeasesRequest request;
    v1::RenewLeasesResponse response;
    request.set_run_uid(run_.uid());
    request.set_worker("a");
    *request.add_leases() = batch_.lease();
    change(request);
    return serving_->training->RenewLeases(&context, request, &response);
  }

  std::function<grpc::Status()> Leasing(std::function<void(v1::GetBatchRequest&)> change) {
    return [this, change] {
      v1::Batch batch;
      return Lease(change, &batch);
    };
  }
  std::function<grpc::Status()> Acknowledging(std::function<void(v1::AcknowledgeRequest&)> change) {
    return [this, change] {
      v1::AcknowledgeResponse response;
      return Acknowledge(change, &response);
    };
  }
  // With its one entry changed.
  std::function<grpc::Status()> Entry(std::function<void(v1::Acknowledgement&)> change) {
    return Acknowledging([change](auto& r) { change(*r.mutable_acknowledgements(0)); });
  }
  std::function<grpc::Status()> Renewing(std::function<void(v1::RenewLeasesRequest&)> change) {
    return [this, change] { return Renew(change); };
  }
  static std::function<void(v1::GetBatchRequest&)> For(int64_t seconds, int32_t nanos) {
    return [=](auto& r) {
      r.mutable_leased()->mutable_lease_time()->set_seconds(seconds);
      r.mutable_leased()->mutable_lease_time()->set_nanos(nanos);
    };
  }

  v1::Batch batch_;
  v1::Run foreign_;
};

TEST_F(BadLeaseTest, Terms) {
  Check({
      Invalid("no worker", Leasing([](auto& r) { r.mutable_leased()->clear_worker(); }),
              "leased.worker", "has 0 bytes, outside [1, 128]"),
      Invalid("a worker of 129 bytes",
              Leasing([](auto& r) { r.mutable_leased()->set_worker(std::string(129, 'w')); }),
              "leased.worker", "has 129 bytes, outside [1, 128]"),
      Invalid("65,537 samples", Leasing([](auto& r) { r.mutable_leased()->set_batch_size(65537); }),
              "leased.batch_size", "65537 is outside [0, 65536]"),
      Invalid("99 ms", Leasing(For(0, 99999999)), "leased.lease_time",
              "0 s 99999999 ns is outside [100 ms, 24 h]"),
      Invalid("a second less than none", Leasing(For(-1, 0)), "leased.lease_time",
              "-1 s 0 ns is outside [100 ms, 24 h]"),
      Invalid("a day and a nanosecond", Leasing(For(24 * 3600, 1)), "leased.lease_time",
              "86400 s 1 ns is outside [100 ms, 24 h]"),
      Invalid("a replay", Leasing([](auto& r) { r.set_replay(true); }), "replay",
              "is not for a leased address"),
      Invalid("epoch 2^32", Leasing([](auto& r) { r.set_epoch(uint64_t{1} << 32); }), "epoch",
              "4294967296 is outside"),
      {"an unknown run", Leasing([](auto& r) { r.set_run_uid(999); }), Code::NOT_FOUND, "NOT_FOUND",
       "run_uid", "run \"999\" does not exist"},
  });
}

TEST_F(BadLeaseTest, Acknowledgements) {
  const auto entries = [&](int n) {
    return Acknowledging([n](auto& r) {
      r.clear_acknowledgements();
      for (int i = 0; i < n; ++i) r.add_acknowledgements();
    });
  };
  const auto range = [&](uint64_t position, uint32_t num_positions) {
    return Entry([=](auto& entry) {
      entry.set_position(position);
      entry.set_num_positions(num_positions);
    });
  };
  const auto assigned = [&](uint64_t epoch, uint64_t position) {
    return Entry([=](auto& entry) {
      entry.clear_lease();
      entry.set_epoch(epoch);
      entry.set_position(position);
    });
  };
  Check({
      Invalid("none", entries(0), "acknowledgements", "has 0 entries, outside [1, 1024]"),
      Invalid("1,025", entries(kMaxLeasesPerCall + 1), "acknowledgements",
              "has 1025 entries, outside [1, 1024]"),
      Invalid("an unknown durability",
              Acknowledging([](auto& r) { r.set_durability(static_cast<v1::Durability>(9)); }),
              "durability", "9 is not a value"),
      Invalid("no positions", range(0, 0), "acknowledgements[0].num_positions",
              "0 is outside [1, 65536]"),
      Invalid("65,537 positions", range(0, 65537), "acknowledgements[0].num_positions",
              "65537 is outside [1, 65536]"),
      Invalid("nobody's lease", Entry([](auto& entry) { entry.clear_worker(); }),
              "acknowledgements[0].worker", "has 0 bytes, outside [1, 128]"),
      Invalid("a worker of 129 bytes",
              Entry([](auto& entry) { entry.set_worker(std::string(129, 'w')); }),
              "acknowledgements[0].worker", "has 129 bytes, outside [1, 128]"),
      Invalid("a reason of 1,025 bytes",
              Entry([](auto& entry) { entry.set_failed(std::string(1025, 'x')); }),
              "acknowledgements[0].failed", "has 1025 bytes; at most 1024"),
      Invalid("a failure without a lease", Entry([](auto& entry) {
                entry.clear_lease();
                entry.set_failed("corrupt");
              }),
              "acknowledgements[0].lease", "is not set"),
      Invalid("positions past the end", assigned(1, 993), "acknowledgements[0].position",
              "993 with 8 items is past the 1000 positions of epoch 1"),
      Invalid("positions past all numbers", assigned(1, ~uint64_t{0}),
              "acknowledgements[0].position", "is past the 1000 positions"),
      Invalid("more than the lease's block", range(0, 9), "acknowledgements[0].lease",
              "[0, 9) of epoch 1 is outside the lease's block: [0, 8) of epoch 1"),
      Invalid("the lease's positions of another epoch", Entry([](auto& entry) {
                entry.set_epoch(0);
                entry.set_position(16);
              }),
              "acknowledgements[0].lease", "[16, 24) of epoch 0 is outside the lease's block"),
      {"an epoch that is not open", assigned(7, 0), Code::FAILED_PRECONDITION, "EPOCH_NOT_OPEN",
       "acknowledgements[0].epoch", "7 is not open, or no longer kept"},
      {"a range acknowledged in part", assigned(0, 4), Code::FAILED_PRECONDITION,
       "PARTLY_ACKNOWLEDGED", "acknowledgements[0].position", "4 of the positions [4, 12)"},
      {"an unknown run", Acknowledging([](auto& r) { r.set_run_uid(999); }), Code::NOT_FOUND,
       "NOT_FOUND", "run_uid", "run \"999\" does not exist"},
      {"one good entry and one bad", Acknowledging([this](auto& r) {
         *r.add_acknowledgements() = Good();
         r.mutable_acknowledgements(1)->clear_lease();
         r.mutable_acknowledgements(1)->set_position(998);
       }),
       Code::INVALID_ARGUMENT, "INVALID_FIELD", "acknowledgements[1].position", "998 with 8 items"},
  });
}

TEST_F(BadLeaseTest, LeasesThatAreNotTheWorkers) {
  const auto unknown = [&](std::string what, uint64_t incarnation, uint64_t id) {
    return Refusal{std::move(what),
                   Entry([=](auto& entry) {
                     entry.mutable_lease()->set_incarnation(incarnation);
                     entry.mutable_lease()->set_id(id);
                   }),
                   Code::NOT_FOUND,
                   "LEASE_UNKNOWN",
                   "acknowledgements[0].lease",
                   absl::StrCat("(incarnation ", incarnation, ", id ", id, ") was never granted")};
  };
  const auto foreign = [](std::string what, std::function<grpc::Status()> call, std::string field,
                          std::string message) {
    return Refusal{std::move(what), std::move(call),  Code::PERMISSION_DENIED,
                   "LEASE_FOREIGN", std::move(field), std::move(message)};
  };
  const uint64_t now = batch_.lease().incarnation();
  Check({
      unknown("no id", now, 0),
      unknown("an id to come", now, 2),
      unknown("a server to come", now + 1, 1),
      unknown("no server", 0, 1),
      foreign("another worker's", Entry([](auto& entry) { entry.set_worker("b"); }),
              "acknowledgements[0].lease", "is worker \"a\"'s, not \"b\"'s"),
      foreign("another run's",
              Entry([this](auto& e) { e.mutable_lease()->set_run_uid(foreign_.uid()); }),
              "acknowledgements[0].lease", absl::StrCat("is of run ", foreign_.uid())),
      foreign("this run's, sent to another",
              Acknowledging([this](auto& r) { r.set_run_uid(foreign_.uid()); }),
              "acknowledgements[0].lease", absl::StrCat("not of run ", foreign_.uid())),
      foreign(
          "another worker's, in feedback",
          [this] {
            return Report([this](auto& r) {
              r.mutable_feedback(0)->set_epoch(1);
              *r.mutable_feedback(0)->mutable_lease() = batch_.lease();
              r.mutable_feedback(0)->set_worker("b");
            });
          },
          "feedback[0].lease", "is worker \"a\"'s, not \"b\"'s"),
      foreign("another worker's, to renew", Renewing([](auto& r) { r.set_worker("b"); }),
              "leases[0]", "is worker \"a\"'s, not \"b\"'s"),
      foreign("another run's, to renew",
              Renewing([this](auto& r) { r.mutable_leases(0)->set_run_uid(foreign_.uid()); }),
              "leases[0]", absl::StrCat("is of run ", foreign_.uid())),
      Invalid("nobody's, to renew", Renewing([](auto& r) { r.clear_worker(); }), "worker",
              "has 0 bytes, outside [1, 128]"),
      Invalid("1,025 to renew", Renewing([](auto& r) {
                while (r.leases_size() <= kMaxLeasesPerCall) *r.add_leases() = r.leases(0);
              }),
              "leases", "has 1025 entries; at most 1024"),
      Invalid("renewed for no time",
              Renewing([](auto& r) { r.mutable_lease_time()->set_seconds(0); }), "lease_time",
              "0 s 0 ns is outside [100 ms, 24 h]"),
  });
}

TEST_F(BadLeaseTest, ALeaseThatEndedIsNoRightToWhatAnotherWorkerHas) {
  // "a" takes all that is left, for a moment; "b" asks until it is free again.
  batch_ = Acquire([](auto& r) {
    r.mutable_leased()->set_batch_size(1000);
    For(0, 100000000)(r);
  });
  v1::Batch again;
  while (again.indices().empty()) {
    again = Acquire([](auto& r) { r.mutable_leased()->set_worker("b"); });
  }
  ASSERT_EQ(again.position(), batch_.position());
  ASSERT_EQ(again.attempt(), 2u);
  Check({
      {"an expired lease", Entry([](auto& entry) { entry.set_num_positions(992); }),
       Code::FAILED_PRECONDITION, "LEASE_EXPIRED", "acknowledgements[0].lease",
       "its block is with worker \"b\" now, attempt 2"},
  });

  // A finished lease is no error: all of it is known, and counts once.
  v1::AcknowledgeResponse response;
  const auto finish = [&](auto& r) {
    *r.mutable_acknowledgements(0)->mutable_lease() = again.lease();
    r.mutable_acknowledgements(0)->set_num_positions(992);
    r.mutable_acknowledgements(0)->set_worker("b");
  };
  ASSERT_TRUE(Acknowledge(finish, &response).ok());
  EXPECT_EQ(response.acknowledged_positions(), 992u);
  const std::string before = State();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Acknowledge(finish, &response).ok());
    EXPECT_TRUE(response.duplicate());
    EXPECT_EQ(response.acknowledged_positions(), 0u);
  }
  EXPECT_TRUE(State() == before) << "the state changed";
}

TEST_F(BadLeaseTest, CommitsAndRollbacks) {
  const auto commit = [this](uint64_t run_uid, std::string id, bool keep_scores = false) {
    return [=] {
      Context context;
      v1::CommitRequest request;
      v1::Checkpoint checkpoint;
      request.set_run_uid(run_uid);
      request.set_checkpoint_id(id);
      request.set_keep_scores(keep_scores);
      return serving_->training->Commit(&context, request, &checkpoint);
    };
  };
  const auto rollback = [this](std::function<void(v1::RollbackRequest&)> change) {
    return [=] {
      Context context;
      v1::RollbackRequest request;
      v1::RollbackResponse response;
      request.set_run_uid(run_.uid());
      request.set_checkpoint_id("known");
      change(request);
      return serving_->training->Rollback(&context, request, &response);
    };
  };
  const auto precondition = [](std::string what, std::function<grpc::Status()> call,
                               std::string reason, std::string field, std::string message) {
    return Refusal{std::move(what),   std::move(call),  Code::FAILED_PRECONDITION,
                   std::move(reason), std::move(field), std::move(message)};
  };
  ASSERT_TRUE(commit(run_.uid(), "known")().ok());
  Check({
      Invalid("a checkpoint without an id", commit(run_.uid(), ""), "checkpoint_id",
              "has 0 bytes, outside [1, 256]"),
      Invalid("an id of 257 bytes", commit(run_.uid(), std::string(257, 'x')), "checkpoint_id",
              "has 257 bytes, outside [1, 256]"),
      {"a commit of an unknown run", commit(999, "known"), Code::NOT_FOUND, "NOT_FOUND", "run_uid",
       "run \"999\" does not exist"},
      {"a rollback of an unknown run", rollback([](auto& r) { r.set_run_uid(999); }),
       Code::NOT_FOUND, "NOT_FOUND", "run_uid", "run \"999\" does not exist"},
      precondition("a checkpoint that nobody committed",
                   rollback([](auto& r) { r.set_checkpoint_id("unknown"); }), "CHECKPOINT_GONE",
                   "checkpoint_id", "checkpoint_id \"unknown\" is not known to the run"),
      precondition("another run's checkpoint",
                   rollback([this](auto& r) { r.set_run_uid(foreign_.uid()); }), "CHECKPOINT_GONE",
                   "checkpoint_id", "checkpoint_id \"known\" is not known to the run"),
      precondition("scores that were not kept",
                   rollback([](auto& r) { r.set_revert_scores(true); }), "SCORES_GONE",
                   "revert_scores", "the scores of checkpoint \"known\" are not kept"),
      precondition("a generation to come", rollback([](auto& r) { r.set_generation(1); }),
                   "GENERATION_PASSED", "generation", "generation 1 is not the run's, 0"),
  });

  ASSERT_TRUE(rollback([](auto&) {})().ok());
  Check({
      precondition("a lease from before a rollback", Entry([](auto&) {}), "GENERATION_PASSED",
                   "acknowledgements[0].generation", "0 is not the run's, 1"),
      precondition("a batch from before a rollback", Entry([](auto& entry) {
                     entry.clear_lease();
                     entry.set_generation(0);
                   }),
                   "GENERATION_PASSED", "acknowledgements[0].generation", "0 is not the run's, 1"),
      precondition(
          "feedback from before a rollback",
          [this] {
            return Report([](auto& r) {
              r.mutable_feedback(0)->set_position(16);
              r.mutable_feedback(0)->set_generation(0);
            });
          },
          "GENERATION_PASSED", "feedback[0].generation", "0 is not the run's, 1"),
      precondition("a second rollback of the same generation, to elsewhere", rollback([](auto& r) {
                     r.set_checkpoint_id("elsewhere");
                     r.set_generation(0);
                   }),
                   "GENERATION_PASSED", "generation", "generation 0 is not the run's, 1"),
  });
}

TEST_F(BadLeaseTest, ListsAndReleases) {
  const auto list = [this](uint64_t run_uid, uint64_t epoch) {
    return [=] {
      Context context;
      v1::ListLeasesRequest request;
      v1::ListLeasesResponse response;
      request.set_run_uid(run_uid);
      request.set_epoch(epoch);
      return serving_->training->ListLeases(&context, request, &response);
    };
  };
  const auto release = [this](uint64_t epoch, uint64_t position) {
    return [=] {
      Context context;
      v1::ReleaseParkedRequest request;
      v1::ReleaseParkedResponse response;
      request.set_run_uid(run_.uid());
      request.set_epoch(epoch);
      request.set_position(position);
      return serving_->training->ReleaseParked(&context, request, &response);
    };
  };
  Check({
      {"leases of an unknown run", list(999, 0), Code::NOT_FOUND, "NOT_FOUND", "run_uid",
       "run \"999\" does not exist"},
      {"leases of an epoch that is not open", list(run_.uid(), 7), Code::FAILED_PRECONDITION,
       "EPOCH_NOT_OPEN", "epoch", "epoch 7 is not open"},
      {"a release in an epoch that is not open", release(7, 0), Code::FAILED_PRECONDITION,
       "EPOCH_NOT_OPEN", "epoch", "epoch 7 is not open"},
      {"a release of what is not parked", release(1, 0), Code::NOT_FOUND, "NOT_PARKED", "position",
       "no parked block of epoch 1 starts at position 0"},
  });
}

}  // namespace
}  // namespace subset
