// A run: its epochs, sessions, scores and live draws.

#ifndef SUBSET_ENGINE_RUN_H_
#define SUBSET_ENGINE_RUN_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/types.h"
#include "engine/epoch.h"
#include "engine/epoch_accounts.h"
#include "engine/learned_shares.h"
#include "engine/lease_book.h"
#include "engine/live_draws.h"
#include "engine/position_set.h"
#include "engine/score_table.h"
#include "engine/session.h"
#include "sampling/score_draw.h"
#include "subset/log/v1/image.pb.h"
#include "subset/log/v1/record.pb.h"
#include "subset/v1/training.pb.h"

namespace subset {

// Since start. Relaxed: each stands for itself.
struct RunCounters {
  std::atomic<uint64_t> batches_served{0};
  std::atomic<uint64_t> samples_drawn{0};
  std::atomic<uint64_t> feedback_messages{0};
  std::atomic<uint64_t> feedback_updates{0};
  std::atomic<uint64_t> feedback_duplicates{0};
};

// What folding a feedback record did.
struct FeedbackOutcome {
  bool duplicate = false;
  uint64_t records = 0;  // of the score version, after it
  uint32_t applied_items = 0;
  uint32_t already_acknowledged_items = 0;
  uint64_t applied_values = 0;
  bool epoch_complete = false;  // the newest epoch's feedback became complete
};

// What folding acknowledgements without values did.
struct AcknowledgedOutcome {
  uint64_t acknowledged_positions = 0;
  uint64_t failed_positions = 0;  // to be delivered again
  uint64_t parked_positions = 0;
  bool epoch_complete = false;  // as in FeedbackOutcome
};

// Commits that a rollback can name.
inline constexpr size_t kMaxCommits = 16;

// What a commit keeps for a rollback that reverts scores: a copy of the table with images of its
// own, and the shares learned by then.
struct KeptScores {
  Uid uid = 0;  // 0: none
  std::unique_ptr<ScoreTable> table;
  std::optional<LearnedShares> learned;
};

// What of one score table must be written.
struct ModifiedScores {
  Uid table = 0;  // whose images: the run's uid, or that of KeptScores
  std::vector<ModifiedChunk> chunks;
};

// Epochs kept beyond the limit because the last commit needs them.
inline constexpr size_t kMaxEpochsForCommit = 16;

// What a plan is built from, taken in one moment.
struct RunSnapshot {
  std::map<std::string, ScoreSnapshot> scores;  // by column
  uint64_t records = 0;

  // Views of the scores, for as long as the snapshot lives.
  std::map<std::string, sampling::ScoreView> views() const;
};

// The newest epoch's progress.
struct RunProgress {
  bool any_epoch = false;
  uint64_t newest_epoch = 0;
  uint64_t newest_first_step = 0;
  bool feedback_complete = true;
  uint64_t next_step = 0;  // the first of an epoch that opens now, counted over the run
  bool parked = false;     // complete but for parked blocks
};

// Thread-safe. Methods named Fold... change the state; one thread at a time calls them.
class Run {
 public:
  // `scores` may hold what images held.
  Run(v1::Run settings, std::unique_ptr<ScoreTable> scores);

  const v1::Run& settings() const { return settings_; }
  Uid uid() const { return settings_.uid(); }
  uint64_t num_samples() const { return settings_.num_samples(); }
  RunCounters& counters() { return counters_; }
  LiveDraws& live_draws() { return live_draws_; }
  LeaseBook& leases() { return leases_; }

  // Of a run with a time to live: when it was used last, on the monotonic clock.
  void Touch(absl::Duration now) {
    last_used_.store(absl::ToInt64Nanoseconds(now), std::memory_order_relaxed);
  }
  absl::Duration last_used() const {
    return absl::Nanoseconds(last_used_.load(std::memory_order_relaxed));
  }

  // The newest epoch; null: none.
  std::shared_ptr<const Epoch> NewestEpoch() const;
  // Fills in the strata's sizes and learned shares, as they stand, of an epoch that is to open,
  // where its sampler is adaptive.
  absl::Status NoteLearnedShares(const std::shared_ptr<const SamplerVersion>& sampler,
                                 const PinnedColumns& columns, log::v1::EpochOpened* opened) const;
  // Returns the means of these shares over the run's messages, for an epoch of which that was
  // noted; empty where nothing was learned for its strata.
  std::vector<double> MeanLearnedShares(const std::shared_ptr<const SamplerVersion>& sampler,
                                        const log::v1::EpochOpened& opened) const;
  // Returns the epoch if it is open and kept, else null.
  std::shared_ptr<const Epoch> FindEpoch(uint64_t epoch) const;
  // Returns nullptr, or the epoch, of those kept. Oldest first.
  std::vector<std::shared_ptr<const Epoch>> Epochs() const;
  RunProgress Progress() const;
  uint64_t records() const;
  // Rollbacks so far.
  uint64_t generation() const { return generation_.load(std::memory_order_relaxed); }

