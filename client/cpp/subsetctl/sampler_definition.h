// How the command line says what a sampler is: a preset with its parameters, or a whole spec.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_SAMPLER_DEFINITION_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_SAMPLER_DEFINITION_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "subset/v1/sampler.pb.h"

namespace subset::ctl {

struct SamplerDefinition {
  std::string preset;
  std::vector<std::string> parameters;
  std::vector<std::string> columns;
  std::string spec_file;

  bool given() const { return !preset.empty() || !spec_file.empty(); }

  // Adds the options that fill it in; it must outlive the parsing.
  void AddOptions(CLI::App& verb);

  // Each returns kInvalidArgument naming the option, and where in a file.
  absl::Status ReadPreset(v1::PresetChoice* choice) const;
  absl::Status ReadSpec(v1::SamplerSpec* spec) const;

  // Sets `preset` or `spec` of the request.
  template <class Request>
  absl::Status Read(Request* request) const {
    return spec_file.empty() ? ReadPreset(request->mutable_preset())
                             : ReadSpec(request->mutable_spec());
  }
};

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_SAMPLER_DEFINITION_H_
