// The engine's calls about runs, sessions and feedback.

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "engine/feedback.h"
#include "engine/local_engine.h"
#include "engine/names.h"

namespace subset {
namespace {

constexpr int64_t kDefaultFeedbackTimeoutMicros = 60 * 1000000ll;
constexpr int64_t kMaxFeedbackTimeoutMicros = 24 * 3600 * 1000000ll;
constexpr int64_t kMaxTimeToLiveSeconds = 3650 * 24 * 3600ll;

absl::StatusOr<int64_t> TimeoutMicros(const v1::CreateRunRequest& request) {
  if (!request.has_feedback_timeout()) return kDefaultFeedbackTimeoutMicros;
  const auto& timeout = request.feedback_timeout();
  const bool fits = timeout.seconds() >= 0 && timeout.seconds() <= 24 * 3600 &&
                    timeout.nanos() >= 0 && timeout.nanos() < 1000000000;
  const int64_t micros = fits ? timeout.seconds() * 1000000 + timeout.nanos() / 1000 : -1;
  if (micros >= 0 && micros <= kMaxFeedbackTimeoutMicros) return micros;
  return InvalidField("feedback_timeout", absl::StrCat(timeout.seconds(), " s ", timeout.nanos(),
                                                       " ns is outside [0 s, 24 h]"));
}

absl::Status CheckScoreEma(const v1::CreateRunRequest& request) {
  if (request.score_ema_size() > static_cast<int>(kMaxScoreColumns)) {
    return InvalidField("score_ema", absl::StrCat("has ", request.score_ema_size(),
                                                  " columns; at most ", kMaxScoreColumns));
  }
  for (const auto& [column, rate] : request.score_ema()) {
    const std::string field = absl::StrCat("score_ema[", column, "]");
    SUBSET_RETURN_IF_ERROR(ValidateName(field, column));
    if (rate > 0 && rate <= 1) continue;
    return InvalidField(field, absl::StrCat(rate, " is outside (0, 1]"));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> TimeToLiveMicros(const v1::CreateRunRequest& request) {
  if (!request.has_time_to_live()) return 0;
  const auto& live = request.time_to_live();
  if (live.seconds() >= 1 && live.seconds() < kMaxTimeToLiveSeconds && live.nanos() >= 0 &&
      live.nanos() < 1000000000) {
    return live.seconds() * 1000000 + live.nanos() / 1000;
  }
  return InvalidField("time_to_live", absl::StrCat(live.seconds(), " s ", live.nanos(),
                                                   " ns is outside [1 s, 3650 d)"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<Run>> LocalEngine::RequireRun(const std::string& name) const {
  if (auto run = catalog_->FindRun(name)) return run;
  std::vector<std::string> known;
  for (const auto& run : catalog_->Runs()) known.push_back(run->settings().name());
  return NotFoundAmong("run", name, known);
}

absl::StatusOr<std::shared_ptr<Run>> LocalEngine::RequireRun(Uid uid) const {
  if (auto run = catalog_->FindRun(uid)) {
    Use(*run);
    return run;
  }
  return WithField(NotFound("run", absl::StrCat(uid)), "run_uid");
}

v1::Run LocalEngine::Describe(const Run& run) const {
  const auto sampler = catalog_->FindSampler(run.settings().sampler_uid());
  return run.Describe(sampler == nullptr ? "loss" : sampler->MainScore(), incarnation_);
}

void LocalEngine::CreateRun(const v1::CreateRunRequest& request, Done<v1::Run> done) {
  const absl::Status named = ValidateName("name", request.name());
  if (!named.ok()) return done(named);
  if (request.global_batch_size() == 0 || request.global_batch_size() > kMaxBatchSize) {
    return done(InvalidField(
        "global_batch_size",
        absl::StrCat(request.global_batch_size(), " is outside [1, ", kMaxBatchSize, "]")));
  }
  const auto timeout = TimeoutMicros(request);
  if (!timeout.ok()) return done(timeout.status());
  const absl::Status smoothed = CheckScoreEma(request);
  if (!smoothed.ok()) return done(smoothed);
  const auto time_to_live = TimeToLiveMicros(request);
  if (!time_to_live.ok()) return done(time_to_live.status());
  const auto parts = SplitSamplerName("sampler", request.sampler());
  if (!parts.ok()) return done(parts.status());
  const auto sampler = RequireSampler(request.sampler());
  if (!sampler.ok()) return done(WithField(sampler.status(), "sampler"));
  const auto dataset = RequireDataset(parts->first);
  if (!dataset.ok()) return done(dataset.status());
  if ((*sampler)->spec.score_driven() && catalog_->FindRun(request.name()) == nullptr) {
    const uint64_t scores = (*dataset)->num_samples() * sizeof(float);
    const absl::Status fits =
        memory_.Check(absl::StrCat("run \"", request.name(), "\""),
                      scores + PlanBytes((*sampler)->spec, (*dataset)->num_samples()));
    if (!fits.ok()) return done(fits);
  }
  log::v1::Record record = NewRecord();
  auto* created = record.mutable_run_created();
  if (!request.copy_scores_from().empty()) {
    const auto source = RequireRun(request.copy_scores_from());
    if (!source.ok()) return done(WithField(source.status(), "copy_scores_from"));
    const absl::Status fits = memory_.Check(absl::StrCat("run \"", request.name(), "\""),
                                            (*source)->score_memory_bytes());
    if (!fits.ok()) return done(fits);
    created->set_copy_scores_from_uid((*source)->uid());
  }
  created->set_time_to_live_micros(*time_to_live);
  created->set_name(request.name());
  created->set_sampler_uid((*sampler)->proto.uid());
  created->set_seed(request.seed());
  created->set_global_batch_size(request.global_batch_size());
  created->set_drop_last(request.drop_last());
  created->set_feedback_timeout_micros(*timeout);
  *created->mutable_score_ema() = request.score_ema();
  Submit(std::move(record), [this, done = std::move(done)](Outcome outcome) mutable {
    if (!outcome.status.ok()) return done(outcome.status);
    Use(*outcome.run);
    planner_.Prepare(outcome.run);
    done(Describe(*outcome.run));
  });
}

absl::StatusOr<v1::Run> LocalEngine::GetRun(const v1::GetRunRequest& request) {
  SUBSET_ASSIGN_OR_RETURN(const auto run, RequireRun(request.name()));
  return Describe(*run);
}

absl::StatusOr<v1::ListRunsResponse> LocalEngine::ListRuns(const v1::ListRunsRequest& request) {
  Uid dataset_uid = 0;
  if (!request.dataset().empty()) {
    SUBSET_RETURN_IF_ERROR(ValidateName("dataset", request.dataset()));
    // A dataset that is not there has no runs.
    const auto dataset = catalog_->FindDataset(request.dataset());
    if (dataset == nullptr) return v1::ListRunsResponse();
    dataset_uid = dataset->uid();
  }
  std::vector<std::shared_ptr<Run>> runs;
  std::vector<std::string> names;
  for (const auto& run : catalog_->Runs()) {
    if (dataset_uid != 0 && run->settings().dataset_uid() != dataset_uid) continue;
    runs.push_back(run);
    names.push_back(run->settings().name());
  }
  SUBSET_ASSIGN_OR_RETURN(const Page page,
                          FindPage(names, request.page_size(), request.page_token()));
  v1::ListRunsResponse response;
  for (size_t i = page.begin; i < page.end; ++i) *response.add_runs() = Describe(*runs[i]);
  response.set_next_page_token(page.next_token);
  return response;
}

void LocalEngine::DeleteRun(const v1::DeleteRunRequest& request, Done<v1::DeleteRunResponse> done) {
  const auto run = RequireRun(request.name());
  if (!run.ok()) return done(run.status());
  log::v1::Record record = NewRecord();
  record.mutable_run_deleted()->set_uid((*run)->uid());
  Submit(std::move(record), [done = std::move(done)](Outcome outcome) mutable {
    if (!outcome.status.ok()) return done(outcome.status);
    done(v1::DeleteRunResponse());
  });
}

void LocalEngine::OpenSession(const v1::OpenSessionRequest& request,
                              Done<v1::OpenSessionResponse> done) {
  const auto run = RequireRun(request.run_uid());
  if (!run.ok()) return done(run.status());
  log::v1::Record record = NewRecord();
  record.mutable_session_opened()->set_run_uid(request.run_uid());
  Submit(std::move(record), [done = std::move(done)](Outcome outcome) mutable {
    if (!outcome.status.ok()) return done(outcome.status);
    v1::OpenSessionResponse response;
    response.set_session_id(outcome.session);
    done(std::move(response));
  });
}

std::set<std::string> LocalEngine::NonNegativeColumns(const Run& run) const {
  std::set<std::string> columns;
  const auto note = [&columns](const SamplerVersion& sampler) {
    if (sampler.spec.preference.kind == sampling::Preference::Kind::kScorePower) {
      columns.insert(sampler.spec.preference.score);
    }
  };
  const auto newest = catalog_->FindSampler(run.settings().sampler_uid());
  for (const SamplerVersion* v = newest.get(); v != nullptr; v = v->before.get()) note(*v);
  for (const auto& epoch : run.Epochs()) note(*epoch->sampler);
  return columns;
}

void LocalEngine::ReportFeedback(v1::ReportFeedbackRequest request,
                                 Done<v1::ReportFeedbackResponse> done) {
  const auto found = RequireRun(request.run_uid());
  if (!found.ok()) return done(found.status());
  const std::shared_ptr<Run> run = *found;
  const absl::Status valid =
      ValidateFeedback(request, run->num_samples(), NonNegativeColumns(*run));
  if (!valid.ok()) return done(valid);
  const absl::Status fits = CheckNewColumns(*run, request);
  if (!fits.ok()) return done(fits);
  const v1::Durability durability = request.durability() == v1::DURABILITY_APPLIED
                                        ? v1::DURABILITY_APPLIED
                                        : v1::DURABILITY_DURABLE;
  log::v1::Record record = NewRecord();
  *record.mutable_feedback_reported() = FeedbackRecord(std::move(request));
  const absl::Status held = CheckLeases(*run, record.mutable_feedback_reported());
  if (!held.ok()) return done(held);
  const std::shared_ptr<const Epoch> newest = run->NewestEpoch();
  if (newest != nullptr && newest->sampler->spec.proportion.adaptive()) {
    const absl::Status summed = AddGroupLosses(*newest, record.mutable_feedback_reported());
    if (!summed.ok()) return done(summed);
  }
  Submit(std::move(record), /*sync=*/durability == v1::DURABILITY_DURABLE, {},
         [this, durability, done = std::move(done)](Outcome outcome) mutable {
           if (!outcome.status.ok()) return done(outcome.status);
           const FeedbackOutcome& folded = outcome.feedback;
           RunCounters& counters = outcome.run->counters();
           counters.feedback_messages.fetch_add(1, std::memory_order_relaxed);
           counters.feedback_updates.fetch_add(folded.applied_values, std::memory_order_relaxed);
           counters.feedback_duplicates.fetch_add(folded.duplicate ? 1 : 0,
                                                  std::memory_order_relaxed);
           v1::ReportFeedbackResponse response;
           response.mutable_score_version()->set_incarnation(incarnation_);
           response.mutable_score_version()->set_records(folded.records);
           response.set_durability(durability);
           response.set_duplicate(folded.duplicate);
           response.set_applied_items(folded.applied_items);
           response.set_already_acknowledged_items(folded.already_acknowledged_items);
           done(std::move(response));
         });
}

absl::Status LocalEngine::CheckNewColumns(const Run& run,
                                          const v1::ReportFeedbackRequest& request) const {
  std::set<std::string> fresh;
  for (const v1::Feedback& feedback : request.feedback()) {
    for (const v1::FloatColumn& column : feedback.values()) {
      for (const std::string& changed : run.ChangedBy(column.name())) {
        if (!run.HasScoreColumn(changed)) fresh.insert(changed);
      }
    }
  }
  if (fresh.empty()) return absl::OkStatus();
  return memory_.Check(
      absl::StrCat("score column \"", *fresh.begin(), "\" of run \"", run.settings().name(), "\""),
      fresh.size() * run.num_samples() * sizeof(float));
}

}  // namespace subset
