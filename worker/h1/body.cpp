// Request bodies: Phase::kBody. The head is in the spool; the body is taken from the socket as it arrives.
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "common/base/crash_point.h"
#include "common/base/log.h"
#include "common/base/units.h"
#include "common/http/chunked.h"
#include "worker/connection/deadlines.h"
#include "worker/connection/spool.h"
#include "worker/h1/connection_handler.h"

namespace baton {

namespace {

constexpr int kMaxReads = 16;  // per event: a fast sender must not keep a worker from the others
constexpr std::size_t kReadBytes = std::size_t{256} * 1024;
// A chunked body of which more than so much, and more than four fifths, is no data costs a worker far more
// than its sender. It takes chunks of one byte, or extensions, to come to that.
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

// Not believed before `at` is stored.
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

// A body that has arrived with its head needs no phase of its own.
ConnectionHandler::BodyResult ConnectionHandler::body_in_buffer(std::string_view rest,
                                                                const serve::Exchange& exchange,
                                                                std::size_t& body_bytes) {
  const std::uint64_t limit = body_limit(exchange);
  if (request_.framing == http::BodyFraming::kLength) {
    if (request_.content_length > limit) return BodyResult::kTooLarge;
    body_bytes = static_cast<std::size_t>(request_.content_length);
    return rest.size() >= body_bytes ? BodyResult::kComplete : BodyResult::kIncomplete;
  }
  http::ChunkState state;
  std::uint64_t received = 0;
  body_.clear();
  while (true) {
    const http::ChunkStep step = http::decode_chunked(rest.substr(body_bytes), state);
    body_bytes += step.consumed;
    received += step.data.size();
    if (received > limit) return BodyResult::kTooLarge;
    if (exchange.endpoint != nullptr) body_ += step.data;
    switch (step.kind) {
      case http::ChunkStep::Kind::kData: break;
      case http::ChunkStep::Kind::kNeedMore: return BodyResult::kIncomplete;
      case http::ChunkStep::Kind::kDone: return BodyResult::kComplete;
      case http::ChunkStep::Kind::kError: return BodyResult::kBad;
    }
  }
}

std::uint64_t ConnectionHandler::body_limit(const serve::Exchange& exchange) const {
  return exchange.endpoint != nullptr ? exchange.endpoint->max_body : context_.config.limits.body_bytes;
}

ConnectionHandler::Next ConnectionHandler::begin_body(serve::Exchange& exchange) {
  const bool keep = exchange.endpoint != nullptr;
  const std::uint64_t expected = request_.head_bytes + (keep ? request_.content_length : 0);
  if (keep && !spool_can_hold(expected, spool_place_)) return refuse_body(BodyResult::kTooLarge, 0);
  if (request_.expect_continue && !keep) {
    // A request that would be refused anyway is refused before its body is sent (RFC 9110 10.1.1).
    make_reply(exchange);
    if (reply_.status >= 400) {
      respond(false);
      return flush(request_.head_bytes, false, true);
    }
  }
  if (!inbox_.spool(fd_, *slot_, request_.head_bytes))
    return errno == EDQUOT && !DescriptorMotion::table_lost() ? refuse_for_room(0) : without_descriptor();
  if (keep && !fit_spool(*slot_, {request_.head_bytes, expected}, spool_place_))
    return DescriptorMotion::table_lost() ? Next::kRead : refuse_body(BodyResult::kNoRoom, 0);
  if (request_.expect_continue && inbox_.data().size() == request_.head_bytes) {
    if (::send(fd_, kContinue.data(), kContinue.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
        static_cast<ssize_t>(kContinue.size())) {
      return Next::kClose;
    }
    slot_->bytes_out += kContinue.size();
    bump(counters_.bytes_out, kContinue.size());
    bump(counters_.responses[0]);
  }
  slot_->flags &= static_cast<std::uint8_t>(~SlotFlags::kKeepBody);
  if (keep) slot_->flags |= SlotFlags::kKeepBody;
  slot_->chunked = request_.framing == http::BodyFraming::kChunked ? 1 : 0;
  slot_->body_bytes = slot_->chunked != 0 ? body_limit(exchange) : request_.content_length;
  ChunkProgress* const chunks = table_.notes(fd_).chunks;
  chunks[1].at = ChunkProgress::kNowhere;
  store_progress(chunks[0], {}, 0, slot_->bytes_in);
  slot_->body_offset = static_cast<off_t>(slot_->bytes_in);
  slot_->body_end = static_cast<off_t>(std::uint64_t{tick_} * kTickNs + patience_ns());
  std::atomic_signal_fence(std::memory_order_release);
  slot_->phase = Phase::kBody;
  crash_point("body-begun");
  return read_body();
}

ConnectionHandler::Next ConnectionHandler::read_body() {
  flight_.phase.store(FlightPhase::kReading, std::memory_order_relaxed);
  const std::uint64_t before = slot_->bytes_in;
  const BodyResult result = slot_->chunked != 0 ? take_chunks()
                            : keeps_body()      ? take_length_to_spool()
                                                : take_length();
  if (result == BodyResult::kComplete) return finish_body();
  if (result == BodyResult::kIncomplete) {
    slot_->body_end = static_cast<off_t>(transfer_until(static_cast<std::uint64_t>(slot_->body_end),
                                                        slot_->bytes_in - before, patience_ns(),
                                                        std::uint64_t{tick_} * kTickNs));
    set_deadline(*slot_, Deadline::kBody,
                 static_cast<Tick>((static_cast<std::uint64_t>(slot_->body_end) + kTickNs - 1) / kTickNs));
    return Next::kRead;
  }
  const int error = errno;
  // It could not be opened because the table is not to be changed now: for a worker that may.
  if (result == BodyResult::kNoRoom && DescriptorMotion::table_lost()) return Next::kRead;
  if (result == BodyResult::kBroken || inbox_.peek(fd_, *slot_) == PeekResult::kBroken) return Next::kClose;
  errno = error;
  return refuse_body(result, 0);
}

std::uint64_t ConnectionHandler::patience_ns() const {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(context_.config.timeouts.body).count());
}

// The first is due to every event.
bool ConnectionHandler::may_read(int reads_before) const {
  return reads_before == 0 || (reads_before < kMaxReads && monotonic_ns() < turn_end_ns_);
}

// bytes_in alone says how far it is: where a worker dies between recv(2) and its note, the kernel knows.
ConnectionHandler::BodyResult ConnectionHandler::take_length() {
  const std::uint64_t end = body_end();
  for (int i = 0; slot_->bytes_in < end && may_read(i); ++i) {
    const ssize_t n = discard_some(fd_, *slot_, std::min<std::uint64_t>(end - slot_->bytes_in, kReadBytes));
    if (n == 0) return BodyResult::kCutShort;
    if (n < 0) {
      noted(*slot_);
      return errno == EAGAIN || errno == EINTR ? BodyResult::kIncomplete : BodyResult::kBroken;
    }
    crash_point("body-taken");
    slot_->bytes_in += static_cast<std::uint64_t>(n);
    noted(*slot_);
    bump(counters_.bytes_in, static_cast<std::uint64_t>(n));
  }
  return slot_->bytes_in == end ? BodyResult::kComplete : BodyResult::kIncomplete;
}

// Written first, consumed second, as with a head: whatever has left the socket is in the spool, at the place
// that bytes_in tells, so that whoever does it again after a death writes the same to the same place.
ConnectionHandler::BodyResult ConnectionHandler::take_length_to_spool() {
  const std::uint64_t end = body_end();
  for (int i = 0; slot_->bytes_in < end && may_read(i); ++i) {
    switch (inbox_.peek_body(fd_)) {
      case PeekResult::kData: break;
      case PeekResult::kNothing: return BodyResult::kIncomplete;
      case PeekResult::kClosed: return BodyResult::kCutShort;
      case PeekResult::kBroken: return BodyResult::kBroken;
    }
    const std::string_view bytes = inbox_.data().substr(0, end - slot_->bytes_in);
    if (!spool_body(bytes, slot_->bytes_in - static_cast<std::uint64_t>(slot_->body_offset)))
      return BodyResult::kNoRoom;
    crash_point("body-spooled");
    if (!discard(fd_, *slot_, bytes.size())) return BodyResult::kBroken;
    crash_point("spooled-taken");
    slot_->bytes_in += bytes.size();
    noted(*slot_);
    bump(counters_.bytes_in, bytes.size());
  }
  return slot_->bytes_in == end ? BodyResult::kComplete : BodyResult::kIncomplete;
}

// `at`: where in the body the bytes are.
bool ConnectionHandler::spool_body(std::string_view bytes, std::uint64_t at) {
  const std::uint64_t size = slot_->spool_bytes + at + bytes.size();
  const std::uint64_t length = slot_->chunked != 0 ? 0 : slot_->body_bytes;
  return fit_spool(*slot_, {size, std::max(size, slot_->spool_bytes + length)}, spool_place_) &&
         write_all(slot_->spool_fd, bytes.data(), bytes.size(), static_cast<off_t>(slot_->spool_bytes + at));
}

const ChunkProgress* ConnectionHandler::chunk_progress() const {
  for (const ChunkProgress& progress : table_.notes(fd_).chunks) {
    if (progress.at == slot_->bytes_in) return &progress;
  }
  return nullptr;
}

bool ConnectionHandler::body_complete() const {
  if (slot_->chunked == 0) return slot_->bytes_in == body_end();
  const ChunkProgress* const progress = chunk_progress();
  if (progress == nullptr) return false;
  http::ChunkState state = load_state(*progress);
  return http::decode_chunked({}, state).kind == http::ChunkStep::Kind::kDone;
}

// Of what has been consumed of a chunked body and is about to be.
bool ConnectionHandler::mostly_framing(std::uint64_t taken, std::uint64_t received) const {
  const std::uint64_t all = slot_->bytes_in - static_cast<std::uint64_t>(slot_->body_offset) + taken;
  const std::uint64_t framing = all - received;
  return framing > kMaxFraming && framing > all / 5 * 4;
}

// Peeks, because the bytes behind the last chunk belong to the next request. What is to be kept of one peek
// is gathered and written at once, however many chunks it came in.
ConnectionHandler::BodyResult ConnectionHandler::take_chunks() {
  for (int i = 0; may_read(i); ++i) {
    // Where it ended already, and its reader died before it could answer, the next bytes are not the body's.
    if (body_complete()) return BodyResult::kComplete;
    const ChunkProgress* const current = chunk_progress();
    if (current == nullptr) return BodyResult::kBroken;
    http::ChunkState state = load_state(*current);
    switch (inbox_.peek_body(fd_)) {
      case PeekResult::kData: break;
      case PeekResult::kNothing: return BodyResult::kIncomplete;
      case PeekResult::kClosed: return BodyResult::kCutShort;
      case PeekResult::kBroken: return BodyResult::kBroken;
    }
    std::size_t taken = 0;
    std::uint64_t received = current->received;
    http::ChunkStep step;
    body_.clear();
    do {
      step = http::decode_chunked(inbox_.data().substr(taken), state);
      taken += step.consumed;
      received += step.data.size();
      if (received > slot_->body_bytes) return BodyResult::kTooLarge;
      if (keeps_body()) body_ += step.data;
    } while (step.kind == http::ChunkStep::Kind::kData);
    if (step.kind == http::ChunkStep::Kind::kError) return BodyResult::kBad;
    if (mostly_framing(taken, received)) return BodyResult::kFraming;
    if (keeps_body()) {
      if (!spool_body(body_, current->received)) return BodyResult::kNoRoom;
      crash_point("chunks-spooled");
    }
    ChunkProgress* const both = table_.notes(fd_).chunks;
    store_progress(both[current == both ? 1 : 0], state, received, slot_->bytes_in + taken);
    crash_point("chunk-noted");
    if (!discard(fd_, *slot_, taken)) return BodyResult::kBroken;
    crash_point("chunk-taken");
    slot_->bytes_in += taken;
    noted(*slot_);
    bump(counters_.bytes_in, taken);
    if (step.kind == http::ChunkStep::Kind::kDone) return BodyResult::kComplete;
  }
  return BodyResult::kIncomplete;
}

// The head is read again from the spool: nothing of it was kept while the body arrived.
ConnectionHandler::Next ConnectionHandler::finish_body() {
  if (inbox_.peek(fd_, *slot_) == PeekResult::kBroken) return Next::kClose;
  const std::string_view head = inbox_.data().substr(0, slot_->spool_bytes);
  if (http::parse_head(head, parser_limits_, request_).status != http::ParseStatus::kComplete) {
    return refuse(400, "", 0);  // the limits were lowered by a reload meanwhile
  }
  serve::Exchange exchange = begin_exchange();
  SpooledBody body;
  if (exchange.endpoint != nullptr && keeps_body()) {
    std::uint64_t length = slot_->body_bytes;
    if (slot_->chunked != 0) {
      const ChunkProgress* const progress = chunk_progress();
      if (progress == nullptr) return Next::kClose;
      length = progress->received;
    }
    if (!body.map(slot_->spool_fd, slot_->spool_bytes, length)) return refuse_body(BodyResult::kNoRoom, 0);
    exchange.body = body.bytes();
  }
  if (waits_for_place(exchange)) return Next::kWait;
  const bool once = this->once(exchange);
  if (once) begin_once(request_.head_bytes);
  make_reply(exchange);
  if (stream_.begun) return end_stream(request_.head_bytes, inbox_.data().size() > request_.head_bytes);
  if (files_.table_lost() && !once) return Next::kWrite;  // for a worker that may open files: at once
  const bool keep_alive = respond(request_.keep_alive);
  const bool more = inbox_.data().size() > request_.head_bytes;
  return flush(request_.head_bytes, keep_alive, more);
}

ConnectionHandler::Next ConnectionHandler::refuse_body(BodyResult result, std::size_t consumed) {
  switch (result) {
    case BodyResult::kTooLarge: return refuse(413, "The request body is too large.", consumed);
    case BodyResult::kBad: return refuse(400, "The chunked body is malformed.", consumed);
    case BodyResult::kFraming: {
      char client[Peer::kTextBytes];
      log::info("client {}: a chunked body that is nearly all framing is refused",
                table_.notes(fd_).peer.format_full(client));
      return refuse(400, "The chunks of the request body are too small.", consumed);
    }
    case BodyResult::kCutShort: return refuse(400, "The request body was cut short.", consumed);
    case BodyResult::kNoRoom:
      if (errno == EDQUOT) return refuse_for_room(consumed);
      log::error("no room for a request body in memory or in {}: {}", spool_place_.folder,
                 std::strerror(errno));
      return refuse(507, "There is no room for the request body.", consumed);
    case BodyResult::kComplete:
    case BodyResult::kIncomplete:
    case BodyResult::kBroken: break;
  }
  return Next::kClose;
}

ConnectionHandler::Next ConnectionHandler::refuse_for_room(std::size_t consumed) {
  note_full();
  return refuse(503, "There is no room for the request body at the moment.", consumed);
}

// Counted each time, told once a minute: whoever fills the budget shall not fill the log.
void ConnectionHandler::note_full() {
  constexpr std::uint64_t kTellNs = 60'000'000'000;
  bump(counters_.spool_refused);
  const std::uint64_t now = monotonic_ns();
  if (full_told_ns_ != 0 && now - full_told_ns_ < kTellNs) return;
  full_told_ns_ = now;
  const SpoolBudget::Use use = context_.segment.spool_budget().use();
  log::warn(
      "no room for a request body or a response, and 503 for those that need it: of the spool's budget {} of "
      "{} are used in memory, {} of {} on disk (limits.spool_memory_total, limits.spool_disk_total)",
      format_bytes(use.memory), format_bytes(use.memory_limit), format_bytes(use.disk),
      format_bytes(use.disk_limit));
}

}  // namespace baton
