// What this build is. The values come from the build.

#ifndef SUBSET_SERVER_VERSION_H_
#define SUBSET_SERVER_VERSION_H_

namespace subset {

extern const char kVersion[];
extern const char kRevision[];  // of the source, "unknown" outside a repository
extern const char kRocksdbVersion[];
extern const char kSanitizer[];  // "none", or what was compiled in

}  // namespace subset

#endif  // SUBSET_SERVER_VERSION_H_
