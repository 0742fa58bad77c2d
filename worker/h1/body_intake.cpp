#include "worker/h1/body_intake.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "common/base/crash_point.h"
#include "common/base/log.h"
#include "common/http/chunked.h"
#include "common/shared/descriptor_motion.h"
#include "worker/connection/deadlines.h"
#include "worker/connection/spool.h"

namespace baton::h1 {

namespace {

constexpr int kMaxReads = 16;  // per event: a fast sender must not keep a worker from the others
constexpr std::size_t kReadBytes = std::size_t{256} * 1024;
// A chunked body is refused when its framing is more than this, and more than four fifths of the whole. It
// would cost a worker far more than its sender. Only chunks of one byte, or extensions, come to that.
constexpr std::uint64_t kMaxFraming = std::uint64_t{100} * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

http::ChunkState load_state(const ChunkProgress& progress) {
  http::ChunkState state;
  state.remaining = progress.remaining;
  state.line_bytes = progress.line_bytes;
  state.phase = progress.phase;
  state.digits = progress.digits;
  state.matching = progress.matching;
  return state;
}

// `at` is stored last: chunk_progress() does not believe the record before.
void store_progress(ChunkProgress& progress, const http::ChunkState& state, std::uint64_t received,
                    std::uint64_t at) {
  progress.at = ChunkProgress::kNowhere;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  progress.received = received;
  progress.remaining = state.remaining;
  progress.line_bytes = state.line_bytes;
  progress.phase = state.phase;
  progress.digits = state.digits;
  progress.matching = state.matching;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  progress.at = at;
}

}  // namespace

BodyIntake::Result BodyIntake::find_in(std::string_view rest, const serve::Exchange& exchange,
                                       std::size_t& body_bytes) {
  const http::Request& request = session_.request;
  const std::uint64_t limit = exchange.terms.body_limit;
  if (request.framing == http::BodyFraming::kLength) {
    if (request.content_length > limit) return Result::kTooLarge;
    body_bytes = static_cast<std::size_t>(request.content_length);
    return rest.size() >= body_bytes ? Result::kComplete : Result::kIncomplete;
  }
  http::ChunkState state;
  std::uint64_t received = 0;
  decoded_.clear();
  while (true) {
    const http::ChunkStep step = http::decode_chunked(rest.substr(body_bytes), state);
    body_bytes += step.consumed;
    received += step.data.size();
    if (received > limit) return Result::kTooLarge;
    if (exchange.terms.keeps_body) decoded_ += step.data;
    switch (step.kind) {
      case http::ChunkStep::Kind::kData: break;
      case http::ChunkStep::Kind::kNeedMore: return Result::kIncomplete;
      case http::ChunkStep::Kind::kDone: return Result::kComplete;
      case http::ChunkStep::Kind::kError: return Result::kBad;
    }
  }
}

std::string_view BodyIntake::found(std::string_view framed) const {
  return session_.request.framing == http::BodyFraming::kChunked ? std::string_view(decoded_) : framed;
}

Next BodyIntake::begin(serve::Exchange& exchange) {
  Session& s = session_;
  Slot& slot = *s.slot;
  const http::Request& request = s.request;
  const bool keep = exchange.terms.keeps_body;
  const std::uint64_t expected = request.head_bytes + (keep ? request.content_length : 0);
  if (keep && !spool_can_hold(expected, s.spool_place)) return refuse(Result::kTooLarge, 0);
  if (request.expect_continue && exchange.source != serve::Source::kHandler) {
    // A request that would be refused anyway is refused before its body is sent (RFC 9110 10.1.1).
    answer_.reply(exchange);
    if (s.reply.status >= 400) {
      responder_.respond(false);
      return responder_.flush(request.head_bytes, After::kLinger);
    }
  }
  if (!s.inbox.spool(s.fd, slot, request.head_bytes))
    return errno == EDQUOT && !DescriptorMotion::table_lost() ? refuse_for_room(0)
                                                              : Session::without_descriptor();
  if (keep && !fit_spool(slot, {request.head_bytes, expected}, s.spool_place))
    return DescriptorMotion::table_lost() ? Next::kRead : refuse(Result::kNoRoom, 0);
  if (request.expect_continue && s.inbox.data().size() == request.head_bytes && !send_continue())
    return Next::kClose;
  slot.clear(SlotFlags::kKeepBody);
  if (keep) slot.set(SlotFlags::kKeepBody);
  slot.chunked = request.framing == http::BodyFraming::kChunked ? 1 : 0;
  ChunkProgress* const chunks = s.notes().chunks;
  chunks[1].at = ChunkProgress::kNowhere;
  store_progress(chunks[0], {}, 0, slot.bytes_in);
  slot.body = {.begun_at = slot.bytes_in,
               .until_ns = std::uint64_t{s.tick} * kTickNs + patience_ns(),
               .length = slot.chunked != 0 ? exchange.terms.body_limit : request.content_length};
  slot.enter(Phase::kBody);
  crash_point("body-begun");
  return read();
}

bool BodyIntake::send_continue() {
  const Transport socket = session_.socket();
  if (socket.send(kContinue, false) != static_cast<ssize_t>(kContinue.size())) return false;
  session_.slot->bytes_out += kContinue.size();
  socket.settled();
  bump(session_.counters.bytes_out, kContinue.size());
  bump(session_.counters.responses[0]);
  return true;
}

Next BodyIntake::read() {
  Session& s = session_;
  s.flight.phase.store(FlightPhase::kReading, std::memory_order_relaxed);
  Slot& slot = *s.slot;
  const std::uint64_t before = slot.bytes_in;
  const Result result = slot.chunked != 0 ? take_chunks()
                        : keeps_body()    ? take_length_to_spool()
                                          : take_length();
  if (result == Result::kComplete) return finish();
  if (result == Result::kIncomplete) {
    slot.body.until_ns = transfer_until(slot.body.until_ns, slot.bytes_in - before, patience_ns(),
                                        std::uint64_t{s.tick} * kTickNs);
    set_deadline(slot, Deadline::kBody, static_cast<Tick>((slot.body.until_ns + kTickNs - 1) / kTickNs));
    return Next::kRead;
  }
  const int error = errno;
  // The spool could not be opened because this worker must not change the descriptor table now. Another
  // worker can.
  if (result == Result::kNoRoom && DescriptorMotion::table_lost()) return Next::kRead;
  if (result == Result::kBroken || s.inbox.peek(s.fd, slot) == PeekResult::kBroken) return Next::kClose;
  errno = error;
  return refuse(result, 0);
}

std::uint64_t BodyIntake::patience_ns() const {
  const Duration patience = session_.context.config.timeouts.body;
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(patience).count());
}

