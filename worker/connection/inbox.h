// What has arrived on one connection and not been answered yet. The bytes stay in the socket (MSG_PEEK) until
// the response is handed over: a worker's death loses none of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "common/shared/connection_table.h"
#include "worker/connection/spool.h"

namespace baton {

enum class PeekResult : std::uint8_t {
  kData,     // data() holds something, perhaps only what was there before
  kNothing,  // the socket is empty
  kClosed,   // the peer has shut its side down and everything it sent is consumed
  kBroken,   // reset
};

// One per worker, used for one connection at a time.
class Inbox {
 public:
  static constexpr std::size_t kBytes = std::size_t{80} * 1024;  // above the largest allowed head

  // `place` outlives it: where a head goes that cannot stay in the socket.
  explicit Inbox(const SpoolPlace& place);

  // Makes data() the connection's spooled bytes followed by what is in the socket, as far as there is room.
  PeekResult peek(int fd, Slot& slot);

  // Makes data() what is in the socket, the spool left aside: the body of a request whose head is in the
  // spool.
  PeekResult peek_body(int fd, Slot& slot);

  [[nodiscard]] std::string_view data() const { return {buffer_.get() + start_, end_ - start_}; }

  // Leaves the first `n` bytes out of data() from here on: they have been answered.
  void skip(std::size_t n) { start_ += n; }

  // Forgets the connection it was used for.
  void clear() { start_ = end_ = 0; }

  // Leaves an incomplete head, all of data(), to wait for more. A TCP socket keeps it, and its SO_RCVLOWAT is
  // set so that only further bytes wake anybody. Where the low-water mark does not help (a Unix socket; or
  // the kernel, short of receive buffer, reports readable below it) the bytes move into a file, so that
  // there is always progress. False, with errno as fit_spool() has it: nothing has changed then.
  [[nodiscard]] bool keep_partial(int fd, Slot& slot);

  // Moves the first `n` bytes of data() from the socket to the spool: a head whose body is yet to come.
  // False: as above.
  [[nodiscard]] bool spool(int fd, Slot& slot, std::size_t n);

 private:
  PeekResult peek_socket(int fd, Slot& slot);

  const SpoolPlace& place_;
  std::unique_ptr<char[]> buffer_;
  std::size_t start_ = 0;
  std::size_t end_ = 0;
};

// Takes what has been answered out of the way: the next `in_socket` bytes, which are there, and the spool.
// For the claim's holder, and for the master in a dead worker's place. False: the connection is broken.
[[nodiscard]] bool consume_request(int fd, Slot& slot, std::uint64_t in_socket);

// Closes the spool.
void drop_spool(Slot& slot);

}  // namespace baton
