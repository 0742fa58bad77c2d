// What a worker is about to send on one connection: bytes it has made and ranges of one file, in order; and
// what becomes of it when the socket is full.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/connection_table.h"

namespace baton {

enum class SendResult : std::uint8_t {
  kDone,     // everything is in the kernel's hands
  kBlocked,  // the socket is full, or has had its share for this turn: park and wait for EPOLLOUT
  kBroken,   // the peer is gone or the file has shrunk: close
};

// One turn sends at most this much, so that a fast reader of a large file does not keep a worker from the
// others.
constexpr off_t kSendBudget = 1 << 20;

// Reused from request to request; its memory is kept.
class Outbox {
 public:
  void clear();
  void append(std::string_view bytes);
  // `fd` must stay open until send() is done or park() has returned. All ranges of one response are of one
  // file.
  void append_file(int fd, off_t offset, off_t length);

  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  [[nodiscard]] std::uint64_t total() const { return total_; }  // bytes appended since clear()
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::size_t memory_bytes() const { return memory_.size(); }

  // Sends from where the last call stopped. The offset of a file range is kept in the slot, where sendfile(2)
  // itself advances it: it is exact even if this process is killed inside the call.
  SendResult send(int socket, Slot& slot);

  // Moves what is left into the slot, as a file range with a descriptor of its own, so that any process can
  // go on with resume_parked(). False: no descriptor or memory for it; the connection has to be closed.
  [[nodiscard]] bool park(Slot& slot);

 private:
  struct Piece {
    int fd;  // -1: bytes of memory_
    off_t offset;
    off_t length;
  };
  SendResult send_memory(int socket, Piece& piece, bool more);

  std::string memory_;
  std::vector<Piece> pieces_;
  std::size_t next_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t sent_ = 0;
};

// Goes on with the parked response of `slot`. `sent` grows by what was sent.
SendResult resume_parked(int socket, Slot& slot, std::uint64_t& sent);

// Closes what park() opened. For the claim's holder, when the response is done or the connection ends.
void drop_parked(Slot& slot);

}  // namespace baton
