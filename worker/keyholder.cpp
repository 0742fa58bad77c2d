#include "worker/keyholder.h"

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/crash_point.h"
#include "common/base/log.h"
#include "common/shared/descriptor_motion.h"
#include "common/shared/tls_table.h"
#include "worker/connection/acceptor.h"
#include "worker/connection/deadlines.h"
#include "worker/connection/handshake_end.h"
#include "worker/connection/spool.h"
#include "worker/connection/tls_reader.h"
#include "worker/process/crash_handler.h"
#include "worker/process/exit.h"
#include "worker/process/master_watch.h"
#include "worker/process/start.h"
#include "worker/tls/credentials.h"
#include "worker/tls/handshake.h"

namespace baton {

namespace {

// While it has no listener yet, which the master adds in a moment.
constexpr int kImpatientMs = 5;

class Keyholder {
 public:
  Keyholder(const WorkerContext& context, const tls::Credentials& credentials)
      : context_(context),
        credentials_(credentials),
        table_(context.segment.connections()),
        set_(context.epoll.of_keyholder(*context.keyholder)),
        evictor_(context),
        master_(context.segment, context.epoll) {}

  void run(const sigset_t& while_waiting) {
    FlightRecord& flight = context_.flight();
    while (!is_over()) {
      if (frozen()) {
        await_thaw(context_);
        master_.look_now();  // signals are blocked there
        continue;
      }
      look_at_listeners();
      flight.phase.store(FlightPhase::kWaiting, std::memory_order_relaxed);
      bump(flight.turns);
      const auto event = set_.wait(has_listened_ ? kBackstopMs : kImpatientMs, &while_waiting);
      const std::uint64_t now = monotonic_ns();
      master_.look(now);
      if (!event || frozen()) continue;
      bump(context_.counters().wakeups);
      flight.since_ns.store(now, std::memory_order_relaxed);
      flight.phase.store(FlightPhase::kReading, std::memory_order_relaxed);
      const int fd = static_cast<int>(event->fd);
      if (!table_.contains(fd)) continue;
      if (table_.claim(fd).state == SlotState::kListener) {
        accept_one(fd, now);
      } else if (table_.claim(fd).role == SlotRole::kHandshake) {
        if (table_.claim_or_tell(fd, event->generation, context_.index)) {
          // Another keyholder may have come to the end of the handshake in between.
          table_.claim(fd).role == SlotRole::kHandshake ? take(fd, event->generation, true, now)
                                                        : give_back(fd);
        } else {
          bump(context_.counters().claims_lost);
        }
      }
    }
  }

 private:
  // What becomes of the connection at the end of a turn.
  enum class Next : std::uint8_t { kRead, kWrite, kOver, kLinger, kClose };

  // A handshake under way.
  struct InHand {
    std::uint32_t generation;
    tls::Handshake handshake;
    InHand(std::uint32_t of, const tls::Credentials& credentials, TlsState& state)
        : generation(of), handshake(credentials, state) {}
  };

  [[nodiscard]] bool frozen() const {
    return context_.segment.header().frozen.load(std::memory_order_acquire) != 0;
  }

  // A keyholder that is replaced finishes what it has begun: its successors may have other certificates.
  [[nodiscard]] bool is_over() {
    if (!is_retiring(context_)) return false;
    if (context_.segment.header().state.load(std::memory_order_relaxed) >= MasterState::kEnding) return true;
    if (DescriptorMotion::table_lost()) return true;  // an upgrade: the new keyholders repeat them
    std::erase_if(in_hand_, [this](const auto& entry) {
      const Claim claim = table_.claim(entry.first);
      return claim.generation != entry.second->generation || claim.role != SlotRole::kHandshake ||
             claim.state == SlotState::kFree;
    });
    return in_hand_.empty();
  }

  [[nodiscard]] bool accepts() const {
    const SegmentHeader& header = context_.segment.header();
    return !is_retiring(context_) && header.accept_paused.load(std::memory_order_relaxed) == 0 &&
           in_hand_.size() < most_in_hand();
  }
  [[nodiscard]] std::size_t most_in_hand() const {
    const TlsConfig& tls = context_.config.tls;
    return std::max<std::size_t>(1, tls.handshakes / std::max<std::uint32_t>(1, tls.keyholders));
  }

