#include "common/shared/scoreboard.h"

#include <algorithm>
#include <cstring>

namespace baton {

std::string_view to_string(WorkerState state) {
  switch (state) {
    case WorkerState::kEmpty: return "empty";
    case WorkerState::kStarting: return "starting";
    case WorkerState::kReady: return "ready";
    case WorkerState::kRetiring: return "retiring";
    case WorkerState::kFailing: return "failing";
  }
  return "?";
}

std::string_view to_string(ProcessRole role) {
  return role == ProcessRole::kKeyholder ? "keyholder" : "worker";
}

std::string_view to_string(FlightPhase phase) {
  switch (phase) {
    case FlightPhase::kWaiting: return "waiting";
    case FlightPhase::kAccepting: return "accepting";
    case FlightPhase::kReading: return "reading";
    case FlightPhase::kServing: return "serving";
    case FlightPhase::kSending: return "sending";
    case FlightPhase::kClosing: return "closing";
  }
  return "?";
}

void Counters::add(const Counters& other) {
  const auto sum = [](Counter& to, const Counter& from) { bump(to, from.load(std::memory_order_relaxed)); };
  sum(requests, other.requests);
  sum(accepted, other.accepted);
  sum(closed, other.closed);
  for (std::size_t i = 0; i < std::size(responses); ++i) sum(responses[i], other.responses[i]);
  sum(bytes_in, other.bytes_in);
  sum(bytes_out, other.bytes_out);
  sum(wakeups, other.wakeups);
  sum(claims_lost, other.claims_lost);
  sum(parked, other.parked);
  sum(timeouts, other.timeouts);
  sum(accept_paused, other.accept_paused);
  sum(files_opened, other.files_opened);
  sum(evicted, other.evicted);
  sum(refused, other.refused);
  sum(places_refused, other.places_refused);
  sum(spool_refused, other.spool_refused);
  sum(handshakes, other.handshakes);
  sum(handshakes_resumed, other.handshakes_resumed);
  sum(handshakes_replayed, other.handshakes_replayed);
  sum(handshakes_failed, other.handshakes_failed);
}

void Counters::clear() {
  const auto zero = [](Counter& counter) { counter.store(0, std::memory_order_relaxed); };
  zero(requests);
  zero(accepted);
  zero(closed);
  for (auto& response : responses) zero(response);
  zero(bytes_in);
  zero(bytes_out);
  zero(wakeups);
  zero(claims_lost);
  zero(parked);
  zero(timeouts);
  zero(accept_paused);
  zero(files_opened);
  zero(evicted);
  zero(refused);
  zero(places_refused);
  zero(spool_refused);
  zero(handshakes);
  zero(handshakes_resumed);
  zero(handshakes_replayed);
  zero(handshakes_failed);
}

void FlightRecord::set_request(std::string_view line) {
  const std::size_t length = std::min(line.size(), kRequestLineBytes);
  std::memcpy(request_line, line.data(), length);
  request_length.store(static_cast<std::uint32_t>(length), std::memory_order_release);
}

void clear_failing(Scoreboard scoreboard) {
  for (WorkerEntry& entry : scoreboard) {
    WorkerState failing = WorkerState::kFailing;
    entry.state.compare_exchange_strong(failing, WorkerState::kEmpty);
  }
}

}  // namespace baton
