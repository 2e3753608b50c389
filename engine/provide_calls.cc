// The engine's calls about epochs that are handed in, and about what an epoch leaves out.

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/local_engine.h"
#include "engine/provide.h"

namespace subset {
namespace {

constexpr uint32_t kDefaultPage = 65536;
constexpr uint32_t kMaxPage = 262144;

absl::Status OtherContent(const Run& run, uint64_t epoch) {
  return WithReason(
      absl::AlreadyExistsError(absl::StrCat("epoch ", epoch, " of run \"", run.settings().name(),
                                            "\" was opened with other content")),
      "ALREADY_EXISTS");
}

// The page of samples, from `first` on, that no position of the epoch holds.
v1::GetOutOfBagResponse LeftOut(const Epoch& epoch, uint64_t num_samples, uint64_t first,
                                uint32_t page_size) {
  constexpr uint64_t kPositionsAtOnce = 65536;
  std::vector<bool> held(num_samples);
  std::vector<uint32_t> indices;
  for (uint64_t at = 0; at < epoch.num_positions(); at += kPositionsAtOnce) {
    indices.resize(std::min(kPositionsAtOnce, epoch.num_positions() - at));
    epoch.plan->Draw(at, absl::MakeSpan(indices), {}, {});
    for (const uint32_t index : indices) held[index] = true;
  }
  v1::GetOutOfBagResponse response;
  response.set_index_width(sizeof(uint32_t));
  uint64_t left_out = 0;
  uint32_t listed = 0;
  for (uint64_t i = 0; i < num_samples; ++i) {
    if (held[i]) continue;
    ++left_out;
    if (i < first) continue;
    if (listed == page_size) {
      if (response.next_page_token().empty()) response.set_next_page_token(absl::StrCat(i));
      continue;
    }
    const auto index = static_cast<uint32_t>(i);
    response.mutable_indices()->append(reinterpret_cast<const char*>(&index), sizeof(index));
    ++listed;
  }
  response.set_num_left_out(left_out);
  return response;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EpochProvision>> LocalEngine::StartProvide(
    const v1::ProvideEpochRequest::Header& header) {
  SUBSET_ASSIGN_OR_RETURN(const std::shared_ptr<Run> run, RequireRun(header.run_uid()));
  SUBSET_RETURN_IF_ERROR(ValidateHeader(header));
  const auto sampler = VersionFor(catalog_->FindSampler(run->settings().sampler_uid()),
                                  header.epoch(), run->Progress().next_step);
  if (sampler == nullptr) return NotFound("sampler", run->settings().sampler());
  if (sampler->spec.draw.kind != sampling::Draw::Kind::kProvided) {
    return InvalidField(
        "header.run_uid",
        absl::StrCat(header.run_uid(), " is a run of a sampler whose draw is ",
                     v1::Draw::Kind_Name(sampler->proto.spec().draw().kind()), ", not PROVIDED"));
  }
  SUBSET_RETURN_IF_ERROR(memory_.Check(
      absl::StrCat("epoch ", header.epoch(), " of run \"", run->settings().name(), "\""),
      header.num_positions() * (header.has_expected() ? 28 : 8)));
  return std::make_unique<ProvisionInProgress>(
      header, run->num_samples(),
      [this, run, epoch = header.epoch()](std::shared_ptr<const ProvidedContent> content,
                                          Done<v1::Epoch> done) {
        const uint64_t hash = content->hash;
        planner_.Provide(run, epoch, std::move(content),
                         [run, epoch, hash, done = std::move(done)](
                             absl::StatusOr<std::shared_ptr<const Epoch>> opened) mutable {
                           if (!opened.ok()) return done(opened.status());
                           if ((*opened)->opened.provided_hash() != hash) {
                             return done(OtherContent(*run, epoch));
                           }
                           done(run->DescribeEpoch(**opened));
                         });
      });
}

void LocalEngine::GetOutOfBag(const v1::GetOutOfBagRequest& request,
                              Done<v1::GetOutOfBagResponse> done) {
  const auto run = RequireRun(request.run_uid());
  if (!run.ok()) return done(run.status());
  if (request.page_size() > kMaxPage) {
    return done(InvalidField("page_size",
                             absl::StrCat(request.page_size(), " is outside [0, ", kMaxPage, "]")));
  }
  uint64_t first = 0;
  if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &first)) {
    return done(InvalidField("page_token", "is not one that this call gave"));
  }
  const auto epoch = (*run)->FindEpoch(request.epoch());
  if (epoch == nullptr) {
    return done(WithReason(WithField(absl::FailedPreconditionError(
                                         absl::StrCat("epoch ", request.epoch(), " is not open")),
                                     "epoch"),
                           "EPOCH_NOT_OPEN"));
  }
  if (epoch->live()) {
    return done(InvalidField(
        "epoch", absl::StrCat(request.epoch(), " draws live: what it leaves out is not settled")));
  }
  const uint32_t page = request.page_size() == 0 ? kDefaultPage : request.page_size();
  planner_.Post([run = *run, epoch, first, page, done = std::move(done)]() mutable {
    done(LeftOut(*epoch, run->num_samples(), first, page));
  });
}

}  // namespace subset
