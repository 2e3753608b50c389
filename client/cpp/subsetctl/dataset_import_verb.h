// dataset create: files to columns to the server.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_DATASET_IMPORT_VERB_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_DATASET_IMPORT_VERB_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/subsetctl/context.h"

namespace subset::ctl {

struct ImportArguments {
  std::string name;
  uint64_t num_samples = 0;  // 0: as many as the columns have
  std::string from;
  std::vector<std::string> columns;
  bool allow_missing = false;
  bool update = false;
};

// Reads every file before anything is sent. Returns the dataset as the server has it.
absl::StatusOr<v1::Dataset> ImportFiles(const ImportArguments& arguments, Context& context);

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_DATASET_IMPORT_VERB_H_