// Every event gets at least one read.
bool BodyIntake::may_read(int reads_before) const {
  return reads_before == 0 || (reads_before < kMaxReads && !session_.time_is_up());
}

void BodyIntake::taken(std::uint64_t bytes) {
  session_.slot->bytes_in += bytes;
  session_.socket().settled();
  bump(session_.counters.bytes_in, bytes);
}

// Only bytes_in says how far the body has come. If a worker dies between recv(2) and taken(), the kernel's
// count of received bytes tells.
BodyIntake::Result BodyIntake::take_length() {
  const Slot& slot = *session_.slot;
  const Transport socket = session_.socket();
  for (int i = 0; slot.bytes_in < end() && may_read(i); ++i) {
    const ssize_t n = socket.consume_some(std::min<std::uint64_t>(end() - slot.bytes_in, kReadBytes));
    if (n == 0) return Result::kCutShort;
    if (n < 0) {
      socket.settled();
      return errno == EAGAIN || errno == EINTR ? Result::kIncomplete : Result::kBroken;
    }
    crash_point("body-taken");
    taken(static_cast<std::uint64_t>(n));
  }
  return slot.bytes_in == end() ? Result::kComplete : Result::kIncomplete;
}

// Writes first and consumes second, as with a head. So every byte that has left the socket is in the spool,
// at the place that bytes_in tells. After a death the next worker writes the same bytes to the same place.
BodyIntake::Result BodyIntake::take_length_to_spool() {
  Slot& slot = *session_.slot;
  for (int i = 0; slot.bytes_in < end() && may_read(i); ++i) {
    switch (session_.inbox.peek_body(session_.fd, slot)) {
      case PeekResult::kData: break;
      case PeekResult::kNothing: return Result::kIncomplete;
      case PeekResult::kClosed: return Result::kCutShort;
      case PeekResult::kBroken: return Result::kBroken;
    }
    const std::string_view bytes = session_.inbox.data().substr(0, end() - slot.bytes_in);
    if (!spool(bytes, slot.bytes_in - slot.body.begun_at)) return Result::kNoRoom;
    crash_point("body-spooled");
    if (!session_.socket().consume(bytes.size())) return Result::kBroken;
    crash_point("spooled-taken");
    taken(bytes.size());
  }
  return slot.bytes_in == end() ? Result::kComplete : Result::kIncomplete;
}

