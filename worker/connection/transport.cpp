#include "worker/connection/transport.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>

#include "common/base/crash_point.h"
#include "common/shared/tls_table.h"
#include "worker/connection/tls_reader.h"
#include "worker/connection/tls_writer.h"
#include "worker/tls/key_schedule.h"
#include "worker/tls/record_stream.h"

namespace baton {

namespace {

// From so many records on a key is replaced before the next response (RFC 8446 5.5 allows 2^24.5 with AES-GCM).
constexpr std::uint64_t kManyRecords = std::uint64_t{1} << 22;

// What this process needs to work on TLS connections, made when it sees the first one.
struct TlsMachines {
  tls::RecordLayer layer;
  TlsWriter writer{layer};
  TlsReader reader{layer, writer};
};
TlsMachines& machines() {
  static TlsMachines all;
  return all;
}

}  // namespace

bool Transport::counted() const {
  return slot_.socket != SocketKind::kUnix;
}

// The poll of a Unix socket ignores the mark (unix_poll() in the kernel). Over TLS a head that is incomplete is in
// whole records, and its plaintext is kept rather than opened again.
bool Transport::has_low_water() const {
  return slot_.socket == SocketKind::kTcp;
}

TlsState& Transport::tls_state() const {
  return TlsTable::at(fd_);
}

TlsResponse& Transport::planned() const {
  TlsResponses& responses = tls_state().responses;
  return slot_.phase == Phase::kParked ? responses.parked : responses.sending;
}

void Transport::begin_move() const {
  if (!counted()) slot_.set(SlotFlags::kUncertain);
}

ssize_t Transport::peek(char* to, std::size_t most) const {
  if (encrypted()) return machines().reader.peek(fd_, slot_, tls_state(), to, most);
  return ::recv(fd_, to, most, MSG_PEEK | MSG_DONTWAIT);
}

ssize_t Transport::send(std::string_view bytes, bool more) const {
  if (encrypted())
    return machines().writer.send_interim(fd_, tls_state(), bytes) ? static_cast<ssize_t>(bytes.size()) : -1;
  begin_move();
  return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
}

ssize_t Transport::send_file(int file, off_t& offset, std::size_t most) const {
  begin_move();
  return ::sendfile(fd_, file, &offset, most);
}

ssize_t Transport::consume_some(std::size_t most) const {
  switch (slot_.socket) {
    case SocketKind::kTcp: return ::recv(fd_, nullptr, most, MSG_TRUNC | MSG_DONTWAIT);
    case SocketKind::kTls:
      // Nothing that a lingering connection sends is looked at.
      if (slot_.phase == Phase::kLingering) return ::recv(fd_, nullptr, most, MSG_TRUNC | MSG_DONTWAIT);
      return consume_records(most);
    case SocketKind::kUnix: break;  // only TCP discards by MSG_TRUNC (tcp(7)): bytes need a buffer
  }
  char scratch[16 * 1024];
  begin_move();
  return ::recv(fd_, scratch, std::min(most, sizeof scratch), MSG_DONTWAIT);
}

ssize_t Transport::consume_records(std::size_t most) const {
  static char scratch[4 * kTlsMaxPlain];
  TlsReader& reader = machines().reader;
  const ssize_t n = reader.peek(fd_, slot_, tls_state(), scratch, sizeof scratch);
  if (n <= 0) return n;
  const std::size_t taken = std::min(most, static_cast<std::size_t>(n));
  errno = EPROTO;
  return reader.consume(fd_, tls_state(), taken) ? static_cast<ssize_t>(taken) : -1;
}

bool Transport::consume(std::uint64_t n) const {
  if (encrypted()) {
    TlsState& state = tls_state();
    // The request of a response is fixed with it: plan_response().
    if (slot_.phase != Phase::kResponse) return machines().reader.consume(fd_, state, n);
    const TlsReading next = state.responses.sending.next;
    return next.at != TlsReading::kNowhere && consume_to(fd_, state, next);
  }
  begin_move();
  while (n > 0) {
    const ssize_t got = consume_some(n);
    if (got <= 0) return false;
    crash_point("mid-consume");
    n -= static_cast<std::uint64_t>(got);
  }
  return true;
}

void Transport::plan_response(std::uint64_t plain, std::uint64_t request, bool last) const {
  if (!encrypted()) return;
  TlsState& state = tls_state();
  TlsResponse& sending = state.responses.sending;
  TlsResponse plan;
  if (slot_.phase == Phase::kStreaming) {
    plan = sending;
    if (state.written >= plan.at) plan = tls::RecordStream(state, plan).rest(state.written - plan.at);
  } else {
    TlsWriting now;
    // If a part of a record was sent, nothing more can be: such a plan fails at once.
    if (!tls::writing_now(state, now)) now.at = ~std::uint64_t{0};
    plan.at = now.at;
    plan.sequence = now.sequence;
    plan.generation = now.generation;
    plan.key_update =
        state.version == TlsVersion::kTls13 && (state.key_update_wanted != 0 || now.sequence >= kManyRecords);
    if (plan.key_update)
      tls::derive_next(state, state.write_keys[now.generation & 1],
                       state.write_keys[(now.generation + 1) & 1]);
  }
  plan.plain = plain;
  plan.close_notify = last;
  plan.next = request == 0 ? tls::reading_now(state) : machines().reader.after(request);
  sending = plan;
  crash_point("tls-planned");
}

TlsWriter::Sent Transport::send_planned(PlainSource& source, std::size_t most) const {
  return machines().writer.send(fd_, tls_state(), planned(), source, most);
}

std::uint64_t Transport::planned_sent() const {
  const TlsState& state = tls_state();
  const TlsResponse& response = planned();
  if (state.written < response.at) return 0;
  return tls::RecordStream(state, response).place_of(state.written - response.at).plain;
}

void Transport::plan_parked() const {
  if (!encrypted()) return;
  TlsState& state = tls_state();
  const TlsResponse& sending = state.responses.sending;
  state.responses.parked = tls::RecordStream(state, sending).rest(state.written - sending.at);
}

void Transport::end_response() const {
  if (!encrypted()) return;
  TlsState& state = tls_state();
  const TlsWriting after = tls::RecordStream(state, planned()).after();
  // Its KeyUpdate may have been sent before the rest was parked, so the plan does not tell. First, because after the
  // second store there would be no difference.
  if (after.generation != state.writing.generation) state.key_update_wanted = 0;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  state.writing = after;
  crash_point("tls-response-ended");
}

std::optional<StreamCounts> Transport::counts() const {
  if (!counted()) return std::nullopt;
  const std::optional<StreamCounts> raw = stream_counts(fd_);
  return raw && encrypted() ? plain_counts(*raw) : raw;
}

// What plaintext the kernel's counts of ciphertext stand for. Nothing: they cannot be.
std::optional<StreamCounts> Transport::plain_counts(const StreamCounts& raw) const {
  TlsState& state = tls_state();
  state.taken = raw.consumed;
  state.written = raw.written;
  StreamCounts plain;
  if (slot_.phase == Phase::kHandshake || slot_.phase == Phase::kLingering) return plain;
  const TlsReading& reading = tls::reading_now(state);
  const std::uint64_t kept = raw.consumed - reading.at;
  const bool partly_consumed =
      slot_.phase == Phase::kResponse && raw.consumed <= state.responses.sending.next.at;
  if (raw.consumed < reading.at ||
      (kept > 0 && !partly_consumed && (kept >= kTlsMaxRecord || state.cipher_fd < 0)))
    return std::nullopt;
  plain.consumed = reading.plain;
  plain.written = slot_.bytes_out;
  switch (slot_.phase) {
    case Phase::kHead:
    case Phase::kBody:
    case Phase::kHandling: {
      TlsWriting now;
      if (!tls::writing_now(state, now)) return std::nullopt;
      plain.written += (now.sequence - state.writing.sequence) * kTlsInterimPlain;
      break;
    }
    case Phase::kResponse:
    case Phase::kParked:
    case Phase::kStreaming: {
      const TlsResponse& response = planned();
      if (raw.written < response.at || raw.written - response.at > tls::RecordStream(state, response).bytes())
        return std::nullopt;
      plain.written += planned_sent();
      break;
    }
    case Phase::kHandshake:
    case Phase::kLingering: break;
  }
  return plain;
}

std::uint32_t Transport::unread() const {
  int bytes = 0;
  return ::ioctl(fd_, FIONREAD, &bytes) == 0 && bytes > 0 ? static_cast<std::uint32_t>(bytes) : 0;
}

int Transport::queued() const {
  int bytes = 0;
  return ::ioctl(fd_, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

bool Transport::hung_up() const {
  pollfd socket{fd_, POLLRDHUP, 0};
  return ::poll(&socket, 1, 0) > 0;
}

bool Transport::wake_at(std::size_t bytes) const {
  const int mark = static_cast<int>(bytes);
  return ::setsockopt(fd_, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark) == 0;
}

bool Transport::await_writable(int timeout_ms) const {
  pollfd socket{fd_, POLLOUT, 0};
  return ::poll(&socket, 1, timeout_ms) > 0;
}

void Transport::arm_low_water() const {
  if (encrypted()) (void)machines().reader.arm_low_water(fd_, tls_state());
}

bool Transport::record_begun() const {
  return encrypted() && machines().reader.record_begun(tls_state());
}

void Transport::forget_input() const {
  if (encrypted()) machines().reader.forget();
}

void Transport::say_goodbye() const {
  if (encrypted()) machines().writer.end_with(tls::Alert::kCloseNotify, fd_, slot_, tls_state());
}

void Transport::end_stream() const {
  ::shutdown(fd_, SHUT_WR);
}

void Transport::cut() const {
  ::shutdown(fd_, SHUT_RDWR);
}

}  // namespace baton