  // Brings the listeners in our set up to date. They stay readable while clients wait (no EPOLLET), so they are taken
  // out while nobody is accepted. EPOLLEXCLUSIVE: one client wakes one keyholder.
  void look_at_listeners() {
    const SegmentHeader& header = context_.segment.header();
    const std::uint32_t changes = header.listener_changes.load(std::memory_order_acquire);
    const bool wanted = accepts();
    if (changes == seen_changes_ && wanted == watching_) return;
    for (const int fd : listeners_) ::epoll_ctl(set_.fd(), EPOLL_CTL_DEL, fd, nullptr);
    listeners_.clear();
    seen_changes_ = changes;
    watching_ = wanted;
    if (!wanted) return;
    context_.segment.for_each_listener([this](int fd) {
      const Claim claim = table_.claim(fd);
      if (claim.role != SlotRole::kTlsListener) return;
      epoll_event event{};
      event.events = EPOLLIN | EPOLLEXCLUSIVE;
      event.data.u64 = EpollKey{claim.generation, static_cast<std::uint32_t>(fd)}.pack();
      if (::epoll_ctl(set_.fd(), EPOLL_CTL_ADD, fd, &event) == 0) listeners_.push_back(fd);
    });
    has_listened_ = has_listened_ || !listeners_.empty();
  }

  void accept_one(int listener, std::uint64_t now_ns) {
    if (!accepts()) return;
    const int fd = accept_burst(context_, evictor_, listener, now_ns);
    if (fd < 0) {
      // A listener that was shut down stays readable for ever.
      int listens = 0;
      socklen_t size = sizeof listens;
      if (::getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0)
        ::epoll_ctl(set_.fd(), EPOLL_CTL_DEL, listener, nullptr);
      return;
    }
    take(fd, table_.claim(fd).generation, false, now_ns);
  }

  // `in_set`: whether the connection is in our set already.
  void take(int fd, std::uint32_t generation, bool in_set, std::uint64_t now_ns) {
    crash_point("handshake-claimed");
    Slot& slot = table_.at(fd);
    TlsState& state = TlsTable::at(fd);
    context_.flight().connection.store(static_cast<std::uint32_t>(fd), std::memory_order_relaxed);
    const Next next = slot.verdict.load(std::memory_order_relaxed) != Verdict::kNone
                          ? Next::kClose
                          : step(fd, generation, slot, state);
    context_.flight().connection.store(FlightRecord::kNoConnection, std::memory_order_relaxed);
    switch (next) {
      case Next::kClose: return close(fd);
      case Next::kOver:
        set_deadline(slot, Deadline::kKeepAlive, tick_of(now_ns) + ticks_of(context_.config.timeouts.header));
        return hand_over(fd, in_set);
      case Next::kLinger:
        ::shutdown(fd, SHUT_WR);
        slot.linger.left = kLingerBytes;
        slot.linger_end = tick_of(now_ns) + kLingerTicks;
        set_linger_deadline(slot, tick_of(now_ns));
        return hand_over(fd, in_set);
      case Next::kRead:
      case Next::kWrite: break;
    }
    const SlotState armed = next == Next::kRead ? SlotState::kArmedRead : SlotState::kArmedWrite;
    crash_point("handshake-before-release");
    if (in_set) {
      context_.epoll.arm(fd, generation, armed);
      if (table_.release(fd, armed)) context_.epoll.rearm(fd);
    } else {
      table_.release(fd, armed);
      watch_connection(context_, fd);
    }
  }

  void give_back(int fd) {
    table_.release(fd, SlotState::kArmedWrite);
    context_.epoll.rearm(fd);
  }

  // Any worker may go on with the connection. It is added to their set when it is released: an event that comes while
  // it is held would be lost.
  void hand_over(int fd, bool in_set) {
    in_hand_.erase(fd);
    if (in_set) context_.epoll.remove(fd);
    table_.make_client(fd);
    crash_point("handshake-handed-over");
    table_.release(fd, SlotState::kArmedRead);
    watch_connection(context_, fd);
  }

  void close(int fd) {
    in_hand_.erase(fd);
    close_connection(context_, fd);
  }

  tls::Handshake& handshake_of(int fd, std::uint32_t generation, TlsState& state) {
    auto& entry = in_hand_[fd];
    if (!entry || entry->generation != generation) {
      const bool replays = state.handshake.flights[0].bytes != 0;
      if (!replays && state.written == 0) draw_seed(state);
      entry = std::make_unique<InHand>(generation, credentials_, state);
      if (replays) bump(context_.counters().handshakes_replayed);
    }
    return entry->handshake;
  }

  // Also where one was drawn before: nothing of what follows from it has left.
  static void draw_seed(TlsState& state) {
    auto& seed = state.handshake.seed;
    if (::getrandom(seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed))
      std::abort();  // never, says random(7)
  }

