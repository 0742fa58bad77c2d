#include "worker/h1/handler_run.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <variant>

#include "common/base/crash_point.h"
#include "common/base/log.h"
#include "common/base/printable.h"
#include "common/http/compose.h"
#include "common/http/status.h"
#include "worker/connection/deadlines.h"

namespace baton::h1 {

namespace {

// Most bytes of each that go to the log. A client decides how long its request line is, and the reason of a
// failure may quote the client.
constexpr std::size_t kMostOfRequestLine = 250;
constexpr std::size_t kMostOfReason = 1'000;

}  // namespace

void HandlerRun::run(serve::Exchange& exchange) {
  const app::Endpoint& endpoint = *exchange.endpoint;
  PermitSet* const permits =
      endpoint.max_concurrency != 0 ? &session_.context.segment.permits()[endpoint.permit_set] : nullptr;
  if (permits != nullptr && !permits->acquire(session_.context.index, endpoint.max_concurrency)) {
    serve::error_reply(exchange, 503, "Too many requests of this kind at a time.");
    session_.reply.header("Retry-After", kRetryAfter);
    return admission_.done(endpoint);
  }
  crash_point("permit-acquired");
  const std::uint32_t usual_limit = session_.flight.limit_ms.load(std::memory_order_relaxed);
  const std::uint32_t usual_retries = session_.flight.retries.load(std::memory_order_relaxed);
  session_.flight.limit_ms.store(endpoint.limit_ms, std::memory_order_relaxed);
  session_.flight.retries.store(endpoint.retries, std::memory_order_relaxed);
  session_.flight.handler.store(endpoint.number, std::memory_order_relaxed);
  opened_.reset();
  full_ = false;
  exchange_ = &exchange;
  const app::Response response = modules_.run(endpoint,
                                              {session_.request, exchange.peer, exchange.path,
                                               exchange.route->prefix, *exchange.match, exchange.body},
                                              session_.reply, *this);
  exchange_ = nullptr;
  crash_point("handler-done");
  session_.flight.handler.store(FlightRecord::kNoHandler, std::memory_order_relaxed);
  session_.flight.retries.store(usual_retries, std::memory_order_relaxed);
  session_.flight.limit_ms.store(usual_limit, std::memory_order_relaxed);
  if (permits != nullptr) permits->release(session_.context.index);
  admission_.done(endpoint, modules_.last_run_ns());
  use_response(exchange, response);
}

void HandlerRun::use_response(serve::Exchange& exchange, const app::Response& response) {
  using Body = app::Response::Body;
  if (response.failed() && full_ && !stream_.begun) {
    responder_.note_full();
    session_.reply.reset();
    serve::error_reply(exchange, 503, "There is no room for the response at the moment.");
    session_.reply.header("Retry-After", kRetryAfter);
    return;
  }
  if (response.failed()) {
    const RouteConfig& route = *exchange.route->config;
    log::error("\"{}\", route {}, module {}: the handler has failed: {}",
               printable_start(session_.request.request_line, kMostOfRequestLine), printable(route.path),
               printable(std::get<ModuleConfig>(route.action).file),
               printable_start(response.reason(), kMostOfReason));
    stream_.failed = true;
    if (stream_.begun) return;
    session_.reply.reset();
    return serve::error_reply(exchange, 500);
  }
  switch (response.body()) {
    case Body::kMemory: session_.reply.use_text(); break;
    case Body::kStored:
      session_.reply.body = http::Reply::Body::kFile;
      session_.reply.fd = session_.outbox.stored_fd();
      session_.reply.length = static_cast<off_t>(session_.outbox.stored_bytes());
      break;
    case Body::kFile: dispatcher_.send_file(exchange, opened_path_, *opened_); break;
    case Body::kStreamed: append_chunk(session_.reply.text); break;
  }
}

int HandlerRun::open_file(const std::string& path) {
  opened_ = session_.files.open_own(path);
  opened_path_ = path;
  return opened_ ? 0 : errno;
}

bool HandlerRun::store(std::string_view bytes) {
  if (session_.outbox.store(bytes)) return true;
  full_ = errno == EDQUOT;
  return false;
}

app::ResponseSink::Streamed HandlerRun::stream(std::string_view bytes, bool wait) {
  if (!stream_.begun) begin_stream();
  if (!wait && stream_full()) {
    stream_.failed = stream_.failed || !send_stream();
    if (!stream_.failed && stream_full()) return Streamed::kFull;
  }
  // After a failure, the bytes that the handler writes are lost. So the response must not look complete to a
  // client that had only stopped reading.
  if (stream_.failed) return Streamed::kGone;
  append_chunk(bytes);
  stream_.failed = !send_stream() || (wait && !await_room());
  return stream_.failed ? Streamed::kGone : Streamed::kTaken;
}

// When the spool's budget is nearly used up, nothing is kept for a client that is slower than its handler.
bool HandlerRun::stream_full() const {
  return session_.outbox.total() > session_.context.config.limits.stream_backlog ||
         (session_.outbox.total() > 0 && spool_is_tight());
}

// Waits until no more is kept for the client than may be. The handler waits meanwhile, so its worker is busy
// in any case. False: as send_stream().
bool HandlerRun::await_room() {
  constexpr int kLookMs = 500;  // a client may read so slowly that its socket does not become writable
  while (stream_full()) {
    (void)session_.socket().await_writable(kLookMs);
    if (!send_stream()) return false;
  }
  return true;
}

// From here on the response can neither be made again nor be taken back.
void HandlerRun::begin_stream() {
  stream_.begun = true;
  exchange_->add_route_fields();
  const bool to_the_end =
      session_.request.minor == 0;  // HTTP/1.0 knows no chunks: the end is the connection's
  stream_.keep_alive = responder_.begin_response(session_.request.keep_alive && !to_the_end);
  const bool head_only = session_.request.method == http::Method::kHead;
  ResponseNote& last = session_.outbox.last();
  last.head_bytes = static_cast<std::uint32_t>(
      http::compose(session_.reply, {head_only, stream_.keep_alive, true, session_.request.minor},
                    session_.now, session_.outbox));
  last.status = static_cast<std::uint16_t>(session_.reply.status);
  last.started_ns = session_.started_ns;
  responder_.note_request(last);
  session_.socket().plan_response(0, 0, false);
  session_.slot->enter(Phase::kStreaming);
  crash_point("stream-begun");
  if (const std::uint64_t stored = session_.outbox.stored_bytes(); stored > 0) {
    if (begin_chunk(stored)) session_.outbox.append_stored();
    end_chunk();
  }
}

bool HandlerRun::streams_body() const {
  return session_.request.method != http::Method::kHead && http::may_have_content(session_.reply.status);
}

// False: the response has no body, whatever its handler writes.
bool HandlerRun::begin_chunk(std::uint64_t bytes) {
  if (!streams_body()) return false;
  char line[20];
  const int length = std::snprintf(line, sizeof line, "%llx\r\n", static_cast<unsigned long long>(bytes));
  if (session_.request.minor == 1) session_.outbox.append({line, static_cast<std::size_t>(length)});
  return true;
}

void HandlerRun::end_chunk() {
  if (streams_body() && session_.request.minor == 1) session_.outbox.append("\r\n");
}

void HandlerRun::append_chunk(std::string_view bytes) {
  if (bytes.empty() || !begin_chunk(bytes.size())) return;  // an empty chunk would be the last one
  session_.outbox.append(bytes);
  end_chunk();
}

// Sends what the socket takes. False: the client is gone, or is too slow for `[timeouts] send`, or a part of
// the response found no room where it could outlive this worker.
bool HandlerRun::send_stream() {
  const SendResult result = responder_.send_all();
  crash_point("stream-sent");
  const std::uint64_t sent = session_.outbox.forget_sent();
  session_.slot->bytes_out += sent;
  bump(session_.counters.bytes_out, sent);
  session_.outbox.last().streamed += sent;
  if (result == SendResult::kBroken) return false;
  if (!session_.outbox.parkable()) {
    responder_.note_full();
    return false;
  }
  session_.outbox.reclaim();
  const std::uint64_t now = monotonic_ns();
  const Duration patience = session_.context.config.timeouts.send;
  const auto patience_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(patience).count();
  const bool moves = result == SendResult::kDone || sent > 0 || stream_.blocked_ns == 0;
  if (!moves) {
    if (now - stream_.blocked_ns < static_cast<std::uint64_t>(patience_ns)) return true;
    // The client may be reading what the kernel holds for it. The master's sweep judges a parked response by
    // the same measure.
    if (stream_.queued - session_.socket().queued() < least_progress(patience)) return false;
  }
  stream_.blocked_ns = now;
  if (result == SendResult::kBlocked) stream_.queued = session_.socket().queued();
  return true;
}

Next HandlerRun::end_stream(std::size_t request_bytes) {
  ResponseNote& last = session_.outbox.last();
  if (stream_.failed) {  // the connection ends without the last chunk: the client sees that some is missing
    responder_.record(0);
    return Next::kClose;
  }
  if (streams_body() && session_.request.minor == 1) session_.outbox.append("0\r\n\r\n");
  last.bytes = session_.outbox.total();
  return responder_.flush(request_bytes, stream_.keep_alive);
}

}  // namespace baton::h1
