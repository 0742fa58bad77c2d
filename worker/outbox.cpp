#include "worker/outbox.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "common/crash_point.h"
#include "common/unique_fd.h"

namespace baton {

namespace {

// The script of a response that was parked with more than one piece left. A memfd holds the count, the pieces
// and behind them the bytes of those that are not ranges of the file.
struct ScriptPiece {
  std::int64_t in_file = 0;  // 1: a range of Slot::body_fd; 0: of the script itself
  std::int64_t offset = 0;
  std::int64_t length = 0;
};

bool write_all(int fd, const void* data, std::size_t size, off_t at) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::pwrite(fd, bytes, size, at);
    if (n <= 0) return false;
    bytes += n;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

// Between two pieces the slot's offset is the index of the next one, negative: one store decides that this
// piece is done, and a death anywhere in enter_piece() leaves the next holder to do it again.
off_t between(std::uint32_t next_index) {
  return -1 - static_cast<off_t>(next_index);
}

bool load_piece(Slot& slot, std::uint32_t index, ScriptPiece& piece) {
  const off_t at = static_cast<off_t>(sizeof(std::uint64_t) + index * sizeof(ScriptPiece));
  return ::pread(slot.script_fd, &piece, sizeof piece, at) == static_cast<ssize_t>(sizeof piece);
}

bool enter_piece(Slot& slot, ScriptPiece& piece) {
  const auto index = static_cast<std::uint32_t>(-1 - slot.body_offset);
  if (!load_piece(slot, index, piece)) return false;
  slot.script_next = index + 1;
  slot.body_end = piece.offset + piece.length;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  slot.body_offset = piece.offset;
  return true;
}

SendResult from_errno() {
  return errno == EAGAIN || errno == EINTR ? SendResult::kBlocked : SendResult::kBroken;
}

// Sends the current range of the slot from `source`.
SendResult send_range(int socket, int source, Slot& slot, std::uint64_t& sent, off_t& budget) {
  while (slot.body_offset < slot.body_end) {
    if (budget <= 0) return SendResult::kBlocked;
    const off_t want = std::min(slot.body_end - slot.body_offset, budget);
    const ssize_t n = ::sendfile(socket, source, &slot.body_offset, static_cast<std::size_t>(want));
    if (n < 0) return from_errno();
    if (n == 0) return SendResult::kBroken;  // shorter than it was when the head was written
    sent += static_cast<std::uint64_t>(n);
    budget -= n;
  }
  return SendResult::kDone;
}

}  // namespace

void Outbox::clear() {
  memory_.clear();
  pieces_.clear();
  next_ = 0;
  total_ = sent_ = 0;
}

void Outbox::append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (pieces_.empty() || pieces_.back().fd >= 0) {
    pieces_.push_back({-1, static_cast<off_t>(memory_.size()), 0});
  }
  memory_.append(bytes);
  pieces_.back().length += static_cast<off_t>(bytes.size());
  total_ += bytes.size();
}

void Outbox::append_file(int fd, off_t offset, off_t length) {
  if (length == 0) return;
  pieces_.push_back({fd, offset, length});
  total_ += static_cast<std::uint64_t>(length);
}

