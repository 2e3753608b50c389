#include "sampling/stored_set.h"

#include "absl/strings/str_cat.h"
#include "sampling/bytes.h"

namespace subset::sampling {
namespace {

constexpr uint32_t kForm = 0x53503031;

}  // namespace

std::string SerializeSampleSet(const SampleSet& set, uint64_t num_samples, uint64_t epoch) {
  const uint64_t members = set.Count();
  ByteWriter writer;
  writer.Put(kForm);
  writer.Put(uint32_t{0});
  writer.Put(num_samples);
  writer.Put(epoch);
  writer.Put(members);
  if (members > 0) writer.PutArray(set.words().data(), set.words().size());
  return writer.Finish();
}

absl::StatusOr<SampleSet> ParseSampleSet(absl::string_view bytes, uint64_t num_samples,
                                         uint64_t epoch) {
  ByteReader reader(bytes);
  const auto form = reader.Get<uint32_t>();
  reader.Get<uint32_t>();
  const auto stored_samples = reader.Get<uint64_t>();
  const auto stored_epoch = reader.Get<uint64_t>();
  const auto members = reader.Get<uint64_t>();
  if (!reader.ok() || form != kForm) {
    return absl::DataLossError(
        absl::StrCat("stored plan of ", bytes.size(), " bytes is damaged or of another form"));
  }
  if (stored_samples != num_samples || stored_epoch != epoch) {
    return absl::DataLossError(absl::StrCat("stored plan is of ", stored_samples,
                                            " samples and epoch ", stored_epoch, ", not of ",
                                            num_samples, " and ", epoch));
  }
  SampleSet set(num_samples);
  if (members > 0) reader.GetArray(set.words().data(), set.words().size());
  const bool stray = num_samples % 64 != 0 && set.words().back() >> (num_samples % 64) != 0;
  if (!reader.ok() || reader.remaining() > 0 || stray || set.Count() != members) {
    return absl::DataLossError(absl::StrCat("stored plan of ", bytes.size(),
                                            " bytes does not hold ", members, " of ", num_samples,
                                            " samples"));
  }
  return set;
}

}  // namespace subset::sampling