  // Whether all of the epoch is acknowledged or parked; its parked positions.
  bool Settled(uint64_t epoch, uint64_t* parked_positions) const;
  bool IsAcknowledged(uint64_t epoch, Block block) const;
  // What leased deliveries of the epoch start from, but for `first_attempt`.
  LeaseBook::Seed DeliverySeed(uint64_t epoch) const;
  std::vector<v1::AcknowledgedBlock> AuditOf(uint64_t epoch, Block block) const;
  // Parked blocks of the epoch, at most `limit`; `*total` of how many.
  std::vector<v1::FailedBlock> Parked(uint64_t epoch, size_t limit, uint64_t* total) const;
  uint64_t num_parked_blocks() const;

  // Fills in the progress; `score` is the column whose samples are counted as scored.
  v1::Run Describe(const std::string& score, uint64_t incarnation) const;
  v1::Epoch DescribeEpoch(const Epoch& epoch) const;
  bool HasScoreColumn(const std::string& column) const;
  size_t num_score_columns() const;
  // The columns that a report of this one changes: it, and those kept from it.
  std::vector<std::string> ChangedBy(const std::string& reported) const;
  uint64_t scored(const std::string& column) const;
  uint64_t score_memory_bytes() const;

  RunSnapshot Snapshot(const std::set<std::string>& scores) const;

  // As Snapshot; feedback to `noted` is noted from now on, until an epoch opens or StopNoting.
  RunSnapshot SnapshotAndNote(const std::set<std::string>& scores, const std::string& noted);
  void StopNoting();

  // Draws the global batches of these steps of a live epoch, all with the scores as they are;
  // `incarnation` goes into their score version.
  std::vector<LiveDraws::Batch> DrawLive(const Epoch& epoch, const std::vector<uint64_t>& steps,
                                         uint64_t incarnation) const;

  // The fold. `sequence` is the record's.
  void FoldSession(Uid session, uint64_t sequence);
  // Applies all of the record or nothing; errors are those of ReportFeedback.
  absl::StatusOr<FeedbackOutcome> FoldFeedback(uint64_t sequence,
                                               const log::v1::FeedbackReported& record);
  // Applies all of the record or nothing; errors are those of Acknowledge.
  absl::StatusOr<AcknowledgedOutcome> FoldAcknowledged(
      const log::v1::PositionsAcknowledged& record);
  // Returns how many positions were released; errors are those of ReleaseParked.
  absl::StatusOr<uint64_t> FoldReleased(const log::v1::ParkedReleased& record);
  // Remembers what is acknowledged, under the checkpoint's id, and the scores in `scores` if that
  // is a table. Appends tables that are no longer kept to `dropped`.
  v1::Checkpoint FoldCommit(uint64_t sequence, v1::Checkpoint checkpoint, KeptScores scores,
                            std::vector<Uid>* dropped);
  // Errors are those of Rollback.
  absl::StatusOr<v1::RollbackResponse> FoldRollback(uint64_t sequence,
                                                    const log::v1::RunRolledBack& record,
                                                    std::vector<Uid>* dropped);
  // Makes the scores of this new run as those of `source`.
  void FoldCopy(uint64_t sequence, const Run& source);
  // Whether another table was copied from this run's: its images may be needed to replay that.
  bool copied() const { return copied_.load(std::memory_order_relaxed); }
  // The tables that commits keep.
  std::vector<Uid> KeptTables() const;
  // Adds an epoch newer than all others, and returns those that are no longer kept. `draw` is the
  // live draw built for it, if any.
  std::vector<std::shared_ptr<const Epoch>> FoldEpoch(std::shared_ptr<Epoch> epoch,
                                                      std::shared_ptr<sampling::ScoreDraw> draw,
                                                      std::vector<Uid>* dropped);

  // For images: the state at one moment, and the chunks to write. Caller is the folding thread.
  void Save(log::v1::RunState* state) const;
  std::vector<ModifiedScores> Modified() const;
  void NoteImages(const ModifiedScores& written, uint64_t sequence);

  // For recovery, before other threads see the run.
  // `find_scores` returns the table of a uid, with what its images hold.
  // Returns kDataLoss where learned shares are damaged.
  absl::Status Restore(const log::v1::RunState& state,
                       absl::FunctionRef<std::unique_ptr<ScoreTable>(Uid)> find_scores);
  void RestoreEpoch(std::shared_ptr<Epoch> epoch, const log::v1::EpochState& state);
  // After the epochs. Returns kDataLoss where the bytes do not fit the newest one.
  absl::Status RestoreLearned(const std::string& weights);
  std::vector<std::shared_ptr<Epoch>> MutableEpochs();
  void SetDraw(uint64_t epoch, std::shared_ptr<sampling::ScoreDraw> draw);