  Next step(int fd, std::uint32_t generation, Slot& slot, TlsState& state) {
    const Loaded loaded = load(fd, state);
    if (loaded == Loaded::kBroken) return Next::kClose;
    if (input_.empty()) return loaded == Loaded::kEnd ? Next::kClose : Next::kRead;
    tls::Handshake& handshake = handshake_of(fd, generation, state);
    using Step = tls::Handshake::Step;
    const Step result = handshake.advance(input_);
    crash_point("handshake-advanced");
    switch (result) {
      case Step::kDiverged: return Next::kClose;
      case Step::kFailed: return refuse(fd, slot, state, handshake);
      case Step::kNeedsMore:
      case Step::kDone: break;
    }
    if (loaded == Loaded::kEnd && result != Step::kDone) return Next::kClose;
    if (!send_rest(fd, state, handshake.output())) return Next::kClose;
    if (state.written < handshake.output().size()) return Next::kWrite;
    if (result == Step::kNeedsMore) return await_more(fd, state, handshake) ? Next::kRead : Next::kClose;
    // If we die from here on, no request of the client is to blame.
    context_.flight().phase.store(FlightPhase::kWaiting, std::memory_order_relaxed);
    if (!end_handshake(fd, slot, state)) return Next::kClose;
    bump(context_.counters().handshakes);
    if (state.resumed) bump(context_.counters().handshakes_resumed);
    return Next::kOver;
  }

  enum class Loaded : std::uint8_t { kData, kEnd, kBroken };

  // Fills input_ with all that the client has sent.
  Loaded load(int fd, TlsState& state) {
    constexpr std::size_t kMost = tls::Handshake::kMaxClientBytes;
    std::size_t bytes = 0;
    if (state.taken > 0) {
      if (state.taken >= kMost || state.cipher_fd < 0 ||
          !read_all(state.cipher_fd, buffer_.get(), state.taken, 0))
        return Loaded::kBroken;
      bytes = state.taken;
    }
    const ssize_t n = ::recv(fd, buffer_.get() + bytes, kMost - bytes, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return Loaded::kBroken;
    if (n > 0) bytes += static_cast<std::size_t>(n);
    input_ = {buffer_.get(), bytes};
    return n == 0 ? Loaded::kEnd : Loaded::kData;
  }

  bool send_rest(int fd, TlsState& state, std::string_view output) {
    if (state.written >= output.size()) return true;
    const std::string_view rest = output.substr(state.written);
    const ssize_t n = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    crash_point("handshake-sent");
    state.written += static_cast<std::size_t>(n);
    bump(context_.counters().bytes_out, static_cast<std::uint64_t>(n));
    return true;
  }

  // The client hears why, and may still be writing.
  Next refuse(int fd, Slot& slot, TlsState& state, const tls::Handshake& handshake) {
    bump(context_.counters().handshakes_failed);
    slot.enter(Phase::kLingering);
    return send_rest(fd, state, handshake.output()) ? Next::kLinger : Next::kClose;
  }

  // An incomplete record wakes nobody before it is complete. If it wakes us below that, the client's window is shut:
  // what has come moves to a file, which makes room.
  bool await_more(int fd, TlsState& state, const tls::Handshake& handshake) {
    const std::size_t in_socket = input_.size() - state.taken;
    if (state.low_water > 1 && in_socket > 0 && in_socket < state.low_water &&
        !keep_ciphertext(fd, state, input_.substr(state.taken), state.taken))
      return false;
    const std::size_t need = handshake.needed() - std::min<std::size_t>(handshake.needed(), state.taken);
    const auto mark = static_cast<std::uint32_t>(std::max<std::size_t>(need, 1));
    return set_low_water(fd, state, mark);
  }

  const WorkerContext& context_;
  const tls::Credentials& credentials_;
  const ConnectionTable table_;
  EpollSet set_;
  Evictor evictor_;
  MasterWatch master_;
  std::unordered_map<int, std::unique_ptr<InHand>> in_hand_;
  std::vector<int> listeners_;  // in our set
  std::uint32_t seen_changes_ = 0;
  bool watching_ = false;
  bool has_listened_ = false;
  std::unique_ptr<char[]> buffer_{new char[tls::Handshake::kMaxClientBytes]};
  std::string_view input_;  // what load() has put there
};

std::unique_ptr<tls::Credentials> load_credentials(const WorkerContext& context) {
  WorkerEntry& entry = context.entry();
  try {
    return std::make_unique<tls::Credentials>(context.config, &TlsTable::tickets());
  } catch (const std::exception& error) {
    if (entry.failures.load(std::memory_order_relaxed) == 0) log::error("{}", error.what());
    std::strncpy(entry.complaint, error.what(), sizeof entry.complaint - 1);
    ::_exit(WorkerExit::kCannotStart);
  }
}

}  // namespace

void run_keyholder(const WorkerContext& context) {
  const sigset_t while_waiting = begin_process(
      context, "keyholder " + std::to_string(context.entry().ordinal.load(std::memory_order_relaxed)));
  install_crash_handler(context.entry().crash);
  count_spools_in(context.segment.spool_budget(context.index));
  const std::unique_ptr<tls::Credentials> credentials = load_credentials(context);
  Keyholder keyholder(context, *credentials);
  if (await_switch(context)) keyholder.run(while_waiting);
  end_process(context);
}

}  // namespace baton
