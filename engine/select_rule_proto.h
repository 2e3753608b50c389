// Rules to select by, between the API's messages and the sampling room's data.

#ifndef SUBSET_ENGINE_SELECT_RULE_PROTO_H_
#define SUBSET_ENGINE_SELECT_RULE_PROTO_H_

#include <string>

#include "absl/status/status.h"
#include "sampling/select_rule.h"
#include "subset/v1/training.pb.h"

namespace subset {

// Copies the numbers; their ranges are the sampling room's to check (ResolveSelectRule). Fails with
// kInvalidArgument naming the field under `path`: an unknown kind, or a number that the kind does
// not read.
absl::Status ReadSelectRule(const v1::SelectRule& proto, const std::string& path,
                            sampling::SelectRule* rule);

// Writes what the kind reads; `rule` is resolved.
void WriteSelectRule(const sampling::SelectRule& rule, v1::SelectRule* proto);

}  // namespace subset

#endif  // SUBSET_ENGINE_SELECT_RULE_PROTO_H_
