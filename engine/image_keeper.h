// Writes the state back as images, drops the log before them, and deletes images nobody owns.
//
// A round: on the writer thread, in one moment, the catalog is saved and pointers to the chunks
// that changed are taken (they are copied on write from then on). Off it, chunk images are written
// in pieces, then the catalog's, then, on disk in one step, the header that makes it current. Last
// the log is trimmed. A crash in between leaves the old catalog with some newer chunks: each says
// which records it includes.

#ifndef SUBSET_ENGINE_IMAGE_KEEPER_H_
#define SUBSET_ENGINE_IMAGE_KEEPER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "engine/catalog.h"
#include "engine/engine.h"
#include "engine/writer.h"
#include "storage/store.h"

namespace subset {

// 2 and 3: the keyed permutation is another one, so a uniform epoch of an earlier format stands in
// another order. Not noticed where nothing was folded yet: 1 and 2 were never released.
inline constexpr uint32_t kCatalogFormat = 3;

// Thread-safe.
class ImageKeeper {
 public:
  // `live_images`: names of the live batches' images. `catalog_sequence`: of the current catalog;
  // 0 if there is none.
  ImageKeeper(const EngineOptions& options, Store* store, Catalog* catalog, Writer* writer,
              uint64_t catalog_sequence, std::set<std::string> live_images);
  ~ImageKeeper();

  // Notes that the log grew; starts a round when it is longer than
  // max(min_fold_bytes, the images' size). Cheap.
  void NoteLog(size_t bytes);

  // Deletes images by prefix, after the round under way.
  void Delete(std::vector<std::string> prefixes);
  // Deletes them with the next catalog: replaying the log from the current one may need them. On
  // the writer thread.
  void DeleteAfterCatalog(std::vector<std::string> prefixes);

  // Runs a round now and waits for it.
  absl::Status FoldNow();

  // Finishes the round and the deletes under way and joins the thread. The writer must still run.
  void Stop();

 private:
  // What one moment's state takes to write.
  struct Moment {
    uint64_t sequence = 0;
    std::string catalog;
    // Copies before what they were copied from: a crash in between must not leave the source newer
    // than the copy.
    std::vector<std::pair<std::shared_ptr<Run>, ModifiedScores>> scores;
    std::vector<std::string> deletes;
    std::map<std::string, LiveDraws::Kept> live;  // by image name
  };

  void Loop();
  absl::Status Round();
  Moment Take();
  absl::Status WriteChunks(const Moment& moment);
  absl::Status WriteLive(const Moment& moment);
  absl::Status WriteCatalog(const Moment& moment);
  // Runs `task` on the writer thread and waits for it.
  absl::Status OnWriter(absl::AnyInvocable<void()> task);
  // Writes what is collected once it is a piece.
  absl::Status WritePiece(std::vector<std::pair<std::string, std::string>>* piece, bool all);

  Store* const store_;
  Catalog* const catalog_;
  Writer* const writer_;
  EngineObserver* const observer_;
  Clock* const clock_;
  const uint64_t min_fold_bytes_;

  // Of the thread.
  uint64_t catalog_sequence_;
  std::set<std::string> live_images_;
  uint64_t written_bytes_ = 0;  // this round

  Mutex mu_;
  CondVar wake_;      // something to do
  CondVar finished_;  // a round ended
  uint64_t unchecked_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t rounds_wanted_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t rounds_done_ ABSL_GUARDED_BY(mu_) = 0;
  bool check_log_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status last_round_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> deletes_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> deletes_after_catalog_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace subset

#endif  // SUBSET_ENGINE_IMAGE_KEEPER_H_