SendResult Outbox::send_memory(int socket, Piece& piece, bool more) {
  while (piece.length > 0) {
    const ssize_t n = ::send(socket, memory_.data() + piece.offset, static_cast<std::size_t>(piece.length),
                             MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
    if (n < 0) return from_errno();
    piece.offset += n;
    piece.length -= n;
    sent_ += static_cast<std::uint64_t>(n);
  }
  return SendResult::kDone;
}

SendResult Outbox::send(int socket, Slot& slot) {
  off_t budget = kSendBudget;
  for (; next_ < pieces_.size(); ++next_) {
    Piece& piece = pieces_[next_];
    SendResult result;
    if (piece.fd < 0) {
      result = send_memory(socket, piece, next_ + 1 < pieces_.size());
    } else {
      slot.body_fd = piece.fd;
      slot.body_offset = piece.offset;
      slot.body_end = piece.offset + piece.length;
      result = send_range(socket, piece.fd, slot, sent_, budget);
      piece.length = slot.body_end - slot.body_offset;
      piece.offset = slot.body_offset;
    }
    if (result != SendResult::kDone) return result;
    crash_point("mid-send");
  }
  slot.body_fd = -1;
  return SendResult::kDone;
}

bool Outbox::park(Slot& slot) {
  const auto first = pieces_.begin() + static_cast<std::ptrdiff_t>(next_);
  const auto file = std::find_if(first, pieces_.end(), [](const Piece& piece) { return piece.fd >= 0; });
  UniqueFd body(file == pieces_.end() ? -1 : ::fcntl(file->fd, F_DUPFD_CLOEXEC, 0));
  if (file != pieces_.end() && !body) return false;
  crash_point("park-dup");

  const bool single_file = file == first && first + 1 == pieces_.end();
  UniqueFd script;
  if (single_file) {
    slot.body_offset = first->offset;
    slot.body_end = first->offset + first->length;
  } else {
    script = UniqueFd(::memfd_create("baton-response", MFD_CLOEXEC));
    if (!script) return false;
    const std::uint64_t count = pieces_.size() - next_;
    off_t bytes_at = static_cast<off_t>(sizeof count + count * sizeof(ScriptPiece));
    off_t piece_at = sizeof count;
    if (!write_all(script.get(), &count, sizeof count, 0)) return false;
    for (auto piece = first; piece != pieces_.end(); ++piece) {
      ScriptPiece entry{piece->fd >= 0, piece->offset, piece->length};
      if (piece->fd < 0) {
        const auto size = static_cast<std::size_t>(piece->length);
        if (!write_all(script.get(), memory_.data() + piece->offset, size, bytes_at)) return false;
        entry.offset = bytes_at;
        bytes_at += piece->length;
      }
      if (!write_all(script.get(), &entry, sizeof entry, piece_at)) return false;
      piece_at += static_cast<off_t>(sizeof entry);
    }
    ScriptPiece current;
    slot.script_fd = script.get();
    crash_point("park-script");
    if (!load_piece(slot, 0, current)) {
      slot.script_fd = -1;
      return false;
    }
    slot.body_offset = current.offset;
    slot.body_end = current.offset + current.length;
  }
  slot.script_next = 1;
  slot.script_fd = script.release();
  slot.body_fd = body.release();
  // Last: with the flag first, a death in between would leave it to the heir to close the open-file table's
  // descriptor.
  std::atomic_signal_fence(std::memory_order_release);
  slot.flags |= SlotFlags::kOwnsBodyFd;
  crash_point("park-stored");
  return true;
}

SendResult resume_parked(int socket, Slot& slot, std::uint64_t& sent) {
  off_t budget = kSendBudget;
  if (slot.script_fd < 0) return send_range(socket, slot.body_fd, slot, sent, budget);

  std::uint64_t count = 0;
  ScriptPiece current;
  if (::pread(slot.script_fd, &count, sizeof count, 0) != static_cast<ssize_t>(sizeof count)) {
    return SendResult::kBroken;
  }
  if (slot.body_offset >= 0 && !load_piece(slot, slot.script_next - 1, current)) return SendResult::kBroken;
  while (true) {
    if (slot.body_offset < 0 && !enter_piece(slot, current)) return SendResult::kBroken;
    const int source = current.in_file != 0 ? slot.body_fd : slot.script_fd;
    const SendResult result = send_range(socket, source, slot, sent, budget);
    if (result != SendResult::kDone || slot.script_next == count) return result;
    slot.body_offset = between(slot.script_next);
    crash_point("between-pieces");
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
}

void drop_parked(Slot& slot) {
  const bool owned = (slot.flags & SlotFlags::kOwnsBodyFd) != 0;
  // Forgotten first, closed second: a worker killed in between leaves a descriptor nobody knows of. The other
  // way round its heir would close the number again, which may be another client's socket by then.
  const UniqueFd body(owned ? slot.body_fd : -1);
  const UniqueFd script(slot.script_fd);
  slot.body_fd = slot.script_fd = -1;
  slot.flags &= static_cast<std::uint8_t>(~SlotFlags::kOwnsBodyFd);
  crash_point("drop-parked");
}

}  // namespace baton
