// The connection table: one slot per descriptor number, in shared memory, outside any worker.
//
//              open()                release(kArmedRead)
//     FREE(g) --------> HELD(w,g+1) ----------------------> ARMED_READ(g+1)
//        ^              |  ^     ^                                  |
//        |   free()     |  |     +------ try_claim(): EPOLLIN ------+
//        +--------------+  |
//        then close(fd)    |         release(kArmedWrite)
//                          +------ HELD ----------------> ARMED_WRITE: a response is parked
//                          |                                   |
//                          +------- try_claim(): EPOLLOUT -----+
//
// Thread and process safety
//
// A slot belongs to the process whose compare-and-swap put HELD there, and to nobody while it is FREE or
// ARMED. An event gives no right to touch anything but `claim`. The holder alone writes all other members.
// The claim word orders them: release on the way out of HELD, acquire on the way in. Readers without the
// claim (batonctl, the master's sweep) see single words that may be stale. They use them as hints only, or
// for display.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/base/address.h"
#include "common/base/clock.h"

namespace baton {

enum class SlotState : std::uint8_t {
  kFree,        // no connection; only the process to which the kernel just gave this descriptor may open it
  kHeld,        // `holder` works on it; nobody else may do anything, events for it are ignored
  kArmedRead,   // registered for EPOLLIN; says nothing about whether data has arrived
  kArmedWrite,  // registered for EPOLLOUT: a response is parked, or recovery wants a worker at once
  kListener,    // a listening socket; never claimed, never ONESHOT
};

// What the descriptor is for. It is part of the claim word, so that whoever looks at a slot, with or without
// the claim, sees state and role of the same moment.
enum class SlotRole : std::uint8_t {
  kClient,    // accepted from a listener; counted in the header's `connections`
  kListener,  // its state is kListener
};

using Holder = std::uint16_t;
constexpr Holder kNoHolder = 0xffff;
constexpr Holder kMasterHolder =
    0xfffe;  // the master's sweep, while it sets a verdict; others are scoreboard entries

// The claim word, packed as {generation:32, holder:16, state:8, role:8} so that one compare-and-swap moves
// it all.
struct Claim {
  std::uint32_t generation = 0;  // counts the connections this descriptor number has had
  Holder holder = kNoHolder;
  SlotState state = SlotState::kFree;
  SlotRole role = SlotRole::kClient;

  [[nodiscard]] constexpr std::uint64_t pack() const {
    return std::uint64_t{generation} << 32 | std::uint64_t{holder} << 16 |
           std::uint64_t{static_cast<std::uint8_t>(state)} << 8 | static_cast<std::uint8_t>(role);
  }
  static constexpr Claim unpack(std::uint64_t word) {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<Holder>(word >> 16),
            static_cast<SlotState>(static_cast<std::uint8_t>(word >> 8)),
            static_cast<SlotRole>(static_cast<std::uint8_t>(word))};
  }
  // Whether it is a client's connection, held or armed.
  [[nodiscard]] constexpr bool is_client() const {
    return state != SlotState::kFree && role == SlotRole::kClient;
  }
  [[nodiscard]] constexpr bool armed() const {
    return state == SlotState::kArmedRead || state == SlotState::kArmedWrite;
  }
};

// What the connection is in the middle of. Kept across processes, so it says all the next holder needs to
// know. Each change is one store, made after everything that the new phase needs is in place: what a killed
// worker leaves is one phase or the other (master/recovery.h).
//
//                                   +--------------------- served -----------------------+
//                                   v                                                    |
//   kHead --+------------------> (handler) ------> kResponse --+-- handed over -- (consume)
//     |     |                       ^                 |        |                         ^
//     |     +-- not idempotent --> kHandling ---------+        +-- socket full --> kParked
//     |                               kStreaming -----+
//     +-- body still to come --> kBody ---^                                   the last one --> kLingering
enum class Phase : std::uint8_t {
  kHead,       // between requests, or a request head is arriving (it stays in the socket, or partly in the
               // spool); also while the handler of an idempotent request runs, which can be begun again
  kBody,       // head in the spool, body arriving
  kHandling,   // the handler of a request that is not idempotent has begun: it is not to be begun again.
               // request_bytes is the request's length; none of it is consumed, nothing is sent
  kResponse,   // the response is made, and described by the holder's OutboxRecord: it is being sent, then
               // request_bytes are consumed
  kStreaming,  // a part of the response has been sent, and nobody but the handler can make the rest: the
               // connection ends with its worker
  kParked,     // what is left of the response is described by `parked`, body_fd and script_fd; the request
               // has been consumed
  kLingering,  // response sent; shut down our side and discard input until the client closes its own
};

// What happens at the deadline.
// kPlace: the request waits for a worker (worker/h1/admission.h), and its slot is armed, but not in the epoll
// set.
enum class Deadline : std::uint8_t { kNone, kHeader, kKeepAlive, kBody, kSend, kLinger, kPlace };

