// The socket of one connection. No other code moves a client's bytes.
//
// After a worker's death, how many bytes it has moved can be told or not, by the kind of the socket:
//
//   TCP          The kernel counts both directions. The master asks counts(), which is exact. So nothing has
//                to be noted around a call.
//   TLS          As TCP, but the kernel counts ciphertext. What plaintext that is follows from what the
//                connection's TlsState has fixed (common/shared/tls_state.h). A response is fixed as a whole
//                before its first byte is sent.
//   Unix socket  Nothing counts. From before a call that moves bytes until settled(), the slot says that only
//                its holder knows how many (uncertain()). If the holder dies in between, the connection is
//                closed.
//
// Thread and process safety
//
// For the holder of the slot's claim, and for the master in the place of a dead holder. unread(), queued()
// and cut() are also for any process that keeps the descriptor from being closed; their results may be out of
// date then. Only await_writable() blocks.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/tcp_counts.h"
#include "common/shared/connection_table.h"
#include "worker/connection/tls_writer.h"

namespace baton {

class Transport {
 public:
  Transport(int fd, Slot& slot) : fd_(fd), slot_(slot) {}

  // -- Moving bytes. All but consume() return what their system call returns, with errno.
  //
  // Of a TLS connection these are bytes of plaintext, and send() is for what is sent between two responses.

  // Copies up to `most` bytes that have arrived. They stay in the socket.
  ssize_t peek(char* to, std::size_t most) const;
  // `more`: further bytes follow at once.
  ssize_t send(std::string_view bytes, bool more) const;
  // Sends up to `most` bytes of `file` (sendfile(2)). The kernel itself advances `offset` by exactly what it
  // has taken, even if the caller is killed.
  ssize_t send_file(int file, off_t& offset, std::size_t most) const;
  // Takes up to `most` bytes out of the socket without looking at them.
  ssize_t consume_some(std::size_t most) const;
  // Takes exactly `n` bytes out, which are known to be there. False: the connection is broken.
  [[nodiscard]] bool consume(std::uint64_t n) const;

  // -- Responses over TLS. Without TLS these have nothing to do.

  [[nodiscard]] bool encrypted() const { return slot_.socket == SocketKind::kTls; }
  // Fixes the response that is sent next: `plain` bytes that answer the first `request` bytes of the last peek.
  // `last`: nothing comes behind it. Call before the phase becomes kResponse or kStreaming. In kStreaming: fixes
  // what has not been sent, now that it is `plain` bytes.
  void plan_response(std::uint64_t plain, std::uint64_t request, bool last) const;
  // Sends on, at most about `most` bytes.
  TlsWriter::Sent send_planned(PlainSource& source, std::size_t most) const;
  // How much plaintext of the response was sent in whole records. What comes behind it must be kept.
  [[nodiscard]] std::uint64_t planned_sent() const;
  // Fixes what is left of the response behind planned_sent(). Call before the phase becomes kParked.
  void plan_parked() const;
  // Call when all of it was sent, before the phase becomes kHead.
  void end_response() const;

  // -- How many bytes were moved.

  // Call when the slot says how many bytes have been moved, or will say so before more are moved.
  void settled() const {
    std::atomic_signal_fence(std::memory_order_seq_cst);  // what the slot says comes first
    slot_.clear(SlotFlags::kUncertain);
  }
  [[nodiscard]] bool uncertain() const { return slot_.has(SlotFlags::kUncertain); }
  // Whether the kernel counts the bytes of such a socket.
  [[nodiscard]] bool counted() const;
  // The kernel's counts of both directions, since the connection was made. Nothing if it does not tell.
  [[nodiscard]] std::optional<StreamCounts> counts() const;
  // Bytes that have arrived and have not been consumed. 0 also if the kernel does not tell.
  [[nodiscard]] std::uint32_t unread() const;
  // Bytes sent that the peer has not acknowledged. 0 also if the kernel does not tell.
  [[nodiscard]] int queued() const;
  // Whether the peer has shut down its side.
  [[nodiscard]] bool hung_up() const;

  // -- Waiting for more.

  // Whether wake_at() has an effect on what epoll(7) reports.
  [[nodiscard]] bool has_low_water() const;
  // Makes the socket readable only from this many unread bytes on (SO_RCVLOWAT). False: the kernel refuses.
  [[nodiscard]] bool wake_at(std::size_t bytes) const;
  // Blocks until the socket takes bytes. False: the time was over first.
  [[nodiscard]] bool await_writable(int timeout_ms) const;

  // TLS: makes an incomplete record wake nobody. Call before the connection is armed for reading.
  void arm_low_water() const;
  // TLS: forgets the last peek. Call at the beginning of a turn.
  void forget_input() const;
  // TLS: whether the last peek has found an incomplete record.
  [[nodiscard]] bool record_begun() const;

  // -- Ending.

  // TLS: tells the client that nothing more comes, if that can be told. Enters Phase::kLingering first.
  void say_goodbye() const;

  void end_stream() const;  // shuts down our side: nothing more can be sent
  void cut() const;         // shuts down both sides, for every process that has the socket

 private:
  void begin_move() const;
  [[nodiscard]] ssize_t consume_records(std::size_t most) const;
  [[nodiscard]] TlsState& tls_state() const;
  [[nodiscard]] TlsResponse& planned() const;
  [[nodiscard]] std::optional<StreamCounts> plain_counts(const StreamCounts& raw) const;

  int fd_;
  Slot& slot_;
};

}  // namespace baton
