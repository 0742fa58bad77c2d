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
// (1) A slot belongs to the process whose compare-and-swap put HELD there. A FREE or ARMED slot belongs to
//     nobody.
// (2) An event gives no right to touch anything but `claim`.
// (3) Only the holder writes the other members, except `missed`.
// (4) The claim word orders them: release on the way out of HELD, acquire on the way in.
// (5) Readers without the claim (batonctl, the master's sweep) see single words that may be stale. They use
//     them only as hints or for display.
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
  // No connection. Only the process to which the kernel has just given this descriptor may open it.
  kFree,
  // `holder` works on it. No other process may do anything, and workers ignore its events.
  kHeld,
  kArmedRead,   // registered for EPOLLIN; says nothing about whether data has arrived
  kArmedWrite,  // registered for EPOLLOUT: a response is parked, or recovery wants a worker at once
  kListener,    // a listening socket; never claimed, never ONESHOT
};

// What the descriptor is for. The claim word includes the role, so a reader sees state and role of the same
// moment, with or without the claim.
enum class SlotRole : std::uint8_t {
  kClient,     // accepted from a listener; counted in the header's `connections`
  kHandshake,  // the same, while its TLS handshake lasts: in a keyholder's set, and only keyholders serve it
  kListener,   // its state is kListener
  kTlsListener,  // the same, in the keyholders' sets only
};

using Holder = std::uint16_t;
constexpr Holder kNoHolder = 0xffff;
// The master's sweep, while it sets a verdict. All other holders are scoreboard entries.
constexpr Holder kMasterHolder = 0xfffe;

// The claim word, packed as {generation:32, holder:16, state:8, role:8}. One compare-and-swap changes all
// of it.
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
    return state != SlotState::kFree && (role == SlotRole::kClient || role == SlotRole::kHandshake);
  }
  [[nodiscard]] constexpr bool armed() const {
    return state == SlotState::kArmedRead || state == SlotState::kArmedWrite;
  }
};

// What the connection is in the middle of. The phase outlives a process, so it says all that the next
// holder needs to know. Each change is one store, made after everything that the new phase needs is in
// place. A killed worker therefore leaves either the old phase or the new one (master/recovery.h).
//
//   kHead --+-------------+--+-------------------------------+--> (handler) --+----------------+--> kResponse
//           |             ^  |                               ^                |                ^
//           +--> kBody ---+  +-- not idempotent: kHandling --+                +--> kStreaming -+
//
//   kResponse --> (send, consume the request) --+-- all sent -----------------+--> kHead
//                                               |                             |
//                                               +-- socket full --> kParked --+--> kLingering, after the last
//
// Over TLS kHandshake comes before all others, and leads to kHead.
enum class Phase : std::uint8_t {
  // Between requests, or while a request head arrives (it stays in the socket, or partly in the spool). Also
  // while the handler of an idempotent request runs: such a request can be begun again.
  kHead,
  kBody,  // the head is in the spool, the body is arriving
  // The handler of a request that is not idempotent has begun, so the request must not be begun again.
  // request_bytes is its length; none of it is consumed and nothing is sent.
  kHandling,
  // The response is made, and the holder's OutboxRecord describes it. It is being sent; after that
  // request_bytes are consumed.
  kResponse,
  // A part of the response has been sent, and only the handler can make the rest. The connection ends with
  // its worker.
  kStreaming,
  // `parked`, body_fd and script_fd describe what is left of the response. The request has been consumed.
  kParked,
  // The connection takes no further request: its last response is sent, or it is about to be closed. Our side
  // is shut down, and input is discarded until the client closes its own side.
  kLingering,
  // The TLS handshake is under way. The client's bytes stay in the socket (or are in TlsState::cipher_fd).
  kHandshake,
};

// What the deadline is for.
enum class Deadline : std::uint8_t {
  kNone,
  kHeader,
  kKeepAlive,
  kBody,
  kSend,
  kLinger,
  // The request waits for a worker (worker/h1/admission.h). Its slot is armed, but not in the epoll set.
  kPlace
};

// The master sets a verdict, holding the claim, when a deadline has passed. The next worker that claims the
// slot obeys it.
enum class Verdict : std::uint8_t { kNone, kExpired, kFailed, kHandlerTimeout };

