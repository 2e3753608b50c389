// subsetctl as a function, so that tests can call it.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_SUBSETCTL_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_SUBSETCTL_H_

#include <string>
#include <vector>

#include "client/cpp/subsetctl/console.h"

namespace subset::ctl {

// Runs one command; `arguments` are those after the program's name. Returns the exit code. Reads
// SUBSETCTL_ENDPOINT and SUBSETCTL_TIMEOUT where the options are not given.
int RunSubsetctl(const std::vector<std::string>& arguments, Console& console);

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_SUBSETCTL_H_
