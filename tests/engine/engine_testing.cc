#include "tests/engine/engine_testing.h"

#include <algorithm>

#include "base/status_macros.h"
#include "engine/column_rows.h"
#include "engine/lease_terms.h"

namespace subset {

v1::Column ColumnOf(const std::string& name, v1::ColumnType type) {
  v1::Column column;
  column.set_name(name);
  column.set_type(type);
  return column;
}

std::string EncodeSets(const LabelSets& sets) {
  std::vector<uint32_t> words;
  for (const std::vector<uint32_t>& labels : sets) {
    words.push_back(static_cast<uint32_t>(labels.size()));
    words.insert(words.end(), labels.begin(), labels.end());
  }
  return Encode(words);
}

v1::Column SetsOf(const std::string& name, const LabelSets& sets) {
  v1::Column column = ColumnOf(name, v1::COLUMN_TYPE_LABEL_SET);
  column.set_num_labels(EncodeSets(sets).size() / sizeof(uint32_t) - sets.size());
  return column;
}

std::shared_ptr<StoredColumn> Stored(const std::string& name, const LabelSets& sets) {
  log::v1::StoredColumn stored;
  *stored.mutable_column() = SetsOf(name, sets);
  auto chunks = std::make_shared<ColumnValues>();
  chunks->chunks.push_back(EncodeSets(sets));
  return std::make_shared<StoredColumn>(stored, sets.size(), chunks);
}

v1::AcknowledgeRequest Acknowledgement(Uid run, const v1::Batch& batch, const std::string& worker,
                                       const std::string& failed) {
  v1::AcknowledgeRequest request;
  request.set_run_uid(run);
  v1::Acknowledgement* entry = request.add_acknowledgements();
  entry->set_epoch(batch.epoch());
  entry->set_position(batch.position());
  entry->set_num_positions(static_cast<uint32_t>(batch.indices().size() / sizeof(uint32_t)));
  *entry->mutable_lease() = batch.lease();
  entry->set_worker(worker);
  entry->set_attempt(batch.attempt());
  entry->set_failed(failed);
  return request;
}

v1::ReportFeedbackRequest Losses(Uid run, uint64_t session, uint64_t sequence, uint64_t epoch,
                                 std::optional<uint64_t> position,
                                 const std::vector<uint32_t>& indices,
                                 const std::vector<float>& losses) {
  v1::ReportFeedbackRequest request;
  request.set_run_uid(run);
  request.set_session_id(session);
  request.set_sequence(sequence);
  v1::Feedback* feedback = request.add_feedback();
  feedback->set_epoch(epoch);
  if (position.has_value()) feedback->set_position(*position);
  feedback->set_indices(Encode(indices));
  v1::FloatColumn* column = feedback->add_values();
  column->set_name("loss");
  column->set_values(Encode(losses));
  return request;
}

absl::StatusOr<v1::Dataset> TestEngine::Import(
    const std::string& name, uint64_t num_samples,
    const std::vector<std::pair<v1::Column, std::string>>& columns, bool create_only) {
  v1::ImportDatasetRequest::Header header;
  header.set_dataset(name);
  header.set_num_samples(num_samples);
  header.set_create_only(create_only);
  for (const auto& [column, bytes] : columns) *header.add_columns() = column;
  SUBSET_ASSIGN_OR_RETURN(auto import, engine->StartImport(header));
  for (const auto& [column, bytes] : columns) {
    // Pieces that do not go up in chunks.
    const uint64_t piece =
        column.type() == v1::COLUMN_TYPE_LABEL_SET ? 10007 : 120000 * num_samples / bytes.size();
    absl::string_view left = bytes;
    for (uint64_t first = 0; !left.empty();) {
      const ColumnRows rows = TakeRows(column.type(), left, std::max<uint64_t>(1, piece));
      v1::ImportDatasetRequest::Chunk chunk;
      chunk.set_column(column.name());
      chunk.set_first_sample(first);
      chunk.set_data(std::string(left.substr(0, rows.bytes)));
      SUBSET_RETURN_IF_ERROR(import->Append(chunk));
      left.remove_prefix(rows.bytes);
      first += rows.samples;
    }
  }
  Pending<absl::StatusOr<v1::Dataset>> committed;
  import->Commit(committed.Callback());
  return committed.Wait();
}

absl::StatusOr<v1::Dataset> TestEngine::ImportLabels(const std::string& name, uint64_t num_samples,
                                                     int classes) {
  std::string labels(num_samples, '\0');
  for (uint64_t i = 0; i < num_samples; ++i) labels[i] = static_cast<char>(i % classes);
  return Import(name, num_samples, {{ColumnOf("label", v1::COLUMN_TYPE_UINT8), labels}});
}

namespace {

template <typename Request>
Request PresetRequest(const std::string& name, const std::string& preset,
                      const std::map<std::string, double>& parameters) {
  Request request;
  request.set_name(name);
  request.mutable_preset()->set_name(preset);
  for (const auto& [parameter, value] : parameters) {
    (*request.mutable_preset()->mutable_parameters())[parameter] = value;
  }
  return request;
}

}  // namespace

absl::StatusOr<v1::Sampler> TestEngine::CreateSampler(
    const std::string& name, const std::string& preset,
    const std::map<std::string, double>& parameters) {
  Pending<absl::StatusOr<v1::Sampler>> created;
  engine->CreateSampler(PresetRequest<v1::CreateSamplerRequest>(name, preset, parameters),
                        created.Callback());
  return created.Wait();
}

absl::StatusOr<v1::Sampler> TestEngine::UpdateSampler(
    const std::string& name, const std::string& preset,
    const std::map<std::string, double>& parameters) {
  Pending<absl::StatusOr<v1::Sampler>> updated;
  engine->UpdateSampler(PresetRequest<v1::UpdateSamplerRequest>(name, preset, parameters),
                        updated.Callback());
  return updated.Wait();
}

absl::StatusOr<v1::Sampler> TestEngine::CreateSampler(const std::string& name,
                                                      const v1::SamplerSpec& spec) {
  v1::CreateSamplerRequest request;
  request.set_name(name);
  *request.mutable_spec() = spec;
  Pending<absl::StatusOr<v1::Sampler>> created;
  engine->CreateSampler(request, created.Callback());
  return created.Wait();
}

absl::StatusOr<v1::Run> TestEngine::CreateRun(const std::string& name, const std::string& sampler,
                                              uint32_t global_batch_size, bool drop_last,
                                              uint64_t seed) {
  v1::CreateRunRequest request;
  request.set_name(name);
  request.set_sampler(sampler);
  request.set_global_batch_size(global_batch_size);
  request.set_drop_last(drop_last);
  request.set_seed(seed);
  Pending<absl::StatusOr<v1::Run>> created;
  engine->CreateRun(request, created.Callback());
  return created.Wait();
}

absl::StatusOr<v1::Run> TestEngine::GetRun(const std::string& name) {
  v1::GetRunRequest request;
  request.set_name(name);
  return engine->GetRun(request);
}

Pending<absl::StatusOr<v1::Epoch>> TestEngine::StartOpenEpoch(Uid run, uint64_t epoch, bool now,
                                                              Engine::Cancelled cancelled) {
  v1::OpenEpochRequest request;
  request.set_run_uid(run);
  request.set_epoch(epoch);
  request.set_now(now);
  Pending<absl::StatusOr<v1::Epoch>> opened;
  engine->OpenEpoch(request, std::move(cancelled), opened.Callback());
  return opened;
}

absl::StatusOr<v1::Epoch> TestEngine::OpenEpoch(Uid run, uint64_t epoch, bool now) {
  return StartOpenEpoch(run, epoch, now).Wait();
}

BatchCall TestEngine::StartGetBatch(const v1::GetBatchRequest& request,
                                    Engine::Cancelled cancelled) {
  BatchCall call;
  call.reply->set_indices("of an earlier batch, to be replaced");
  engine->GetBatch(request, call.reply.get(), std::move(cancelled), call.status.Callback());
  return call;
}

absl::StatusOr<v1::Batch> TestEngine::GetBatch(const v1::GetBatchRequest& request) {
  BatchCall call = StartGetBatch(request);
  SUBSET_RETURN_IF_ERROR(call.status.Wait());
  return *call.reply;
}

absl::StatusOr<v1::Batch> TestEngine::GetPositions(Uid run, uint64_t epoch, uint64_t position,
                                                   uint32_t count) {
  v1::GetBatchRequest request;
  request.set_run_uid(run);
  request.set_epoch(epoch);
  request.mutable_positions()->set_position(position);
  request.mutable_positions()->set_batch_size(count);
  return GetBatch(request);
}

absl::StatusOr<v1::Batch> TestEngine::GetStep(Uid run, uint64_t epoch, uint64_t step, uint32_t rank,
                                              uint32_t world_size) {
  v1::GetBatchRequest request;
  request.set_run_uid(run);
  request.set_epoch(epoch);
  request.mutable_assigned()->set_step(step);
  request.mutable_assigned()->set_rank(rank);
  request.mutable_assigned()->set_world_size(world_size);
  return GetBatch(request);
}

absl::StatusOr<uint64_t> TestEngine::OpenSession(Uid run) {
  v1::OpenSessionRequest request;
  request.set_run_uid(run);
  Pending<absl::StatusOr<v1::OpenSessionResponse>> opened;
  engine->OpenSession(request, opened.Callback());
  SUBSET_ASSIGN_OR_RETURN(const v1::OpenSessionResponse response, opened.Wait());
  return response.session_id();
}

absl::StatusOr<v1::ReportFeedbackResponse> TestEngine::Report(
    const v1::ReportFeedbackRequest& request) {
  Pending<absl::StatusOr<v1::ReportFeedbackResponse>> reported;
  engine->ReportFeedback(request, reported.Callback());
  return reported.Wait();
}

absl::StatusOr<v1::Batch> TestEngine::Acquire(Uid run, uint64_t epoch, const std::string& worker,
                                              uint32_t batch_size, absl::Duration lease_time) {
  v1::GetBatchRequest request;
  request.set_run_uid(run);
  request.set_epoch(epoch);
  request.mutable_leased()->set_worker(worker);
  request.mutable_leased()->set_batch_size(batch_size);
  *request.mutable_leased()->mutable_lease_time() = DurationProto(lease_time);
  return GetBatch(request);
}

absl::StatusOr<v1::AcknowledgeResponse> TestEngine::Acknowledge(
    const v1::AcknowledgeRequest& request) {
  Pending<absl::StatusOr<v1::AcknowledgeResponse>> acknowledged;
  engine->Acknowledge(request, acknowledged.Callback());
  return acknowledged.Wait();
}

absl::StatusOr<v1::RenewLeasesResponse> TestEngine::Renew(Uid run, const std::string& worker,
                                                          const std::vector<v1::Lease>& leases,
                                                          absl::Duration lease_time) {
  v1::RenewLeasesRequest request;
  request.set_run_uid(run);
  request.set_worker(worker);
  *request.mutable_lease_time() = DurationProto(lease_time);
  for (const v1::Lease& lease : leases) *request.add_leases() = lease;
  return engine->RenewLeases(request);
}

absl::StatusOr<v1::ReleaseParkedResponse> TestEngine::Release(Uid run, uint64_t epoch,
                                                              std::optional<uint64_t> position) {
  v1::ReleaseParkedRequest request;
  request.set_run_uid(run);
  request.set_epoch(epoch);
  if (position.has_value()) request.set_position(*position);
  Pending<absl::StatusOr<v1::ReleaseParkedResponse>> released;
  engine->ReleaseParked(request, released.Callback());
  return released.Wait();
}

absl::StatusOr<v1::ListLeasesResponse> TestEngine::ListLeases(Uid run, uint64_t epoch) {
  v1::ListLeasesRequest request;
  request.set_run_uid(run);
  request.set_epoch(epoch);
  return engine->ListLeases(request);
}

absl::StatusOr<v1::Checkpoint> TestEngine::Commit(Uid run, const std::string& checkpoint,
                                                  bool keep_scores) {
  v1::CommitRequest request;
  request.set_run_uid(run);
  request.set_checkpoint_id(checkpoint);
  request.set_keep_scores(keep_scores);
  Pending<absl::StatusOr<v1::Checkpoint>> committed;
  engine->Commit(request, committed.Callback());
  return committed.Wait();
}

absl::StatusOr<v1::RollbackResponse> TestEngine::Rollback(Uid run, const std::string& checkpoint,
                                                          bool revert_scores,
                                                          std::optional<uint64_t> generation) {
  v1::RollbackRequest request;
  request.set_run_uid(run);
  request.set_checkpoint_id(checkpoint);
  request.set_revert_scores(revert_scores);
  if (generation.has_value()) request.set_generation(*generation);
  Pending<absl::StatusOr<v1::RollbackResponse>> rolled_back;
  engine->Rollback(request, rolled_back.Callback());
  return rolled_back.Wait();
}

absl::Status TestEngine::DeleteDataset(const std::string& name, bool force) {
  v1::DeleteDatasetRequest request;
  request.set_name(name);
  request.set_force(force);
  Pending<absl::StatusOr<v1::DeleteDatasetResponse>> deleted;
  engine->DeleteDataset(request, deleted.Callback());
  return deleted.Wait().status();
}

absl::Status TestEngine::DeleteSampler(const std::string& name, bool force) {
  v1::DeleteSamplerRequest request;
  request.set_name(name);
  request.set_force(force);
  Pending<absl::StatusOr<v1::DeleteSamplerResponse>> deleted;
  engine->DeleteSampler(request, deleted.Callback());
  return deleted.Wait().status();
}

absl::Status TestEngine::DeleteRun(const std::string& name) {
  v1::DeleteRunRequest request;
  request.set_name(name);
  Pending<absl::StatusOr<v1::DeleteRunResponse>> deleted;
  engine->DeleteRun(request, deleted.Callback());
  return deleted.Wait().status();
}

std::vector<uint32_t> TestEngine::EpochIndices(Uid run, uint64_t epoch) {
  std::vector<uint32_t> all;
  while (true) {
    const auto batch = GetPositions(run, epoch, all.size(), kMaxBatchSize);
    if (absl::IsOutOfRange(batch.status())) return all;
    EXPECT_OK(batch);
    if (!batch.ok()) return {};
    const std::vector<uint32_t> indices = Decode<uint32_t>(batch->indices());
    all.insert(all.end(), indices.begin(), indices.end());
  }
}

}  // namespace subset