// The kind of socket: worker/connection/transport.h.
enum class SocketKind : std::uint8_t { kTcp, kUnix, kTls };

struct SlotFlags {
  // kResponse, kParked: the connection ends after the response.
  static constexpr std::uint8_t kCloseAfter = 1;
  // After it, unread input is to be expected.
  static constexpr std::uint8_t kLingerAfter = 2;
  // body_fd is closed with the slot. Without the flag the file table owns it.
  static constexpr std::uint8_t kOwnsBodyFd = 4;
  // A worker died in the middle of a pipelined batch: find out in which request.
  static constexpr std::uint8_t kOneAtATime = 8;
  // On a socket that the kernel does not count: bytes are being moved, and only this holder knows how many.
  static constexpr std::uint8_t kUncertain = 16;
  // kBody: the body is for a module and is written to the spool, behind the head.
  static constexpr std::uint8_t kKeepBody = 32;
  // Set when the connection is opened: its listener has `redirect_to_https`.
  static constexpr std::uint8_t kRedirects = 64;
};

// kBody: where the body stands.
struct BodyProgress {
  std::uint64_t begun_at;  // Slot::bytes_in when the body began
  std::uint64_t until_ns;  // until when the part that has arrived lasts: worker/connection/deadlines.h
  std::uint64_t length;    // the Content-Length; of a chunked body, the most that is accepted
};

// kResponse, kStreaming: the range of a file that is being sent. kParked: what is left.
struct ParkedResponse {
  // The next byte; sendfile(2) itself advances it. Negative between two pieces of a script: see
  // worker/connection/outbox.cpp.
  off_t offset;
  off_t end;
  std::uint32_t script_next;  // index of the piece after the current one
};

// kLingering: how much a client may still send before its connection is closed.
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
  // Bytes consumed from the socket before the current request, and those consumed of its body. The spool
  // does not count. The kernel's own counts of a TCP socket are exact; these two follow them, after the
  // phase has changed.
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;  // written to the socket before the current response
  std::uint32_t requests = 0;
  // kHandling, kResponse: the length of the request that is answered, spooled bytes included.
  std::uint32_t request_bytes = 0;
  std::uint64_t response_bytes = 0;  // kResponse, kParked: the response's whole length, head included
  std::uint32_t batch_offset = 0;    // kHead: where the request in hand begins in its batch; 0 for the first
  std::int32_t script_fd = -1;  // kParked: memfd with the pieces (worker/connection/outbox.cpp); -1: none
  SocketKind socket = SocketKind::kTcp;
  std::uint8_t crashes = 0;  // workers that crashed with this connection in hand since it last made progress
  std::uint8_t kills = 0;    // the same for workers that were killed from outside
  std::uint8_t chunked = 0;  // kBody: 1 for a chunked body
  // 1: an event came while the slot was held, see claim_or_tell(). Workers that do not hold the slot set it.
  std::atomic<std::uint8_t> missed{0};

  // -- second cache line: bodies, partial heads, parked responses
  union {  // which one: by phase
    BodyProgress body;
    ParkedResponse parked;
    Lingering linger;
  };
  std::int32_t body_fd = -1;
  // Bytes of an incomplete head that were left in the socket; SO_RCVLOWAT is one more than that. 0:
  // SO_RCVLOWAT is 1.
  std::uint32_t peeked = 0;
  std::int32_t spool_fd = -1;  // memfd with head bytes already taken from the socket; -1: none
  std::uint32_t spool_bytes = 0;
  std::uint32_t queued = 0;  // kSend: SIOCOUTQ when the deadline was last looked at
  Tick accepted = 0;         // when
  // kLingering: when the connection is closed, whatever still arrives. 0: lingering has yet to begin.
  Tick linger_end = 0;
  std::uint32_t address = 0;  // AddressKey that counts the client (common/shared/address_counts.h)

  Slot() : body{} {}

  [[nodiscard]] bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
  void set(std::uint8_t flag) { flags |= flag; }
  void clear(std::uint8_t flag) { flags &= static_cast<std::uint8_t>(~flag); }

  // A change of phase is one store. All that the new phase needs is stored before it, and nothing that
  // belongs only to the old phase is dropped before it. A kill falls before the store or after it, so it is
  // enough to keep the compiler from moving stores across.
  void enter(Phase next) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    phase = next;
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
};
static_assert(sizeof(Slot) == 128);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// What the access log needs to know of an unfinished response.
struct ResponseNote {
  static constexpr std::size_t kTextBytes = 376;

