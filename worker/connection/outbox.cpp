#include "worker/connection/outbox.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "common/base/crash_point.h"
#include "common/shared/descriptor_motion.h"
#include "worker/connection/spool.h"

namespace baton {

namespace {

// A response that is parked with more than one piece left has a script, in a spool file:
//
//   count (8 bytes) | ScriptPiece 0 | ... | ScriptPiece count-1 | bytes of the pieces with in_file == 0
struct ScriptPiece {
  std::int64_t in_file = 0;  // 1: a range of Slot::body_fd; 0: of the script itself
  std::int64_t offset = 0;
  std::int64_t length = 0;
};

constexpr int kMemory = -1;    // OutboxRecord::Piece::fd: bytes of the record
constexpr int kOverflow = -2;  // bytes of the worker's own memory

// The rest of a response. `skip` bytes of its first piece have been sent.
struct Rest {
  const SpoolPlace& place;
  const OutboxRecord& record;
  std::span<const OutboxRecord::Piece> pieces;
  off_t skip;
  std::uint64_t most_copied;
};

// Copies the record's pieces, because they may be written meanwhile. False: they cannot be those of a
// response.
bool take_pieces(const OutboxRecord& record, std::vector<OutboxRecord::Piece>& pieces) {
  constexpr off_t kMostOfAFile = off_t{1} << 56;  // the sum of kMaxPieces such lengths is still an off_t
  const std::uint32_t count = std::min(record.piece_count, OutboxRecord::kMaxPieces);
  pieces.assign(record.pieces, record.pieces + count);
  return std::all_of(pieces.begin(), pieces.end(), [](const OutboxRecord::Piece& piece) {
    const off_t end = piece.fd == kMemory ? off_t{OutboxRecord::kMemoryBytes} : kMostOfAFile;
    return piece.fd >= kMemory && piece.offset >= 0 && piece.length >= 0 && piece.offset <= end &&
           piece.length <= end - piece.offset;
  });
}

void store_parked(Slot& slot, SpoolFile body, SpoolFile script) {
  slot.parked.script_next = 1;
  slot.script_fd = script.release();
  slot.body_fd = body.release();
  crash_point("park-stored");
  // The flag comes last. In the other order, after a death in between, the next holder would close a
  // descriptor of the open-file table.
  std::atomic_signal_fence(std::memory_order_release);
  slot.set(SlotFlags::kOwnsBodyFd);
}

// Parks one range of a file. The range is empty if all bytes are sent, and only the end of the response is
// left to do.
bool park_range(const Rest& rest, Slot& slot) {
  SpoolFile body;
  slot.parked.offset = slot.parked.end = 0;
  if (!rest.pieces.empty()) {
    const OutboxRecord::Piece& piece = rest.pieces.front();
    body = SpoolFile(duplicate_spool(piece.fd));
    if (!body) return false;
    crash_point("park-dup");
    slot.parked.offset = piece.offset + rest.skip;
    slot.parked.end = piece.offset + piece.length;
  }
  store_parked(slot, std::move(body), SpoolFile());
  return true;
}

bool copy_bytes(const Rest& rest, const OutboxRecord::Piece& piece, off_t offset, off_t length, int to,
                off_t at) {
  if (piece.fd == kMemory)
    return write_all(to, rest.record.memory + offset, static_cast<std::size_t>(length), at);
  char buffer[16 * 1024];
  while (length > 0) {
    const auto want = std::min<std::size_t>(sizeof buffer, static_cast<std::size_t>(length));
    const ssize_t n = ::pread(piece.fd, buffer, want, offset);
    if (n <= 0 || !write_all(to, buffer, static_cast<std::size_t>(n), at)) return false;
    offset += n;
    at += n;
    length -= n;
  }
  return true;
}

// The one file of which the script has ranges: the file that append_file() has named, else the spill file,
// which may be large. The bytes of all other pieces are copied.
int file_of(const Rest& rest) {
  const int spill = rest.record.spill_fd.load(std::memory_order_relaxed);
  int file = -1;
  for (const OutboxRecord::Piece& piece : rest.pieces) {
    if (piece.fd >= 0 && (file < 0 || file == spill)) file = piece.fd;
  }
  return file;
}

// The size of the script, with the bytes of the pieces that go into it.
std::uint64_t script_bytes(const Rest& rest, int file) {
  std::uint64_t bytes = sizeof(std::uint64_t) + rest.pieces.size() * sizeof(ScriptPiece);
  for (const OutboxRecord::Piece& piece : rest.pieces) {
    if (file < 0 || piece.fd != file) bytes += static_cast<std::uint64_t>(piece.length);
  }
  return bytes;
}

bool park_script(const Rest& rest, Slot& slot) {
  const int file = file_of(rest);
  SpoolFile body(file < 0 ? -1 : duplicate_spool(file));
  if (file >= 0 && !body) return false;
  const std::uint64_t bytes = script_bytes(rest, file);
  if (bytes > rest.most_copied) return false;
  SpoolFile script = open_spool("baton-response", {bytes, bytes}, rest.place);
  if (!script) return false;
  crash_point("park-script");

  const std::uint64_t count = rest.pieces.size();
  off_t bytes_at = static_cast<off_t>(sizeof count + count * sizeof(ScriptPiece));
  off_t piece_at = sizeof count;
  if (!write_all(script.get(), &count, sizeof count, 0)) return false;
  off_t skip = rest.skip;
  ScriptPiece first;
  for (const OutboxRecord::Piece& piece : rest.pieces) {
    ScriptPiece entry{file >= 0 && piece.fd == file, piece.offset + skip, piece.length - skip};
    if (entry.in_file == 0) {
      if (!copy_bytes(rest, piece, entry.offset, entry.length, script.get(), bytes_at)) return false;
      entry.offset = bytes_at;
      bytes_at += entry.length;
    }
    if (!write_all(script.get(), &entry, sizeof entry, piece_at)) return false;
    if (piece_at == sizeof count) first = entry;
    piece_at += static_cast<off_t>(sizeof entry);
    skip = 0;
  }
  slot.parked.offset = first.offset;
  slot.parked.end = first.offset + first.length;
  store_parked(slot, std::move(body), std::move(script));
  return true;
}

// Between two pieces the slot's offset is negative, and names the next piece. So one store says that a piece
// is done. After a death anywhere in enter_piece(), the next holder does it again.
off_t between(std::uint32_t next_index) {
  return -1 - static_cast<off_t>(next_index);
}

bool load_piece(const Slot& slot, std::uint32_t index, ScriptPiece& piece) {
  const off_t at = static_cast<off_t>(sizeof(std::uint64_t) + index * sizeof(ScriptPiece));
  return ::pread(slot.script_fd, &piece, sizeof piece, at) == static_cast<ssize_t>(sizeof piece);
}

bool enter_piece(Slot& slot, ScriptPiece& piece) {
  const auto index = static_cast<std::uint32_t>(-1 - slot.parked.offset);
  if (!load_piece(slot, index, piece)) return false;
  slot.parked.script_next = index + 1;
  slot.parked.end = piece.offset + piece.length;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  slot.parked.offset = piece.offset;
  return true;
}

SendResult from_tls(TlsWriter::Sent sent) {
  switch (sent) {
    case TlsWriter::Sent::kAll: return SendResult::kDone;
    case TlsWriter::Sent::kBlocked: return SendResult::kBlocked;
    case TlsWriter::Sent::kBroken: break;
  }
  return SendResult::kBroken;
}

SendResult from_errno() {
  return errno == EAGAIN || errno == EINTR ? SendResult::kBlocked : SendResult::kBroken;
}

// Sends the current range of the slot from `source`.
SendResult send_range(const Transport& socket, int source, Slot& slot, std::uint64_t& sent, off_t& budget) {
  while (slot.parked.offset < slot.parked.end) {
    if (budget <= 0) return SendResult::kBlocked;
    const off_t want = std::min(slot.parked.end - slot.parked.offset, budget);
    const ssize_t n = socket.send_file(source, slot.parked.offset, static_cast<std::size_t>(want));
    if (n < 0) return from_errno();
    crash_point("file-sent");
    if (n == 0) return SendResult::kBroken;  // the file is shorter than when the head was written
    sent += static_cast<std::uint64_t>(n);
    budget -= n;
  }
  return SendResult::kDone;
}

}  // namespace

const SpoolPlace& Outbox::in_memory() {
  static const std::string folder;
  static const SpoolPlace place{folder, std::numeric_limits<std::uint64_t>::max()};
  return place;
}

Outbox::Outbox(OutboxRecord& record, const SpoolPlace& place) : record_(record), place_(place) {
  record_.spill_fd.store(-1, std::memory_order_relaxed);  // a worker that had this entry before has left it
  record_.stored_fd.store(-1, std::memory_order_relaxed);
  clear();
}

void Outbox::clear() {
  drop(record_.spill_fd);
  drop(record_.stored_fd);
  record_.piece_count = record_.memory_bytes = record_.incomplete = 0;
  record_.last.status = 0;
  overflow_.clear();
  next_ = 0;
  done_ = spilled_ = 0;
  stored_ = 0;
  record_.last.streamed = 0;
  total_ = sent_ = record_.sent = planned_from_ = 0;
}

void Outbox::drop(std::atomic<std::int32_t>& file) {
  const int fd = file.load(std::memory_order_relaxed);
  if (fd < 0) return;
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  file.store(-1, std::memory_order_relaxed);
  close_spool(fd);
}

// Opens the file, or moves it to disk if one of `bytes` belongs there. False, with errno: no room or no
// descriptor, and nothing has changed.
bool Outbox::fit(std::atomic<std::int32_t>& file, const char* name, std::uint64_t bytes,
                 const SpoolPlace& place) {
  const int fd = file.load(std::memory_order_relaxed);
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  SpoolFile fresh;
  if (fd >= 0) {
    if (!fit_spool(fd, {bytes, bytes}, place, fresh)) return false;
    if (!fresh) return true;
  } else {
    if (!motion) return false;
    fresh = open_spool(name, {bytes, bytes}, place);
    if (!fresh) return false;
  }
  for (OutboxRecord::Piece& piece : std::span(record_.pieces, record_.piece_count)) {
    if (fd >= 0 && piece.fd == fd) piece.fd = fresh.get();
  }
  crash_point("made-opened");
  file.store(fresh.release(), std::memory_order_relaxed);
  crash_point("made-stored");
  if (fd >= 0) close_spool(fd);
  return true;
}

bool Outbox::store(std::string_view bytes) {
  if (!fit(record_.stored_fd, "baton-made", stored_ + bytes.size(), place_)) return false;
  if (!write_all(stored_fd(), bytes.data(), bytes.size(), static_cast<off_t>(stored_))) return false;
  stored_ += bytes.size();
  return true;
}

void Outbox::append_stored() {
  const auto length = static_cast<off_t>(stored_);
  if (length == 0) return;
  const int fd = stored_fd();
  if (record_.spill_fd.load(std::memory_order_relaxed) < 0) {
    // For a moment both words name the file, so there is none in which no word does.
    record_.spill_fd.store(fd, std::memory_order_relaxed);
    crash_point("stored-appended");
    record_.stored_fd.store(-1, std::memory_order_relaxed);
    spilled_ = length;
    stored_ = 0;
  }
  add_piece(fd, 0, length);
}

void Outbox::discard_stored() {
  drop(record_.stored_fd);
  stored_ = 0;
}

std::uint64_t Outbox::forget_sent() {
  const std::uint64_t sent = sent_;
  OutboxRecord::Piece* const pieces = record_.pieces;
  std::copy(pieces + next_, pieces + record_.piece_count, pieces);
  record_.piece_count -= next_;
  if (record_.piece_count == 0) {
    record_.memory_bytes = record_.incomplete = 0;
    overflow_.clear();
    // Emptied, not written over: sendfile(2) has handed these very pages to the socket, which may still need
    // them.
    const int spilled = record_.spill_fd.load(std::memory_order_relaxed);
    if (spilled >= 0 && ::ftruncate(spilled, 0) == 0) {
      spilled_ = 0;
      recharge_spool(spilled, 0);
    }
  } else {
    pieces[0].offset += done_;
    pieces[0].length -= done_;
  }
  next_ = 0;
  done_ = 0;
  total_ -= sent;
  sent_ = record_.sent = planned_from_ = 0;
  return sent;
}

// A hole (FALLOC_FL_PUNCH_HOLE, fallocate(2)) would not do. If the file has pages larger than the hole, the
// kernel writes zeroes into them, and sendfile(2) has handed these very pages to the socket.
void Outbox::reclaim() {
  constexpr off_t kWorthIt = 1 << 20;
  const int fd = record_.spill_fd.load(std::memory_order_relaxed);
  if (fd < 0 || record_.piece_count != 1 || record_.pieces[0].fd != fd) return;
  OutboxRecord::Piece& piece = record_.pieces[0];
  if (piece.offset < piece.length + kWorthIt) return;
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  if (!motion) return;
  const auto rest = static_cast<std::uint64_t>(piece.length);
  SpoolFile fresh = open_spool("baton-response", {rest, rest}, place_);
  if (!fresh || !copy_file(fd, fresh.get(), piece.length, piece.offset)) return;
  crash_point("made-opened");
  piece = {fresh.get(), 0, piece.length};
  spilled_ = piece.length;
  record_.spill_fd.store(fresh.release(), std::memory_order_relaxed);
  crash_point("made-stored");
  close_spool(fd);
}

void Outbox::add_piece(int fd, off_t offset, off_t length) {
  total_ += static_cast<std::uint64_t>(length);
  if (record_.piece_count == OutboxRecord::kMaxPieces) {
    record_.incomplete = 1;  // no response has so many pieces: send_pieces() gives up
    return;
  }
  record_.pieces[record_.piece_count++] = {fd, offset, length};
}

void Outbox::append(std::string_view bytes) {
  if (bytes.empty()) return;
  const auto length = static_cast<off_t>(bytes.size());
  // Behind spilled bytes all others are spilled too, so that many small parts do not become many pieces.
  const int spilled = record_.spill_fd.load(std::memory_order_relaxed);
  const bool behind_spilled =
      spilled >= 0 && record_.piece_count > 0 && record_.pieces[record_.piece_count - 1].fd == spilled;
  if (record_.memory_bytes + bytes.size() > OutboxRecord::kMemoryBytes || behind_spilled ||
      !overflow_.empty()) {
    if (spill(bytes)) return;
    record_.incomplete = 1;
    add_piece(kOverflow, static_cast<off_t>(overflow_.size()), length);
    overflow_.append(bytes);
    return;
  }
  const auto at = static_cast<off_t>(record_.memory_bytes);
  std::memcpy(record_.memory + at, bytes.data(), bytes.size());
  record_.memory_bytes += static_cast<std::uint32_t>(bytes.size());
  if (record_.piece_count > next_ && record_.pieces[record_.piece_count - 1].fd == kMemory) {
    record_.pieces[record_.piece_count - 1].length += length;
    total_ += bytes.size();
  } else {
    add_piece(kMemory, at, length);
  }
}

bool Outbox::spill(std::string_view bytes) {
  if (!overflow_.empty()) return false;  // later bytes must not overtake the overflow
  const std::uint64_t size = static_cast<std::uint64_t>(spilled_) + bytes.size();
  // If there is no place on disk the bytes stay in memory: better than not to be sent at all.
  if (!fit(record_.spill_fd, "baton-response", size, place_) &&
      !fit(record_.spill_fd, "baton-response", size, in_memory()))
    return false;
  const int fd = record_.spill_fd.load(std::memory_order_relaxed);
  if (!write_all(fd, bytes.data(), bytes.size(), spilled_)) return false;
  OutboxRecord::Piece* const last =
      record_.piece_count > next_ ? &record_.pieces[record_.piece_count - 1] : nullptr;
  if (last != nullptr && last->fd == fd && last->offset + last->length == spilled_) {
    last->length += static_cast<off_t>(bytes.size());
    total_ += bytes.size();
  } else {
    add_piece(fd, spilled_, static_cast<off_t>(bytes.size()));
  }
  spilled_ += static_cast<off_t>(bytes.size());
  return true;
}

void Outbox::append_file(int fd, off_t offset, off_t length) {
  if (length > 0) add_piece(fd, offset, length);
}

SendResult Outbox::send(int fd, Slot& slot) {
  const Transport socket(fd, slot);
  const SendResult result = socket.encrypted() ? send_records(socket, slot) : send_pieces(socket, slot);
  record_.sent = sent_;
  socket.settled();
  return result;
}

SendResult Outbox::send_pieces(const Transport& socket, Slot& slot) {
  if (record_.piece_count == OutboxRecord::kMaxPieces) return SendResult::kBroken;
  off_t budget = kSendBudget;
  for (; next_ < record_.piece_count; ++next_, done_ = 0) {
    const OutboxRecord::Piece& piece = record_.pieces[next_];
    const bool last = next_ + 1 == record_.piece_count;
    const SendResult result =
        piece.fd < 0 ? send_memory(socket, piece, !last) : send_file(socket, piece, slot, budget);
    if (result != SendResult::kDone) return result;
  }
  slot.body_fd = -1;
  return SendResult::kDone;
}

// Records are made of the response as a whole, whatever pieces it has. One that is sent before it is complete is
// fixed anew each time, from the first record on that was not sent whole.
SendResult Outbox::send_records(const Transport& socket, const Slot& slot) {
  if (record_.piece_count == OutboxRecord::kMaxPieces) return SendResult::kBroken;
  if (slot.phase == Phase::kStreaming) {
    planned_from_ = sent_;
    socket.plan_response(total_ - sent_, 0, false);
  }
  const SendResult result = from_tls(socket.send_planned(*this, kSendBudget));
  count_sent(planned_from_ + socket.planned_sent());
  return result;
}

bool Outbox::read(std::uint64_t at, char* to, std::size_t bytes) {
  at += planned_from_;
  for (const OutboxRecord::Piece& piece : std::span(record_.pieces, record_.piece_count)) {
    const auto length = static_cast<std::uint64_t>(piece.length);
    if (at >= length) {
      at -= length;
      continue;
    }
    const std::size_t part = std::min<std::uint64_t>(bytes, length - at);
    if (piece.fd >= 0) {
      if (!read_all(piece.fd, to, part, piece.offset + static_cast<off_t>(at))) return false;
    } else {
      const char* const from = (piece.fd == kMemory ? record_.memory : overflow_.data()) + piece.offset;
      std::memcpy(to, from + at, part);
    }
    to += part;
    bytes -= part;
    at = 0;
    if (bytes == 0) return true;
  }
  return bytes == 0;
}

void Outbox::count_sent(std::uint64_t sent) {
  sent_ = sent;
  done_ = static_cast<off_t>(sent);
  for (next_ = 0; next_ < record_.piece_count && done_ >= record_.pieces[next_].length; ++next_)
    done_ -= record_.pieces[next_].length;
}

SendResult Outbox::send_memory(const Transport& socket, const OutboxRecord::Piece& piece, bool more) {
  const char* bytes = (piece.fd == kMemory ? record_.memory : overflow_.data()) + piece.offset;
  while (done_ < piece.length) {
    const ssize_t n = socket.send({bytes + done_, static_cast<std::size_t>(piece.length - done_)}, more);
    if (n < 0) return from_errno();
    crash_point("mid-send");
    done_ += n;
    sent_ += static_cast<std::uint64_t>(n);
  }
  return SendResult::kDone;
}

SendResult Outbox::send_file(const Transport& socket, const OutboxRecord::Piece& piece, Slot& slot,
                             off_t& budget) {
  slot.body_fd = piece.fd;
  slot.parked.offset = piece.offset + done_;
  slot.parked.end = piece.offset + piece.length;
  const SendResult result = send_range(socket, piece.fd, slot, sent_, budget);
  done_ = slot.parked.offset - piece.offset;
  return result;
}

bool Outbox::park(Slot& slot) const {
  return park_rest(record_, sent_, slot, place_);
}

bool park_rest(const OutboxRecord& record, std::uint64_t sent, Slot& slot, const SpoolPlace& place,
               std::uint64_t most_copied) {
  std::vector<OutboxRecord::Piece> pieces;
  if (record.incomplete != 0 || !take_pieces(record, pieces)) return false;
  if (sent > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return false;
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  if (!motion) return false;
  // A script is small. If the budget allows, it is in memory, whatever limits.spool_memory says.
  const SpoolPlace memory_first{place.folder, std::numeric_limits<std::uint64_t>::max()};
  Rest rest{memory_first, record, pieces, static_cast<off_t>(sent), most_copied};
  while (!rest.pieces.empty() && rest.skip >= rest.pieces.front().length) {
    rest.skip -= rest.pieces.front().length;
    rest.pieces = rest.pieces.subspan(1);
  }
  return rest.pieces.size() <= 1 && (rest.pieces.empty() || rest.pieces.front().fd >= 0)
             ? park_range(rest, slot)
             : park_script(rest, slot);
}

namespace {

// A parked response as one row of bytes. Over TLS the slot's range stays as it was parked: the kernel's count of
// what was written tells the position.
class ParkedSource final : public PlainSource {
 public:
  explicit ParkedSource(const Slot& slot) : slot_(slot) {}

  bool read(std::uint64_t at, char* to, std::size_t bytes) override {
    if (slot_.script_fd < 0)
      return read_all(slot_.body_fd, to, bytes, slot_.parked.offset + static_cast<off_t>(at));
    std::uint64_t count = 0;
    if (!read_all(slot_.script_fd, &count, sizeof count, 0)) return false;
    ScriptPiece piece;
    for (std::uint32_t i = 0; bytes > 0 && i < count && load_piece(slot_, i, piece); ++i) {
      const auto length = static_cast<std::uint64_t>(piece.length);
      if (at >= length) {
        at -= length;
        continue;
      }
      const std::size_t part = std::min<std::uint64_t>(bytes, length - at);
      const int source = piece.in_file != 0 ? slot_.body_fd : slot_.script_fd;
      if (!read_all(source, to, part, piece.offset + static_cast<off_t>(at))) return false;
      to += part;
      bytes -= part;
      at = 0;
    }
    return bytes == 0;
  }

 private:
  const Slot& slot_;
};

SendResult resume_records(const Transport& socket, const Slot& slot, std::uint64_t& sent) {
  ParkedSource source(slot);
  const std::uint64_t before = socket.planned_sent();
  const SendResult result = from_tls(socket.send_planned(source, kSendBudget));
  sent += socket.planned_sent() - before;
  return result;
}

SendResult resume_range(const Transport& socket, Slot& slot, std::uint64_t& sent) {
  off_t budget = kSendBudget;
  if (slot.script_fd < 0) return send_range(socket, slot.body_fd, slot, sent, budget);

  std::uint64_t count = 0;
  ScriptPiece current;
  if (::pread(slot.script_fd, &count, sizeof count, 0) != static_cast<ssize_t>(sizeof count)) {
    return SendResult::kBroken;
  }
  if (slot.parked.offset >= 0 && !load_piece(slot, slot.parked.script_next - 1, current))
    return SendResult::kBroken;
  while (true) {
    if (slot.parked.offset < 0 && !enter_piece(slot, current)) return SendResult::kBroken;
    const int source = current.in_file != 0 ? slot.body_fd : slot.script_fd;
    const SendResult result = send_range(socket, source, slot, sent, budget);
    if (result != SendResult::kDone || slot.parked.script_next == count) return result;
    slot.parked.offset = between(slot.parked.script_next);
    crash_point("between-pieces");
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
}

}  // namespace

SendResult resume_parked(int fd, Slot& slot, std::uint64_t& sent) {
  const Transport socket(fd, slot);
  if (socket.encrypted()) return resume_records(socket, slot, sent);
  const SendResult result = resume_range(socket, slot, sent);
  socket.settled();
  return result;
}

void drop_parked(Slot& slot) {
  const bool owned = slot.has(SlotFlags::kOwnsBodyFd);
  if (!owned && slot.script_fd < 0) {
    slot.body_fd = -1;
    return;
  }
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  // The slot forgets the files before they are closed. A death in between leaves descriptors that no slot
  // names, and the reclaimer closes these (master/reclaimer.h). In the other order, the next holder would
  // close a number again, which may be another client's socket by then.
  const SpoolFile body(owned ? slot.body_fd : -1);
  const SpoolFile script(slot.script_fd);
  slot.body_fd = slot.script_fd = -1;
  slot.clear(SlotFlags::kOwnsBodyFd);
  crash_point("drop-parked");
}

}  // namespace baton
