// Labelled points at which a test can make a process die, and a record of the requests that were handled.
//
// A call costs nothing in a normal build, where it is an empty constexpr function. A build with
// -DBATON_CRASH_POINTS (build/*/points/baton) asks a control block, in the file that the environment
// variable BATON_CRASH_POINTS names. Without the variable, or while the block's `watching` is 0, a call is
// one load and a branch.
//
// The block is shared memory between the test, which arms, and all processes of the server, which obey and
// count. It uses only atomics and no locks, because a process may die in the middle of using it.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace baton {

// Every label. tests/survival/ has a scenario that reaches each of them, and fails where a label has none.
constexpr std::string_view kCrashPoints[] = {
    // A worker's life.
    "worker-start",
    "worker-ready",
    // A connection is accepted.
    "after-accept",
    "after-open-slot",
    "accepted",
    "before-watch",
    "evict-claimed",
    // An event is taken up, and handed back.
    "after-claim",
    "head-peeked",
    "partial-marked",
    "before-release",
    "between-mod-and-store",
    "after-release",
    // A request is handled and answered.
    "place-taken",
    "place-awaited",
    "place-waits",
    "place-given-back",
    "place-offered",
    "handler-begun",
    "permit-acquired",
    "handler-done",
    "made-opened",
    "made-stored",
    "stored-appended",
    "stream-begun",
    "stream-sent",
    "response-composed",
    "after-store-response",
    "mid-send",
    "file-sent",
    "after-send",
    "mid-consume",
    "after-consume",
    // A head or a body is taken out of the socket.
    "spool-created",
    "spool-written",
    "spool-noted",
    "spool-taken",
    "spool-dropped",
    "body-begun",
    "body-taken",
    "body-spooled",
    "spooled-taken",
    "spool-copied",
    "spool-moved",
    "chunks-spooled",
    "charge-noted",
    "charge-made",
    "chunk-noted",
    "chunk-taken",
    // A response that does not fit the socket.
    "park-dup",
    "park-script",
    "park-stored",
    "parked",
    "resume-sent",
    "between-pieces",
    "drop-parked",
    // A TLS handshake.
    "handshake-claimed",
    "handshake-advanced",
    "handshake-sent",
    "handshake-before-release",
    "handshake-consumed",
    "handshake-over",
    "handshake-handed-over",
    // A TLS connection.
    "tls-planned",
    "tls-sent",
    "tls-interim-sent",
    "tls-ending",
    "tls-reading-stored",
    "tls-consumed",
    "tls-key-update",
    "tls-cipher-opened",
    "tls-cipher-written",
    "tls-cipher-taken",
    "tls-cipher-dropped",
    "tls-marked",
    "tls-response-ended",
    // A connection ends.
    "lingering",
    "after-free-before-close",
    // A file enters the open-file table.
    "file-opened",
    "file-filled",
    "file-published",
    "listing-made",
    // A root is found to be another folder.
    "root-opened",
    "root-replaced",
};
constexpr std::uint32_t kCrashPointCount = std::size(kCrashPoints);

// A label from the list above. Any other text does not compile.
class CrashLabel {
 public:
  consteval CrashLabel(const char* text) : index_(find(text)) {}
  [[nodiscard]] constexpr std::uint32_t index() const { return index_; }

 private:
  static consteval std::uint32_t find(std::string_view text) {
    const auto* const found = std::find(std::begin(kCrashPoints), std::end(kCrashPoints), text);
    if (found == std::end(kCrashPoints)) throw "there is no such crash point: add it to kCrashPoints";
    return static_cast<std::uint32_t>(found - std::begin(kCrashPoints));
  }

  std::uint32_t index_;
};

enum class CrashAction : std::uint32_t {
  // The process sends itself CrashControl::signal. It goes on if that does not end it.
  kKill,
  kStop,  // the process sends itself SIGSTOP and goes on after SIGCONT
  kHang,  // the process waits until CrashControl::held is 0 again
};

// What is armed: after `skip` more passes through `label`, the next `fires` passes obey. It is one word, so
// that one compare-and-swap takes a pass off it.
struct Armed {
  std::uint32_t label = 0;
  std::uint32_t skip = 0;   // at most 2^24 - 1
  std::uint32_t fires = 0;  // at most 2^24 - 1; 0: nothing is armed

  [[nodiscard]] constexpr std::uint64_t pack() const {
    return std::uint64_t{label} << 48 | std::uint64_t{skip} << 24 | fires;
  }
  static constexpr Armed unpack(std::uint64_t word) {
    constexpr std::uint32_t k24Bits = (1U << 24) - 1;
    return {static_cast<std::uint32_t>(word >> 48), static_cast<std::uint32_t>(word >> 24) & k24Bits,
            static_cast<std::uint32_t>(word) & k24Bits};
  }
};

// One request whose handler was begun. `sequence` is stored last: the other members are complete only once
// it is index + 1.
struct HandledRequest {
  static constexpr std::size_t kTargetBytes = 52;

  std::atomic<std::uint64_t> sequence{0};
  std::atomic<pid_t> pid{0};
  std::uint16_t length = 0;
  char target[kTargetBytes] = {};
};

// The control block. The test writes `watching` to `armed`, the server the rest.
struct CrashControl {
  static constexpr std::uint64_t kHandled = 1U << 17;  // the record holds the last kHandled requests

  std::atomic<std::uint32_t> watching{0};  // 0: points are passed without a further look
  std::atomic<std::uint32_t> action{0};    // CrashAction; stored before `armed`, like `signal` and `held`
  std::atomic<int> signal{0};
  std::atomic<std::uint32_t> held{0};   // kHang: 1 until the test lets go; a futex
  std::atomic<std::uint64_t> armed{0};  // Armed
  // How often the armed action has been obeyed; stored before the action takes place.
  std::atomic<std::uint32_t> hits{0};
  std::atomic<pid_t> last_pid{0};  // the last process that obeyed
  std::array<std::atomic<std::uint64_t>, kCrashPointCount> passes{};
  std::atomic<std::uint64_t> handled_count{0};
  std::array<HandledRequest, kHandled> handled{};
};

#ifdef BATON_CRASH_POINTS

// Maps the control block that the environment names. The master calls it once, before the first clone; no
// descriptor stays open. Ends the program when the block cannot be mapped. The calling process itself
// passes all points unharmed.
void open_crash_points();

namespace crash_points {
extern CrashControl* control;
void pass(std::uint32_t label);
void set_master(pid_t pid);
void record(std::string_view target);
}  // namespace crash_points

inline void crash_point(CrashLabel label) {
  const CrashControl* const control = crash_points::control;
  if (control == nullptr || control->watching.load(std::memory_order_relaxed) == 0) [[likely]]
    return;
  crash_points::pass(label.index());
}

// Records that the handler of a request that must not be handled twice is about to run.
inline void note_handled(std::string_view target) {
  if (crash_points::control != nullptr) crash_points::record(target);
}

#else

constexpr void open_crash_points() {}
constexpr void crash_point(CrashLabel) {}
constexpr void note_handled(std::string_view) {}

#endif

}  // namespace baton
