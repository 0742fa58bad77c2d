// The response that a worker is about to send on one connection: bytes that it has made and ranges of one
// file, in order. When the socket is full, or the worker dies, the rest is parked in the slot.
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
  kDone,     // all bytes are in the kernel's hands
  kBlocked,  // the socket is full, or has had its share for this turn: park and wait for EPOLLOUT
  kBroken,   // the peer is gone, or the file has shrunk: close
};

// Most bytes of files that one turn sends: a fast reader of a large file must not keep a worker from other
// clients.
constexpr off_t kSendBudget = 1 << 20;

// Gathers a response, or those of a pipelined batch, in the worker's OutboxRecord, where they outlive the
// worker. Bytes that do not fit the record go to a file, which is in memory while they are few (SpoolPlace).
// One per worker, reused from request to request.
class Outbox final : public http::Sink, private PlainSource {
 public:
  // `record` is this worker's own. `place` says where the files are; without it they are in memory. Both
  // outlive this object.
  explicit Outbox(OutboxRecord& record, const SpoolPlace& place = in_memory());
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  void clear();
  void append(std::string_view bytes) override;
  // The caller keeps `fd` open until send() is done or park() has returned. All ranges of one response are of
  // one file.
  void append_file(int fd, off_t offset, off_t length) override;

  // Stores a part of a body in a file apart from the response: for a body that is too large for memory, and
  // whose length is not known yet. append_file() can name the file (stored_fd()). False, with errno: no room,
  // or no descriptor; EDQUOT: no room in the budget.
  [[nodiscard]] bool store(std::string_view bytes);
  void discard_stored();
  // Adds all stored bytes to the response. Bytes that are appended later and do not fit in memory go behind
  // them in the same file, so that only one file has to be parked.
  void append_stored();
  [[nodiscard]] int stored_fd() const { return record_.stored_fd.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t stored_bytes() const { return stored_; }

  // For a response that is sent before it is complete: forgets the bytes that have been sent, so that total()
  // and sent() count the rest only. Returns how many they were.
  std::uint64_t forget_sent();

  // Call after forget_sent(). If much more of the spill file has been sent than is left in it, moves the rest
  // to a new file. So the size of the file follows from what waits, not from all that was ever sent.
  void reclaim();

  [[nodiscard]] std::uint64_t total() const { return total_; }  // bytes appended and not forgotten
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::size_t memory_bytes() const { return record_.memory_bytes; }
  [[nodiscard]] ResponseNote& last() { return record_.last; }

  // Sends on, from where the last call stopped. The offset of a file range is in the slot, where sendfile(2)
  // itself advances it.
  SendResult send(int fd, Slot& slot);

  // Whether the response could be parked: no part of it is in this worker's own memory only.
  [[nodiscard]] bool parkable() const { return record_.incomplete == 0; }

  // Moves the rest into the slot, as park_rest() does. False: no descriptor, or no memory.
  [[nodiscard]] bool park(Slot& slot) const;

 private:
  SendResult send_memory(const Transport& socket, const OutboxRecord::Piece& piece, bool more);
  SendResult send_file(const Transport& socket, const OutboxRecord::Piece& piece, Slot& slot, off_t& budget);
  SendResult send_pieces(const Transport& socket, Slot& slot);
  SendResult send_records(const Transport& socket, const Slot& slot);
  bool read(std::uint64_t at, char* to, std::size_t bytes) override;
  void count_sent(std::uint64_t sent);
  static const SpoolPlace& in_memory();
  bool fit(std::atomic<std::int32_t>& file, const char* name, std::uint64_t bytes, const SpoolPlace& place);
  bool spill(std::string_view bytes);
  void add_piece(int fd, off_t offset, off_t length);
  void drop(std::atomic<std::int32_t>& file);

  OutboxRecord& record_;
  const SpoolPlace& place_;
  std::string overflow_;    // bytes that neither the record nor a file could take: lost if this worker dies
  std::uint32_t next_ = 0;  // index of the piece that is sent next
  off_t done_ = 0;          // bytes of that piece that have been sent
  std::uint64_t total_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t planned_from_ = 0;  // over TLS, while streaming: where in the response the plan begins
  off_t spilled_ = 0;               // bytes in the spill file
  std::uint64_t stored_ = 0;        // bytes in the stored file
};

// Parks the bytes of `record` behind the first `sent`, as a file range in the slot with a descriptor of its
// own. Then any process can go on with resume_parked(). For the holder of the claim, and for the master in
// the place of a dead holder. False: the connection has to be closed, because
//
// - there is no descriptor or no memory;
// - a part of the response was in the dead worker's own memory;
// - the record says what cannot be (a dying worker may have written anything into it);
// - more than `most_copied` bytes would have to be copied.
[[nodiscard]] bool park_rest(const OutboxRecord& record, std::uint64_t sent, Slot& slot,
                             const SpoolPlace& place,
                             std::uint64_t most_copied = std::numeric_limits<std::uint64_t>::max());

// Sends on the parked response of `slot`. `sent` grows by the bytes that were sent.
SendResult resume_parked(int fd, Slot& slot, std::uint64_t& sent);

// Closes the files of a parked response. For the holder of the claim, when the response is done or the
// connection ends.
void drop_parked(Slot& slot);

}  // namespace baton