// Writes a part of the body to the spool. `at`: where in the body the bytes begin.
bool BodyIntake::spool(std::string_view bytes, std::uint64_t at) {
  Slot& slot = *session_.slot;
  const std::uint64_t size = slot.spool_bytes + at + bytes.size();
  const std::uint64_t length = slot.chunked != 0 ? 0 : slot.body.length;
  return fit_spool(slot, {size, std::max(size, slot.spool_bytes + length)}, session_.spool_place) &&
         write_all(slot.spool_fd, bytes.data(), bytes.size(), static_cast<off_t>(slot.spool_bytes + at));
}

const ChunkProgress* BodyIntake::chunk_progress() const {
  for (const ChunkProgress& progress : session_.notes().chunks) {
    if (progress.at == session_.slot->bytes_in) return &progress;
  }
  return nullptr;
}

bool BodyIntake::complete() const {
  if (session_.slot->chunked == 0) return session_.slot->bytes_in == end();
  const ChunkProgress* const progress = chunk_progress();
  if (progress == nullptr) return false;
  http::ChunkState state = load_state(*progress);
  return http::decode_chunked({}, state).kind == http::ChunkStep::Kind::kDone;
}

// Judges the part of a chunked body that is consumed, and `taken` bytes that are about to be.
bool BodyIntake::mostly_framing(std::uint64_t taken, std::uint64_t received) const {
  const std::uint64_t all = session_.slot->bytes_in - session_.slot->body.begun_at + taken;
  const std::uint64_t framing = all - received;
  return framing > kMaxFraming && framing > all / 5 * 4;
}

