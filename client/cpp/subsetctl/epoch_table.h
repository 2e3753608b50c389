// Epochs as a table.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_EPOCH_TABLE_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_EPOCH_TABLE_H_

#include "client/cpp/subsetctl/console.h"
#include "subset/v1/training.pb.h"

namespace subset::ctl {

void PrintEpochs(const google::protobuf::RepeatedPtrField<v1::Epoch>& epochs, Console& console);

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_EPOCH_TABLE_H_
