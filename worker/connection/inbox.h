// The bytes that have arrived on one connection and are not answered yet. They stay in the socket (MSG_PEEK)
// until the response has been handed over, so a worker's death loses none of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "common/shared/connection_table.h"
#include "worker/connection/spool.h"

namespace baton {

enum class PeekResult : std::uint8_t {
  kData,     // the socket has bytes, perhaps only those of the peek before
  kNothing,  // the socket is empty; data() may still hold spooled bytes
  kClosed,   // the peer has shut down its side, and the socket is empty
  kBroken,   // the connection was reset, or its spool cannot be read
};

// One per worker, used for one connection at a time.
class Inbox {
 public:
  static constexpr std::size_t kBytes = std::size_t{80} * 1024;  // above the largest allowed head

  // `place` says where a head goes that cannot stay in the socket. It outlives this object.
  explicit Inbox(const SpoolPlace& place);

  // Fills data() with the connection's spooled bytes, then with those in the socket, as far as there is room.
  PeekResult peek(int fd, Slot& slot);

  // Fills data() with what is in the socket alone: the body of a request whose head is in the spool.
  PeekResult peek_body(int fd, Slot& slot);

  // Valid until the next call of a peek.
  [[nodiscard]] std::string_view data() const { return {buffer_.get() + start_, end_ - start_}; }

  // Drops the first `n` bytes of data(), because they have been answered.
  void skip(std::size_t n) { start_ += n; }

  // Forgets the connection.
  void clear() { start_ = end_ = 0; }

  // Lets an incomplete head, all of data(), wait for more bytes. A TCP socket keeps the head, and SO_RCVLOWAT
  // is set, so that only further bytes wake a worker. The low-water mark does not help in two cases: a Unix
  // socket ignores it, and a kernel that is short of receive buffer reports readable below it. Then the bytes
  // move into a file, so that there is always progress. False, with errno as fit_spool() sets it: there is no
  // room or no descriptor for that file, and nothing has changed. False also if another system call fails.
  [[nodiscard]] bool keep_partial(int fd, Slot& slot);

  // Moves the first `n` bytes of data() from the socket to the spool: a head whose body is still to come.
  // False: as keep_partial().
  [[nodiscard]] bool spool(int fd, Slot& slot, std::size_t n);

 private:
  PeekResult peek_socket(int fd, Slot& slot);

  const SpoolPlace& place_;
  std::unique_ptr<char[]> buffer_;
  std::size_t start_ = 0;
  std::size_t end_ = 0;
};

// Discards a request that has been answered: the next `in_socket` bytes of the socket, which are there, and
// the spool. For the holder of the claim, and for the master in the place of a dead holder. False: the
// connection is broken.
[[nodiscard]] bool consume_request(int fd, Slot& slot, std::uint64_t in_socket);

// Closes the spool.
void drop_spool(Slot& slot);

}  // namespace baton
