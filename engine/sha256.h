// SHA-256 of a stream of bytes (OpenSSL's).

#ifndef SUBSET_ENGINE_SHA256_H_
#define SUBSET_ENGINE_SHA256_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

struct evp_md_ctx_st;

namespace subset {

// Not thread-safe.
class Sha256 {
 public:
  Sha256();
  void Update(absl::string_view bytes);
  // Returns lower-case hex. Call once, last.
  std::string HexDigest();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace subset

#endif  // SUBSET_ENGINE_SHA256_H_