// Set by the master (holding the claim) when a deadline has passed; obeyed by the next worker that claims the
// slot.
enum class Verdict : std::uint8_t { kNone, kExpired, kFailed, kHandlerTimeout };

// Which kind of socket it is: worker/connection/transport.h.
enum class SocketKind : std::uint8_t { kTcp, kUnix };

struct SlotFlags {
  // kResponse, kParked: the response is the connection's last
  static constexpr std::uint8_t kCloseAfter = 1;
  // and unread input is to be expected after it
  static constexpr std::uint8_t kLingerAfter = 2;
  // body_fd is closed with the slot (else the file table owns it)
  static constexpr std::uint8_t kOwnsBodyFd = 4;
  // A worker died in the middle of a pipelined batch: find out in which request
  static constexpr std::uint8_t kOneAtATime = 8;
  // A socket without counts: bytes are being moved, and only this holder knows how many
  static constexpr std::uint8_t kUncertain = 16;
  // kBody: for a module; written to the spool behind the head
  static constexpr std::uint8_t kKeepBody = 32;
};

// kBody: where the body stands.
struct BodyProgress {
  std::uint64_t begun_at;  // Slot::bytes_in when the body began
  std::uint64_t until_ns;  // until when what has come of it lasts: worker/connection/deadlines.h
  std::uint64_t length;    // the Content-Length, or the most that is taken if it is chunked
};

// kResponse, kStreaming: the range of a file that is being sent. kParked: what is left.
struct ParkedResponse {
  off_t offset;  // next byte; sendfile(2) itself advances it. Negative: between two pieces of a script, see
                 // worker/connection/outbox.cpp
  off_t end;
  std::uint32_t script_next;  // index of the piece after the current one
};

// kLingering: what a client that is shown out may still do.
struct Lingering {
  std::uint64_t left;  // bytes
};

struct alignas(64) Slot {
  // -- first cache line: every request
  std::atomic<std::uint64_t> claim{0};
  std::atomic<Tick> deadline{0};  // written only when it changes
  std::atomic<Verdict> verdict{Verdict::kNone};
  Deadline deadline_kind = Deadline::kNone;
  Phase phase = Phase::kHead;  // see enter()
  std::uint8_t flags = 0;      // of SlotFlags: see has(), set(), clear()
  // Consumed from the socket before the current request, plus what of its body was; the spool not counted.
  // What the kernel knows of a TCP socket is exact; these two follow it, after the phase has changed.
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;  // written to the socket before the current response
  std::uint32_t requests = 0;
  std::uint32_t request_bytes =
      0;  // kHandling, kResponse: the length of what is answered, spooled bytes included
  std::uint64_t response_bytes = 0;  // kResponse, kParked: its whole length, head included
  std::uint32_t batch_offset = 0;    // kHead: where in the batch the request in hand begins, 0 for the first
  std::int32_t script_fd = -1;  // kParked: memfd with the pieces (worker/connection/outbox.cpp); -1: none
  SocketKind socket = SocketKind::kTcp;
  std::uint8_t crashes = 0;  // of workers that had this connection in hand, since it last got on
  std::uint8_t kills = 0;    // the same of workers that were killed from outside
  std::uint8_t chunked = 0;  // kBody: framing
  // An event came while the slot was held: see claim_or_tell(). Written by workers that are not the holder.
  std::atomic<std::uint8_t> missed{0};

  // -- second cache line: bodies, partial heads, parked responses
  union {  // by phase
    BodyProgress body;
    ParkedResponse parked;
    Lingering linger;
  };
  std::int32_t body_fd = -1;
  // Bytes of an incomplete head left in the socket; SO_RCVLOWAT is one more. 0: it is 1
  std::uint32_t peeked = 0;
  std::int32_t spool_fd = -1;  // memfd with head bytes already taken from the socket; -1: none
  std::uint32_t spool_bytes = 0;
  std::uint32_t queued = 0;   // kSend: SIOCOUTQ when the deadline was last looked at
  Tick accepted = 0;          // also 100 ms ticks
  Tick linger_end = 0;        // kLingering: when it is closed, whatever still comes. 0: it has yet to begin
  std::uint32_t address = 0;  // AddressKey: what the client is counted as (common/shared/address_counts.h)

  Slot() : body{} {}

  [[nodiscard]] bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
  void set(std::uint8_t flag) { flags |= flag; }
  void clear(std::uint8_t flag) { flags &= static_cast<std::uint8_t>(~flag); }

  // A change of phase is one store: all that the new phase needs is stored before it, and nothing that
  // belongs to it alone is dropped from the old one. A kill falls before it or after it, so the compiler alone
  // has to be kept from moving stores across.
  void enter(Phase next) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    phase = next;
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
};
static_assert(sizeof(Slot) == 128);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// What the access log wants to know of a response that is not finished.
struct ResponseNote {
  static constexpr std::size_t kTextBytes = 376;

