// subsetctl run commit and rollback.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_CHECKPOINT_VERBS_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_CHECKPOINT_VERBS_H_

#include "client/cpp/subsetctl/verbs.h"
#include "subset/v1/training.pb.h"

namespace subset::ctl {

// Adds the verbs to the group `run`.
void AddCheckpointVerbs(CLI::App& run, Context& context);

void PrintCheckpoints(const google::protobuf::RepeatedPtrField<v1::Checkpoint>& checkpoints,
                      Console& console);

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_CHECKPOINT_VERBS_H_