// Peeks, because the bytes behind the last chunk belong to the next request. The content of all chunks of one
// peek is gathered and written at once.
BodyIntake::Result BodyIntake::take_chunks() {
  Slot& slot = *session_.slot;
  for (int i = 0; may_read(i); ++i) {
    // The body may be complete already, if its reader died before it could answer. Then the next bytes belong
    // to the next request.
    if (complete()) return Result::kComplete;
    const ChunkProgress* const current = chunk_progress();
    if (current == nullptr) return Result::kBroken;
    http::ChunkState state = load_state(*current);
    switch (session_.inbox.peek_body(session_.fd, slot)) {
      case PeekResult::kData: break;
      case PeekResult::kNothing: return Result::kIncomplete;
      case PeekResult::kClosed: return Result::kCutShort;
      case PeekResult::kBroken: return Result::kBroken;
    }
    std::size_t bytes = 0;
    std::uint64_t received = current->received;
    http::ChunkStep step;
    decoded_.clear();
    do {
      step = http::decode_chunked(session_.inbox.data().substr(bytes), state);
      bytes += step.consumed;
      received += step.data.size();
      if (received > slot.body.length) return Result::kTooLarge;
      if (keeps_body()) decoded_ += step.data;
    } while (step.kind == http::ChunkStep::Kind::kData);
    if (step.kind == http::ChunkStep::Kind::kError) return Result::kBad;
    if (mostly_framing(bytes, received)) return Result::kFraming;
    if (keeps_body()) {
      if (!spool(decoded_, current->received)) return Result::kNoRoom;
      crash_point("chunks-spooled");
    }
    ChunkProgress* const both = session_.notes().chunks;
    store_progress(both[current == both ? 1 : 0], state, received, slot.bytes_in + bytes);
    crash_point("chunk-noted");
    if (!session_.socket().consume(bytes)) return Result::kBroken;
    crash_point("chunk-taken");
    taken(bytes);
    if (step.kind == http::ChunkStep::Kind::kDone) return Result::kComplete;
  }
  return Result::kIncomplete;
}

// Reads the head again, from the spool: no worker kept it while the body arrived.
Next BodyIntake::finish() {
  Session& s = session_;
  Slot& slot = *s.slot;
  if (s.inbox.peek(s.fd, slot) == PeekResult::kBroken) return Next::kClose;
  const std::string_view head = s.inbox.data().substr(0, slot.spool_bytes);
  if (http::parse_head(head, s.parser_limits, s.request).status != http::ParseStatus::kComplete) {
    return responder_.refuse(400, "", 0);  // a reload has lowered the limits meanwhile
  }
  serve::Exchange exchange = answer_.begin();
  SpooledBody body;
  if (exchange.terms.keeps_body && keeps_body()) {
    std::uint64_t length = slot.body.length;
    if (slot.chunked != 0) {
      const ChunkProgress* const progress = chunk_progress();
      if (progress == nullptr) return Next::kClose;
      length = progress->received;
    }
    if (!body.map(slot.spool_fd, slot.spool_bytes, length)) return refuse(Result::kNoRoom, 0);
    exchange.body = body.bytes();
  }
  const std::size_t request_bytes = s.request.head_bytes;
  switch (answer_.make(exchange, request_bytes)) {
    case Answer::Made::kStreamed: return answer_.next();
    case Answer::Made::kWaits: return Next::kWait;
    case Answer::Made::kNotHere: return Next::kWrite;  // a worker that may open files gets it at once
    case Answer::Made::kReady: break;
  }
  return responder_.flush(request_bytes, answer_.keep_alive());
}

Next BodyIntake::refuse(Result result, std::size_t consumed) {
  switch (result) {
    case Result::kTooLarge: return responder_.refuse(413, "The request body is too large.", consumed);
    case Result::kBad: return responder_.refuse(400, "The chunked body is malformed.", consumed);
    case Result::kFraming: {
      char client[Peer::kTextBytes];
      log::info("client {}: a chunked body that is nearly all framing is refused",
                session_.notes().peer.format_full(client));
      return responder_.refuse(400, "The chunks of the request body are too small.", consumed);
    }
    case Result::kCutShort: return responder_.refuse(400, "The request body was cut short.", consumed);
    case Result::kNoRoom:
      if (errno == EDQUOT) return refuse_for_room(consumed);
      log::error("no room for a request body in memory or in {}: {}", session_.spool_place.folder,
                 std::strerror(errno));
      return responder_.refuse(507, "There is no room for the request body.", consumed);
    case Result::kComplete:
    case Result::kIncomplete:
    case Result::kBroken: break;
  }
  return Next::kClose;
}

Next BodyIntake::refuse_for_room(std::size_t consumed) {
  responder_.note_full();
  return responder_.refuse(503, "There is no room for the request body at the moment.", consumed);
}

}  // namespace baton::h1