  std::uint16_t status = 0;  // 0: the response is in the access log already
  std::uint16_t request_length = 0;
  std::uint16_t referer_length = 0;
  std::uint16_t agent_length = 0;
  std::uint32_t head_bytes = 0;  // not counted as body in the access log
  std::uint64_t started_ns = 0;  // when its request began
  std::uint64_t bytes = 0;       // the response's whole length, head included
  std::uint64_t sent = 0;        // how many of `bytes`
  std::uint64_t streamed = 0;    // body bytes handed over before it was complete; not part of `bytes`
  char text[kTextBytes] = {};    // request line, Referer, User-Agent; each cut to fit

  void set_text(std::string_view request_line, std::string_view referer, std::string_view agent);
  [[nodiscard]] std::string_view request_line() const { return part(0, request_length); }
  [[nodiscard]] std::string_view referer() const { return part(request_length, referer_length); }
  [[nodiscard]] std::string_view agent() const {
    return part(std::size_t{request_length} + referer_length, agent_length);
  }

 private:
  // Stays inside the text, whatever a stray write has put into the lengths.
  [[nodiscard]] std::string_view part(std::size_t at, std::size_t length) const {
    const std::string_view all(text, kTextBytes);
    return all.substr(std::min(at, kTextBytes), length);
  }
};

// How far a chunked body is decoded. A slot has two of these: a worker writes the next one beside the
// current one, then consumes. The current one is the one whose `at` equals the slot's bytes_in, so
// consuming itself makes the switch.
struct ChunkProgress {
  static constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

  std::uint64_t at = kNowhere;
  std::uint64_t received = 0;   // decoded
  std::uint64_t remaining = 0;  // this member and those after it: see http::ChunkState
  std::uint32_t line_bytes = 0;
  std::uint8_t phase = 0;
  std::uint8_t digits = 0;
  std::uint16_t matching = 0;
};

// What is needed rarely, kept away from the hot slots: touched once per connection, when a response is
// parked, and for a chunked body.
struct alignas(64) SlotNotes {
  Peer peer;                // written at accept, frozen until the slot is free
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
  Claim open(int fd, Holder holder, SlotRole role = SlotRole::kClient) const;

  // For the holder: a handshake is over.
  void make_client(int fd) const;

  // ARMED(generation) -> HELD(holder). Returns the state the slot was in. Returns nothing when another
  // process was first or the event is of an earlier connection; the caller must then touch neither the slot
  // nor the descriptor.
  [[nodiscard]] std::optional<SlotState> try_claim(int fd, std::uint32_t generation, Holder holder) const;

  // try_claim() for a worker to which an event was delivered. Where the slot is held, the event is out of
  // date or came between the holder's EpollSet::arm() and its release(). The holder is then told, and the
  // claim is tried once more in case the holder released too early to see it.
  [[nodiscard]] std::optional<SlotState> claim_or_tell(int fd, std::uint32_t generation, Holder holder) const;

  // Tells the holder of the slot that an event may have been lost. If the slot is armed by now, possibly
  // nobody was told: EpollSet::rearm() must follow.
  void tell(int fd) const;

  // HELD -> ARMED. From here on another process may own the slot: touch nothing of it after this call.
  // Returns whether an event has come that nobody has served. A holder that called EpollSet::arm() before
  // must call EpollSet::rearm() if so; any other caller must call rearm() in any case.
  bool release(int fd, SlotState armed) const;

  // HELD -> FREE. The caller must close the descriptor at once: until then the kernel cannot give out the
  // number again.
  void free(int fd) const;

  // Marks `fd` as a listener. Returns the generation to register it with.
  std::uint32_t open_listener(int fd, SlotRole role = SlotRole::kListener) const;
  void free_listener(int fd) const { free(fd); }

 private:
  std::span<Slot> slots_;
  std::span<SlotNotes> notes_;
};

}  // namespace baton
