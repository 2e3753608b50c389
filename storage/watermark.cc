#include "storage/watermark.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "storage/data_directory.h"
#include "storage/record_frame.h"

namespace subset {
namespace {

// "SUBSETWM" read as a little-endian integer.
constexpr uint64_t kMagic = 0x4d57544553425553;
constexpr size_t kFields = 8;  // magic, counter, six of DurableState
constexpr size_t kSlotBytes = 8 * (kFields + 1);
constexpr off_t kSlotDistance = 4096;  // a torn write of one slot leaves the other whole

using Slot = std::array<char, kSlotBytes>;

Slot Encode(uint64_t counter, const DurableState& state) {
  const std::array<uint64_t, kFields> fields = {kMagic,
                                                counter,
                                                state.sequence,
                                                state.checksum,
                                                state.image_generation,
                                                state.manifest_number,
                                                state.manifest_bytes,
                                                state.manifest_checksum};
  Slot slot;
  for (size_t i = 0; i < kFields; ++i) StoreLittleEndian64(fields[i], &slot[8 * i]);
  StoreLittleEndian64(Checksum64(absl::string_view(slot.data(), 8 * kFields)), &slot[8 * kFields]);
  return slot;
}

struct Note {
  uint64_t counter;
  DurableState state;
};

std::optional<Note> Decode(const Slot& slot) {
  std::array<uint64_t, kFields> fields;
  for (size_t i = 0; i < kFields; ++i) fields[i] = LoadLittleEndian64(&slot[8 * i]);
  const Note note{fields[1], {fields[2], fields[3], fields[4], fields[5], fields[6], fields[7]}};
  if (Encode(note.counter, note.state) != slot) return std::nullopt;
  return note;
}

absl::Status WriteSlot(const std::string& path, int fd, uint64_t counter,
                       const DurableState& state) {
  const Slot slot = Encode(counter, state);
  const off_t offset = counter % 2 == 0 ? 0 : kSlotDistance;
  ssize_t written;
  do {
    written = pwrite(fd, slot.data(), slot.size(), offset);
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(slot.size())) return absl::OkStatus();
  return FileError("write", path, written < 0 ? errno : EIO);
}

}  // namespace

absl::Status Watermark::Create(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return FileError("create", path, errno);
  absl::Status status = WriteSlot(path, fd, 0, DurableState());
  if (status.ok()) status = WriteSlot(path, fd, 1, DurableState());
  if (status.ok() && fsync(fd) != 0) status = FileError("fsync", path, errno);
  close(fd);
  return status;
}

absl::StatusOr<std::unique_ptr<Watermark>> Watermark::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return absl::DataLossError(absl::StrCat(path, " is missing"));
    return FileError("open", path, errno);
  }
  std::optional<Note> newest;
  for (off_t offset : {off_t{0}, kSlotDistance}) {
    Slot slot{};
    if (pread(fd, slot.data(), slot.size(), offset) < 0) {
      absl::Status status = FileError("read", path, errno);
      close(fd);
      return status;
    }
    const std::optional<Note> note = Decode(slot);
    if (note && (!newest || note->counter > newest->counter)) newest = note;
  }
  if (!newest) {
    close(fd);
    return absl::DataLossError(
        absl::StrCat(path, " is damaged: neither of its two notes has a valid checksum"));
  }
  return std::unique_ptr<Watermark>(new Watermark(path, fd, newest->counter, newest->state));
}

Watermark::Watermark(std::string path, int fd, uint64_t counter, const DurableState& state)
    : path_(std::move(path)), fd_(fd), counter_(counter), state_(state) {}

Watermark::~Watermark() { close(fd_); }

DurableState Watermark::Get() const {
  MutexLock lock(&mu_);
  return state_;
}

absl::Status Watermark::Write(const DurableState& state) {
  SUBSET_RETURN_IF_ERROR(WriteSlot(path_, fd_, counter_ + 1, state));
  ++counter_;
  state_ = state;
  return absl::OkStatus();
}

absl::Status Watermark::NoteRecord(uint64_t sequence, uint64_t checksum) {
  MutexLock lock(&mu_);
  if (sequence <= state_.sequence) return absl::OkStatus();
  DurableState next = state_;
  next.sequence = sequence;
  next.checksum = checksum;
  return Write(next);
}

absl::Status Watermark::NoteImages(uint64_t generation) {
  MutexLock lock(&mu_);
  if (generation <= state_.image_generation) return absl::OkStatus();
  DurableState next = state_;
  next.image_generation = generation;
  return Write(next);
}

absl::Status Watermark::NoteManifest(uint64_t number, uint64_t bytes, uint64_t checksum) {
  MutexLock lock(&mu_);
  if (number < state_.manifest_number ||
      (number == state_.manifest_number && bytes <= state_.manifest_bytes)) {
    return absl::OkStatus();
  }
  DurableState next = state_;
  next.manifest_number = number;
  next.manifest_bytes = bytes;
  next.manifest_checksum = checksum;
  return Write(next);
}

}  // namespace subset
