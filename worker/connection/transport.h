// The socket of one connection: the only place that moves a client's bytes.
//
// What can be told of the bytes that were moved depends on the kind of the socket, and is decided here:
//
//   TCP          The kernel counts both directions. Whoever comes after a dead worker asks counts(), which is
//                exact, so nothing has to be noted around a call.
//   Unix socket  Nobody counts. From before a call that moves bytes until settled() the slot says that only
//                its holder knows how many. A connection whose worker dies in between is closed.
//
// Thread and process safety
//
// For the holder of the slot's claim, and for the master in a dead worker's place. unread(), queued(), cut()
// are also for whoever keeps the descriptor from being closed; what they say may be out of date. No call
// waits, but await_writable().
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/tcp_counts.h"
#include "common/shared/connection_table.h"

namespace baton {

class Transport {
 public:
  Transport(int fd, Slot& slot) : fd_(fd), slot_(slot) {}

  // -- Moving bytes. Each returns what its system call does, with errno.

  // What has arrived, which stays in the socket.
  ssize_t peek(char* to, std::size_t most) const;
  // `more`: further bytes follow at once.
  ssize_t send(std::string_view bytes, bool more) const;
  // The kernel itself advances `offset` (sendfile(2)), by exactly what it has taken, whatever happens to the
  // caller.
  ssize_t send_file(int file, off_t& offset, std::size_t most) const;
  // Takes up to `most` bytes out of the socket without looking at them.
  ssize_t consume_some(std::size_t most) const;
  // Exactly `n`, which are known to be there. False: the connection is broken.
  [[nodiscard]] bool consume(std::uint64_t n) const;

  // -- What is known of them.

  // The slot says now, or is about to say before anything else is moved, how many bytes have been.
  void settled() const { slot_.clear(SlotFlags::kUncertain); }
  [[nodiscard]] bool uncertain() const { return slot_.has(SlotFlags::kUncertain); }
  // Whether counts() can be had of such a socket.
  [[nodiscard]] bool counted() const;
  // Both directions, since the connection was made. Nothing: it cannot be told.
  [[nodiscard]] std::optional<StreamCounts> counts() const;
  // Bytes that have arrived and not been consumed; 0 also if that cannot be told.
  [[nodiscard]] std::uint32_t unread() const;
  // Bytes sent that the peer has not acknowledged; 0 also if that cannot be told.
  [[nodiscard]] int queued() const;
  // Whether the peer has shut down its side.
  [[nodiscard]] bool hung_up() const;

  // -- Waiting for more.

  // Whether wake_at() has an effect on what epoll(7) reports.
  [[nodiscard]] bool has_low_water() const;
  // From so many unread bytes on the socket is readable (SO_RCVLOWAT). False: the kernel refuses.
  [[nodiscard]] bool wake_at(std::size_t bytes) const;
  // Waits until it takes bytes, at most so long. False: it did not come to that.
  [[nodiscard]] bool await_writable(int timeout_ms) const;

  // -- Ending.

  void end_stream() const;  // our side: nothing more is sent
  void cut() const;         // both sides, for all who have the socket

 private:
  void begin_move() const;

  int fd_;
  Slot& slot_;
};

}  // namespace baton
