// The verb groups of subsetctl. Each function adds its verbs to `app`; a verb that is chosen puts
// itself into context.action.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_VERBS_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_VERBS_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/subsetctl/context.h"

namespace subset::ctl {

// Adds an option for an unsigned number, in plain decimal only: CLI11 alone would read -1 as 2^64-1
// and 010 as 8, and take the largest number for one that is too large.
template <class Number>
CLI::Option* AddNumber(CLI::App& app, const std::string& name, Number& value,
                       const std::string& help) {
  const auto error = [](const std::string& text) -> std::string {
    uint64_t number;
    if (absl::SimpleAtoi(text, &number) && absl::StrCat(number) == text) return "";
    return absl::StrCat("\"", text, "\" is not a number in [0, 2^64)");
  };
  return app.add_option(name, value, help)->check(CLI::Validator(error, ""));
}

void AddDatasetVerbs(CLI::App& app, Context& context);
void AddSamplerVerbs(CLI::App& app, Context& context);
// Into the group of the sampler's verbs: preview and explain.
void AddSamplerPreviewVerbs(CLI::App& group, Context& context);
void AddRunVerbs(CLI::App& app, Context& context);
void AddEpochVerbs(CLI::App& app, Context& context);
void AddLeaseVerbs(CLI::App& app, Context& context);
// draw and replay.
void AddDrawVerbs(CLI::App& app, Context& context);
void AddReportVerb(CLI::App& app, Context& context);
void AddEndpointVerbs(CLI::App& app, Context& context);
void AddVersionVerb(CLI::App& app, Context& context);

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_VERBS_H_
