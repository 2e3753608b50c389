// The verb groups of subsetctl. Each function adds its verbs to `app`; a verb that is chosen puts
// itself into context.action.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_VERBS_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_VERBS_H_

#include <CLI/CLI.hpp>

#include "client/cpp/subsetctl/context.h"

namespace subset::ctl {

void AddDatasetVerbs(CLI::App& app, Context& context);
void AddSamplerVerbs(CLI::App& app, Context& context);
void AddRunVerbs(CLI::App& app, Context& context);
void AddEpochVerbs(CLI::App& app, Context& context);
void AddDrawVerb(CLI::App& app, Context& context);
void AddReportVerb(CLI::App& app, Context& context);
void AddEndpointVerbs(CLI::App& app, Context& context);
void AddVersionVerb(CLI::App& app, Context& context);

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_VERBS_H_
