// What a worker is about to send on one connection: bytes it has made and ranges of one file, in order; and
// what becomes of it when the socket is full, or when the worker dies.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "common/http/sink.h"
#include "common/shared/connection_table.h"
#include "common/shared/outbox_record.h"
#include "worker/connection/spool.h"
#include "worker/connection/transport.h"

namespace baton {

enum class SendResult : std::uint8_t {
  kDone,     // everything is in the kernel's hands
  kBlocked,  // the socket is full, or has had its share for this turn: park and wait for EPOLLOUT
  kBroken,   // the peer is gone or the file has shrunk: close
};

// One turn sends at most this much, so that a fast reader of a large file does not keep a worker from the
// others.
constexpr off_t kSendBudget = 1 << 20;

// Gathers a response, or those of a pipelined batch, in the worker's OutboxRecord: there it outlives the
// worker. Bytes beyond what the record holds go to a file: in memory while they are few, see SpoolPlace.
// Reused from request to request.
class Outbox final : public http::Sink {
 public:
  // `record` is this worker's own and outlives it, as `place` does: where the files are. Without: in memory.
  explicit Outbox(OutboxRecord& record, const SpoolPlace& place = in_memory());
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  void clear();
  void append(std::string_view bytes) override;
  // `fd` must stay open until send() is done or park() has returned. All ranges of one response are of one
  // file.
  void append_file(int fd, off_t offset, off_t length) override;

  // Sets a part of a body aside, in a file of its own which append_file() can name then: for one that is not
  // to be held in memory, and whose length is not known yet. False: no room, or no descriptor.
  [[nodiscard]] bool store(std::string_view bytes);
  void discard_stored();
  // Adds all of it to the response. What is appended from here on and does not fit in memory goes behind it,
  // so that there is one file to be parked.
  void append_stored();
  [[nodiscard]] int stored_fd() const { return record_.stored_fd.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t stored_bytes() const { return stored_; }

  // While a response is sent before it is complete: forgets what has been sent, so that total() and sent()
  // count what remains. Returns how much that was.
  std::uint64_t forget_sent();

  // Then: gives back the room of what has been sent of a file, where that is more than what is left in it.
  // What is left moves to another file, so that its size follows from what waits, not from what was ever
  // sent.
  void reclaim();

  [[nodiscard]] std::uint64_t total() const { return total_; }  // bytes appended since clear()
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::size_t memory_bytes() const { return record_.memory_bytes; }
  [[nodiscard]] ResponseNote& last() { return record_.last; }

  // Sends from where the last call stopped. The offset of a file range is kept in the slot, where sendfile(2)
  // itself advances it.
  SendResult send(int fd, Slot& slot);

  // Whether all of it is where it can outlive the worker: it could be parked.
  [[nodiscard]] bool parkable() const { return record_.incomplete == 0; }

  // Moves what is left into the slot: see park_rest(). False: no descriptor or memory for it.
  [[nodiscard]] bool park(Slot& slot) const;

 private:
  SendResult send_memory(const Transport& socket, const OutboxRecord::Piece& piece, bool more);
  SendResult send_file(const Transport& socket, const OutboxRecord::Piece& piece, Slot& slot, off_t& budget);
  SendResult send_pieces(const Transport& socket, Slot& slot);
  static const SpoolPlace& in_memory();
  bool fit(std::atomic<std::int32_t>& file, const char* name, std::uint64_t bytes, const SpoolPlace& place);
  bool spill(std::string_view bytes);
  void add_piece(int fd, off_t offset, off_t length);
  void drop(std::atomic<std::int32_t>& file);

  OutboxRecord& record_;
  const SpoolPlace& place_;
  std::string overflow_;    // what neither the record nor a memfd could take: sent, but lost with this worker
  std::uint32_t next_ = 0;  // piece
  off_t done_ = 0;          // of it
  std::uint64_t total_ = 0;
  std::uint64_t sent_ = 0;
  off_t spilled_ = 0;
  std::uint64_t stored_ = 0;
};

// Parks what follows the first `sent` bytes of `record` in the slot, as a file range with a descriptor of its
// own, so that any process can go on with resume_parked(). For the claim's holder, and for the master in a
// dead worker's place. False: no descriptor or memory for it, or a part was in the dead worker's own memory;
// the connection has to be closed.
// It may be anything that the record says: what cannot be is refused, as is to copy more than `most_copied`
// bytes.
[[nodiscard]] bool park_rest(const OutboxRecord& record, std::uint64_t sent, Slot& slot,
                             const SpoolPlace& place,
                             std::uint64_t most_copied = std::numeric_limits<std::uint64_t>::max());

// Goes on with the parked response of `slot`. `sent` grows by what was sent.
SendResult resume_parked(int fd, Slot& slot, std::uint64_t& sent);

// Closes what was parked. For the claim's holder, when the response is done or the connection ends.
void drop_parked(Slot& slot);

}  // namespace baton