  std::uint16_t status = 0;  // 0: it is in the access log already
  std::uint16_t request_length = 0;
  std::uint16_t referer_length = 0;
  std::uint16_t agent_length = 0;
  std::uint32_t head_bytes = 0;  // not counted as body in the access log
  std::uint64_t started_ns = 0;  // when its request was begun
  std::uint64_t bytes = 0;       // its whole length, head included
  std::uint64_t sent = 0;        // of these
  std::uint64_t streamed = 0;    // body bytes handed over before it was complete, not counted in `bytes`
  char text[kTextBytes] = {};    // request line, Referer, User-Agent; each cut to fit

  void set_text(std::string_view request_line, std::string_view referer, std::string_view agent);
  [[nodiscard]] std::string_view request_line() const { return part(0, request_length); }
  [[nodiscard]] std::string_view referer() const { return part(request_length, referer_length); }
  [[nodiscard]] std::string_view agent() const {
    return part(std::size_t{request_length} + referer_length, agent_length);
  }

 private:
  // Never beyond the text, whatever has been written into the lengths.
  [[nodiscard]] std::string_view part(std::size_t at, std::size_t length) const {
    const std::string_view all(text, kTextBytes);
    return all.substr(std::min(at, kTextBytes), length);
  }
};

// How far a chunked body is decoded. A slot has two: a worker writes the next one beside the current one,
// then consumes. Which one is current is told by `at`, the bytes_in it holds for, so that it changes with the
// consuming itself.
struct ChunkProgress {
  static constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

  std::uint64_t at = kNowhere;
  std::uint64_t received = 0;   // decoded
  std::uint64_t remaining = 0;  // this and the rest: http::ChunkState
  std::uint32_t line_bytes = 0;
  std::uint8_t phase = 0;
  std::uint8_t digits = 0;
  std::uint16_t matching = 0;
};

// What is needed rarely: away from the hot slots, touched once per connection, when a response is parked or
// for a chunked body.
struct alignas(64) SlotNotes {
  Peer peer;                // written when accepted, frozen until free
  ResponseNote parked;      // kParked
  ChunkProgress chunks[2];  // kBody, chunked
};
static_assert(sizeof(SlotNotes) == 512);

// A view of the table in the mapped segment. Copyable; owns nothing.
class ConnectionTable {
 public:
  ConnectionTable() = default;
  ConnectionTable(std::span<Slot> slots, std::span<SlotNotes> notes) : slots_(slots), notes_(notes) {}

  [[nodiscard]] std::size_t size() const { return slots_.size(); }
  [[nodiscard]] bool contains(int fd) const {
    return fd >= 0 && static_cast<std::size_t>(fd) < slots_.size();
  }
  [[nodiscard]] Slot& at(int fd) const { return slots_[static_cast<std::size_t>(fd)]; }
  [[nodiscard]] SlotNotes& notes(int fd) const { return notes_[static_cast<std::size_t>(fd)]; }
  [[nodiscard]] Claim claim(int fd) const {
    return Claim::unpack(at(fd).claim.load(std::memory_order_acquire));
  }

  // FREE(g) -> HELD(holder, g+1), with all members reset. Only for a descriptor that the kernel has just
  // returned.
  Claim open(int fd, Holder holder) const;

  // ARMED(generation) -> HELD(holder). Returns the state it was in, or nothing when somebody else was first
  // or the event is of an earlier connection: then the caller must not touch the slot or the descriptor.
  [[nodiscard]] std::optional<SlotState> try_claim(int fd, std::uint32_t generation, Holder holder) const;

  // The same, for a worker to which an event has been delivered. Where the slot is held, the event has come
  // between the holder's EpollSet::arm() and its release(), or is out of date: then the holder is told, and
  // the claim tried once more, in case it did not see that any more.
  [[nodiscard]] std::optional<SlotState> claim_or_tell(int fd, std::uint32_t generation, Holder holder) const;

  // Tells whoever holds the slot that an event may have been lost. Where it is armed by now, nobody may have
  // been told: EpollSet::rearm() must follow, if it is.
  void tell(int fd) const;

  // HELD -> ARMED. From here on another process may own the slot: nothing of it may be touched after this
  // call. A holder that has registered it before, by EpollSet::arm(), calls EpollSet::rearm() where this
  // returns true: an event has come meanwhile, and nobody has served it. All others call that in any case.
  bool release(int fd, SlotState armed) const;

  // HELD -> FREE. The caller then closes the descriptor, at once: until it does the number cannot be reused.
  void free(int fd) const;

  // Marks `fd` as a listener; returns the generation for its registration.
  std::uint32_t open_listener(int fd) const;
  void free_listener(int fd) const { free(fd); }

 private:
  std::span<Slot> slots_;
  std::span<SlotNotes> notes_;
};

}  // namespace baton
