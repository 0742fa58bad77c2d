// Request bodies: Phase::kBody. The head is in the spool; the body is taken from the socket as it arrives.
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "common/crash_point.h"
#include "worker/connection.h"
#include "worker/deadlines.h"
#include "worker/http/chunked.h"

namespace baton {

namespace {

constexpr int kMaxReads = 16;  // per event: a fast sender must not keep a worker from the others
constexpr std::size_t kReadBytes = std::size_t{256} * 1024;
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
                                                                std::size_t& body_bytes) const {
  const std::uint64_t limit = context_.config.limits.body_bytes;
  if (request_.framing == http::BodyFraming::kLength) {
    if (request_.content_length > limit) return BodyResult::kTooLarge;
    body_bytes = static_cast<std::size_t>(request_.content_length);
    return rest.size() >= body_bytes ? BodyResult::kComplete : BodyResult::kIncomplete;
  }
  http::ChunkState state;
  std::uint64_t received = 0;
  while (true) {
    const http::ChunkStep step = http::decode_chunked(rest.substr(body_bytes), state);
    body_bytes += step.consumed;
    received += step.data.size();
    if (received > limit) return BodyResult::kTooLarge;
    switch (step.kind) {
      case http::ChunkStep::Kind::kData: break;
      case http::ChunkStep::Kind::kNeedMore: return BodyResult::kIncomplete;
      case http::ChunkStep::Kind::kDone: return BodyResult::kComplete;
      case http::ChunkStep::Kind::kError: return BodyResult::kBad;
    }
  }
}

ConnectionHandler::Next ConnectionHandler::begin_body() {
  if (request_.expect_continue) {
    // A request that would be refused anyway is refused before its body is sent (RFC 9110 10.1.1).
    make_reply();
    if (reply_.status >= 400) {
      respond(false);
      return flush(request_.head_bytes, false, true);
    }
    if (inbox_.data().size() == request_.head_bytes) {
      if (::send(fd_, kContinue.data(), kContinue.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
          static_cast<ssize_t>(kContinue.size())) {
        return Next::kClose;
      }
      slot_->bytes_out += kContinue.size();
      bump(counters_.bytes_out, kContinue.size());
      bump(counters_.responses[0]);
    }
  }
  if (!inbox_.spool(fd_, *slot_, request_.head_bytes)) return without_descriptor();
  slot_->chunked = request_.framing == http::BodyFraming::kChunked ? 1 : 0;
  slot_->body_bytes = slot_->chunked != 0 ? context_.config.limits.body_bytes : request_.content_length;
  ChunkProgress* const chunks = table_.notes(fd_).chunks;
  chunks[1].at = ChunkProgress::kNowhere;
  store_progress(chunks[0], {}, 0, slot_->bytes_in);
  slot_->body_offset = static_cast<off_t>(slot_->bytes_in);
  slot_->body_end = tick_;
  std::atomic_signal_fence(std::memory_order_release);
  slot_->phase = Phase::kBody;
  crash_point("body-begun");
  return read_body();
}

ConnectionHandler::Next ConnectionHandler::read_body() {
  flight_.phase.store(FlightPhase::kReading, std::memory_order_relaxed);
  const BodyResult result = slot_->chunked != 0 ? take_chunks() : take_length();
  if (result == BodyResult::kComplete) return finish_body();
  if (result == BodyResult::kIncomplete) {
    set_deadline(*slot_, Deadline::kBody,
                 transfer_deadline(static_cast<Tick>(slot_->body_end),
                                   slot_->bytes_in - static_cast<std::uint64_t>(slot_->body_offset),
                                   ticks_of(context_.config.timeouts.body), tick_));
    return Next::kRead;
  }
  if (result == BodyResult::kBroken || inbox_.peek(fd_, *slot_) == PeekResult::kBroken) return Next::kClose;
  return refuse_body(result, 0);
}

// bytes_in alone says how far it is: where a worker dies between recv(2) and its note, the kernel knows.
ConnectionHandler::BodyResult ConnectionHandler::take_length() {
  const std::uint64_t end = static_cast<std::uint64_t>(slot_->body_offset) + slot_->body_bytes;
  for (int i = 0; i < kMaxReads && slot_->bytes_in < end; ++i) {
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

const ChunkProgress* ConnectionHandler::chunk_progress() const {
  for (const ChunkProgress& progress : table_.notes(fd_).chunks) {
    if (progress.at == slot_->bytes_in) return &progress;
  }
  return nullptr;
}

bool ConnectionHandler::body_complete() const {
  if (slot_->chunked == 0)
    return slot_->bytes_in == static_cast<std::uint64_t>(slot_->body_offset) + slot_->body_bytes;
  const ChunkProgress* const progress = chunk_progress();
  if (progress == nullptr) return false;
  http::ChunkState state = load_state(*progress);
  return http::decode_chunked({}, state).kind == http::ChunkStep::Kind::kDone;
}

// Peeks, because the bytes behind the last chunk belong to the next request.
ConnectionHandler::BodyResult ConnectionHandler::take_chunks() {
  for (int i = 0; i < kMaxReads; ++i) {
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
    do {
      step = http::decode_chunked(inbox_.data().substr(taken), state);
      taken += step.consumed;
      received += step.data.size();
      if (received > slot_->body_bytes) return BodyResult::kTooLarge;
    } while (step.kind == http::ChunkStep::Kind::kData);
    if (step.kind == http::ChunkStep::Kind::kError) return BodyResult::kBad;
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
  const bool once = !http::idempotent(request_.method);
  if (once) begin_once(request_.head_bytes);
  make_reply();
  if (files_.table_lost() && !once) return Next::kWrite;  // for a worker that may open files: at once
  const bool keep_alive = respond(request_.keep_alive);
  const bool more = inbox_.data().size() > request_.head_bytes;
  return flush(request_.head_bytes, keep_alive, more);
}

ConnectionHandler::Next ConnectionHandler::refuse_body(BodyResult result, std::size_t consumed) {
  switch (result) {
    case BodyResult::kTooLarge: return refuse(413, "The request body is too large.", consumed);
    case BodyResult::kBad: return refuse(400, "The chunked body is malformed.", consumed);
    case BodyResult::kCutShort: return refuse(400, "The request body was cut short.", consumed);
    case BodyResult::kComplete:
    case BodyResult::kIncomplete:
    case BodyResult::kBroken: break;
  }
  return Next::kClose;
}

}  // namespace baton
