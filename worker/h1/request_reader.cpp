#include "worker/h1/request_reader.h"

#include "common/base/crash_point.h"

namespace baton::h1 {

namespace {

constexpr int kMaxPipelined = 32;  // requests served per event; the rest comes with the next event
constexpr std::size_t kOutboxFlushBytes = std::size_t{48} * 1024;  // a batch that fills so much is sent

}  // namespace

Next RequestReader::read() {
  Session& s = session_;
  s.flight.phase.store(FlightPhase::kReading, std::memory_order_relaxed);
  switch (s.inbox.peek(s.fd, *s.slot)) {
    case PeekResult::kData: break;
    case PeekResult::kNothing:
      if (s.inbox.data().empty()) return Next::kRead;
      break;  // the whole head is in the spool, if a worker died before it stored Phase::kBody
    case PeekResult::kClosed:
    case PeekResult::kBroken: return Next::kClose;
  }
  crash_point("head-peeked");
  consumed_ = 0;
  keep_alive_ = true;
  const int most = s.slot->has(SlotFlags::kOneAtATime) ? 1 : kMaxPipelined;
  for (int served = 0; served < most && keep_alive_; ++served) {
    const std::string_view rest = s.inbox.data().substr(consumed_);
    if (rest.empty()) break;
    // Records the previous response, while its request can still be read. The last response of a batch is
    // recorded once it has been sent.
    responder_.record(s.outbox.last().bytes);
    if (s.started_ns >= s.turn_end_ns && served > 0) break;
    const Step step = serve_one(rest);
    if (step == Step::kDone) return next_;
    if (step == Step::kFlush) break;
  }
  if (consumed_ == 0) return s.files.table_lost() ? Next::kRead : wait_for_request(s, false);
  return responder_.flush(consumed_, keep_alive_);
}

RequestReader::Step RequestReader::serve_one(std::string_view rest) {
  Session& s = session_;
  const http::ParseResult parsed = http::parse_head(rest, s.parser_limits, s.request);
  if (parsed.status == http::ParseStatus::kError)
    return done(responder_.refuse(parsed.error, parsed.reason, consumed_));
  if (parsed.status == http::ParseStatus::kIncomplete) return Step::kFlush;
  serve::Exchange exchange = answer_.begin();
  const bool first = consumed_ == 0;
  // A request that is served alone may stream its answer, or crash: the answers before it leave first.
  if (exchange.terms.alone && !first) return Step::kFlush;
  std::size_t length = s.request.head_bytes;
  if (s.request.framing != http::BodyFraming::kNone) {
    std::size_t body_bytes = 0;
    const BodyIntake::Result body = bodies_.find_in(rest.substr(length), exchange, body_bytes);
    if (body == BodyIntake::Result::kIncomplete) return first ? done(bodies_.begin(exchange)) : Step::kFlush;
    if (body != BodyIntake::Result::kComplete) return done(bodies_.refuse(body, consumed_));
    length += body_bytes;
  }
  if (exchange.terms.keeps_body)
    exchange.body = bodies_.found(rest.substr(s.request.head_bytes, length - s.request.head_bytes));
  s.slot->batch_offset = static_cast<std::uint32_t>(consumed_);
  // After a death in its handler, recovery must find it at the front: the answers before it leave first.
  if (exchange.terms.at_most_once && !first) return Step::kFlush;
  switch (answer_.make(exchange, length)) {
    case Answer::Made::kStreamed: return done(answer_.next());
    case Answer::Made::kWaits: return done(Next::kWait);
    // Another worker opens the file that this request needs.
    case Answer::Made::kNotHere: return Step::kFlush;
    case Answer::Made::kReady: break;
  }
  keep_alive_ = answer_.keep_alive();
  consumed_ += length;
  if (exchange.terms.at_most_once || exchange.terms.alone) return Step::kFlush;
  // Only one response can pin a file's descriptor, and the outbox must not grow without bound.
  const bool full = s.reply.fd >= 0 || s.outbox.memory_bytes() >= kOutboxFlushBytes;
  return full ? Step::kFlush : Step::kGoOn;
}

}  // namespace baton::h1
