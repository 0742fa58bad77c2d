#include "common/shared/file_table.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "common/base/fnv.h"

namespace baton {

namespace {

// An entry that was used within the last second is not retired to make room.
constexpr Tick kIdleTicks = 10;
constexpr std::size_t kGivenWay = 64;  // how many entries give way at a time

std::uint64_t hash_of(std::uint64_t root_key, std::string_view path) {
  Fnv1a hash;
  hash.add(root_key);
  hash.add(path);
  return hash.value() ^ hash.value() >> 29;
}

}  // namespace

std::span<FileEntry> FileTable::bucket(std::uint64_t hash) const {
  const std::size_t buckets = entries_.size() / kWays;
  return entries_.subspan((hash % buckets) * kWays, kWays);
}

FileEntry* FileTable::find(std::uint64_t root_key, std::string_view path, FlightRecord& flight) const {
  const std::uint64_t hash = hash_of(root_key, path);
  for (FileEntry& entry : bucket(hash)) {
    const std::uint64_t word = entry.word.load(std::memory_order_acquire);
    if (state_of(word) != State::kReady || entry.hash != hash) continue;
    flight.pinned_file.store(index(entry) + 1, std::memory_order_seq_cst);
    if (entry.word.load(std::memory_order_seq_cst) == word && entry.root_key == root_key &&
        entry.path_view() == path) {
      return &entry;
    }
  }
  unpin(flight);
  return nullptr;
}

FileEntry* FileTable::begin_fill(std::uint64_t root_key, std::string_view path, Holder holder,
                                 Tick now) const {
  if (path.size() > FileEntry::kPathBytes) return nullptr;
  const std::uint64_t hash = hash_of(root_key, path);
  const auto ways = bucket(hash);
  for (FileEntry& entry : ways) {
    std::uint64_t word = entry.word.load(std::memory_order_relaxed);
    if (state_of(word) != State::kEmpty) continue;
    const auto generation = static_cast<std::uint32_t>(word >> 32);
    if (!entry.word.compare_exchange_strong(word, pack(generation, holder, State::kFilling),
                                            std::memory_order_acq_rel)) {
      continue;
    }
    entry.fd = -1;
    entry.hash = hash;
    entry.root_key = root_key;
    entry.block_bytes = 0;
    entry.checked.store(now, std::memory_order_relaxed);
    entry.used.store(now, std::memory_order_relaxed);
    entry.path_length = static_cast<std::uint16_t>(path.size());
    std::memcpy(entry.path, path.data(), path.size());
    return &entry;
  }
  FileEntry& oldest = *std::min_element(ways.begin(), ways.end(), [](const FileEntry& a, const FileEntry& b) {
    return a.used.load(std::memory_order_relaxed) < b.used.load(std::memory_order_relaxed);
  });
  // Signed: another worker's clock may be a tick ahead of `now`, which is not 13 years of idleness.
  const auto idle = static_cast<std::int32_t>(now - oldest.used.load(std::memory_order_relaxed));
  if (idle > static_cast<std::int32_t>(kIdleTicks)) retire(oldest);
  return nullptr;
}

void FileTable::publish(FileEntry& entry, FlightRecord& flight) const {
  const std::uint64_t word = entry.word.load(std::memory_order_relaxed);
  flight.pinned_file.store(index(entry) + 1, std::memory_order_seq_cst);
  entry.word.store(pack(static_cast<std::uint32_t>(word >> 32) + 1, kNoHolder, State::kReady),
                   std::memory_order_seq_cst);
}

void FileTable::abandon(FileEntry& entry) const {
  const std::uint64_t word = entry.word.load(std::memory_order_relaxed);
  entry.word.store(pack(static_cast<std::uint32_t>(word >> 32), kNoHolder, State::kEmpty),
                   std::memory_order_release);
}

void FileTable::retire(FileEntry& entry) const {
  std::uint64_t word = entry.word.load(std::memory_order_acquire);
  if (state_of(word) != State::kReady) return;
  const std::uint64_t stale = pack(static_cast<std::uint32_t>(word >> 32), kNoHolder, State::kStale);
  if (entry.word.compare_exchange_strong(word, stale, std::memory_order_seq_cst)) {
    header_->stale.fetch_add(1, std::memory_order_relaxed);
  }
}

void FileTable::retire_all_of(std::uint64_t root_key, FlightRecord& flight) const {
  for (FileEntry& entry : entries_) {
    const std::uint64_t word = entry.word.load(std::memory_order_seq_cst);
    if (state_of(word) != State::kReady) continue;
    flight.pinned_file.store(index(entry) + 1, std::memory_order_seq_cst);
    if (entry.word.load(std::memory_order_seq_cst) == word && entry.root_key == root_key) retire(entry);
  }
  unpin(flight);
}

// Other workers' changes in the meantime make the sum a little too large or too small.
bool FileTable::room_for_listing(std::uint64_t bytes) const {
  if (bytes > kListingBytes) return false;
  std::uint64_t held = 0;
  FileEntry* oldest = nullptr;
  Tick oldest_used = 0;
  for (FileEntry& entry : entries_) {
    const State state = state_of(entry.word.load(std::memory_order_acquire));
    if ((state != State::kReady && state != State::kStale) || entry.kind != FileKind::kListing) continue;
    held += entry.page_bytes;
    const Tick used = entry.used.load(std::memory_order_relaxed);
    if (state == State::kReady && (oldest == nullptr || used < oldest_used)) {
      oldest = &entry;
      oldest_used = used;
    }
  }
  if (held + bytes <= kListingBytes) return true;
  if (oldest != nullptr) retire(*oldest);
  return false;
}

bool FileTable::give_way(std::span<const WorkerEntry> workers, Holder holder) const {
  // Times of last use, each read once because other workers go on.
  std::vector<std::pair<Tick, std::uint32_t>> ready;
  for (const FileEntry& entry : entries_) {
    if (state_of(entry.word.load(std::memory_order_acquire)) == State::kReady && entry.fd >= 0)
      ready.emplace_back(entry.used.load(std::memory_order_relaxed), index(entry));
  }
  const auto end = ready.begin() + static_cast<std::ptrdiff_t>(std::min(kGivenWay, ready.size()));
  std::partial_sort(ready.begin(), end, ready.end());
  std::for_each(ready.begin(), end, [this](const auto& oldest) { retire(entries_[oldest.second]); });
  collect(workers, holder);
  return end != ready.begin();
}

std::uint32_t FileTable::collect(std::span<const WorkerEntry> workers, Holder holder,
                                 const std::function<void(int)>& close) const {
  if (header_->stale.exchange(0, std::memory_order_relaxed) == 0) return 0;
  std::uint32_t closed = 0;
  std::uint32_t left = 0;
  for (FileEntry& entry : entries_) {
    std::uint64_t word = entry.word.load(std::memory_order_seq_cst);
    if (state_of(word) != State::kStale) continue;
    const std::uint32_t pin = index(entry) + 1;
    const bool pinned = std::any_of(workers.begin(), workers.end(), [pin](const WorkerEntry& worker) {
      return worker.flight.pinned_file.load(std::memory_order_seq_cst) == pin;
    });
    if (pinned) {
      ++left;
      continue;
    }
    // Another process may be collecting too. After a death in here the reclaimer or abandon_all_of() cleans
    // up.
    const std::uint64_t mine = pack(static_cast<std::uint32_t>(word >> 32), holder, State::kFilling);
    if (!entry.word.compare_exchange_strong(word, mine, std::memory_order_seq_cst)) continue;
    const int fd = entry.fd;
    entry.fd = -1;
    abandon(entry);
    if (fd >= 0) close ? close(fd) : static_cast<void>(::close(fd));
    ++closed;
  }
  if (left != 0) header_->stale.fetch_add(left, std::memory_order_relaxed);
  return closed;
}

void FileTable::abandon_all_of(Holder holder) const {
  for (FileEntry& entry : entries_) {
    const std::uint64_t word = entry.word.load(std::memory_order_acquire);
    if (state_of(word) != State::kFilling || static_cast<Holder>(word >> 16) != holder) continue;
    entry.fd = -1;
    abandon(entry);
  }
}

}  // namespace baton
