// Sets of labels as they travel: a column of type LABEL_SET.

#ifndef SUBSET_LABEL_SETS_H_
#define SUBSET_LABEL_SETS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace subset {

// Returns the bytes of an ImportColumn of type LABEL_SET in which sample i has the labels
// [offsets[i], offsets[i + 1]) of `labels`, in any order; a label given twice counts once. Returns
// kInvalidArgument naming the offset or the sample: offsets that do not go from 0 to labels.size()
// or that fall, more than 65,536 labels of one sample.
absl::StatusOr<std::string> EncodeLabelSets(absl::Span<const uint64_t> offsets,
                                            absl::Span<const uint32_t> labels);

// Appends one sample's set to such bytes; the labels may have any order. More than 65,536 are
// kInvalidArgument.
absl::Status AppendLabelSet(std::vector<uint32_t> labels, std::string* bytes);

}  // namespace subset

#endif  // SUBSET_LABEL_SETS_H_