 private:
  struct Entry {
    std::shared_ptr<Epoch> epoch;
    EpochAccounts accounts;
    std::shared_ptr<sampling::ScoreDraw> draw;  // of a live epoch
  };
  struct Commit {
    v1::Checkpoint checkpoint;
    std::map<uint64_t, PositionSet> acknowledged;  // of the epochs then kept
    KeptScores scores;
  };
  // What was decided about one entry of a message.
  enum class Part { kApply, kAlreadyAcknowledged };
  // Positions that a message names.
  struct Named {
    std::string path;  // of the entry in the request
    uint64_t epoch = 0;
    uint64_t begin = 0;
    uint64_t items = 0;
    std::optional<uint64_t> generation;
  };

  // Copies, beside the readers, the chunks that the record will change.
  std::vector<FreshChunk> Prepare(const log::v1::FeedbackReported& record) const;
  absl::StatusOr<std::vector<Part>> Decide(const log::v1::FeedbackReported& record) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  absl::StatusOr<FeedbackOutcome> Fold(uint64_t sequence, const log::v1::FeedbackReported& record,
                                       std::vector<FreshChunk> fresh,
                                       std::vector<std::pair<uint64_t, Block>>* acknowledged)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // `claimed`: by earlier entries of the message, not in the epoch's accounts; the entry's is
  // added.
  absl::StatusOr<Part> DecidePositions(const Named& named,
                                       std::map<uint64_t, PositionSet>* claimed) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  uint64_t NumNeeded(const Entry& entry) const;
  // Whether a rollback to the commit could take something of the epoch back.
  bool Needs(const Commit& commit, uint64_t number, const Entry& entry) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // The oldest epoch goes, and with it the commits that need it.
  std::shared_ptr<const Epoch> EvictOldest(std::vector<Uid>* dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void DropScores(Commit& commit, std::vector<Uid>* dropped);
  // Scores and learned shares become what the commit kept.
  void RevertScores(uint64_t sequence, const KeptScores& kept) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Live draws go by the scores as they are now.
  void RebuildDraws() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SaveCommits(log::v1::RunState* state) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  absl::Status RestoreCommits(const log::v1::RunState& state,
                              absl::FunctionRef<std::unique_ptr<ScoreTable>(Uid)> find_scores)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Null where nothing was learned for the strata of such an epoch.
  const LearnedShares* LearnedFor(const std::shared_ptr<const SamplerVersion>& sampler,
                                  const log::v1::EpochOpened& opened) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void ApplyGroupLosses(const log::v1::FeedbackReported& record, const std::vector<Part>& parts)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ApplyValues(uint64_t sequence, const v1::Feedback& feedback)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ApplyColumn(uint64_t sequence, const std::string& column,
                   const std::vector<uint32_t>& samples, std::vector<float> values,
                   ScoreTable::Fold fold) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<std::string> Changes(const std::string& reported) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Whether a kept epoch's sampler reads how old this column's values are.
  bool TracksSteps(const std::string& column) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // The steps, counted over the run, that the values of an entry were computed at.
  std::vector<float> StepsOf(const v1::Feedback& feedback, size_t items) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool NewestComplete() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  RunSnapshot TakeSnapshot(const std::set<std::string>& scores) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  v1::Epoch Describe(const Entry& entry) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  const v1::Run settings_;
  RunCounters counters_;
  // Their locks are taken before mu_, never after.
  LiveDraws live_draws_;
  LeaseBook leases_;
  // Changes under mu_; a draw may name the one before.
  std::atomic<uint64_t> generation_{0};
  mutable std::atomic<bool> copied_{false};
  std::atomic<int64_t> last_used_{0};  // nanoseconds

  mutable FairSharedMutex mu_;
  std::map<uint64_t, Entry> epochs_ ABSL_GUARDED_BY(mu_);
  std::map<Uid, Session> sessions_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<ScoreTable> scores_ ABSL_GUARDED_BY(mu_);
  uint64_t records_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<Commit> commits_ ABSL_GUARDED_BY(mu_);  // oldest first
  std::string rolled_back_to_ ABSL_GUARDED_BY(mu_);
  bool reverted_ ABSL_GUARDED_BY(mu_) = false;  // while feedback was noted for a draw
  // For the strata of the newest epoch, where its sampler is adaptive.
  std::optional<LearnedShares> learned_ ABSL_GUARDED_BY(mu_);
  // Feedback since the snapshot that a live epoch's draw is being built from.
  std::string noting_ ABSL_GUARDED_BY(mu_);  // column; empty: nothing is noted
  std::vector<uint32_t> noted_samples_ ABSL_GUARDED_BY(mu_);
  std::vector<float> noted_values_ ABSL_GUARDED_BY(mu_);
};

}  // namespace subset

#endif  // SUBSET_ENGINE_RUN_H_
