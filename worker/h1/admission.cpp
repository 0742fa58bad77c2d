#include "worker/h1/admission.h"

#include "common/base/crash_point.h"
#include "common/shared/descriptor_motion.h"
#include "worker/connection/deadlines.h"

namespace baton::h1 {

Admission::Admission(const WorkerContext& context)
    : context_(context), places_(context.segment.places()), most_(module_workers(context.config)) {}

Admission::Answer Admission::ask(const app::Endpoint& endpoint, int fd, Slot& slot, Tick now,
                                 std::optional<Tick> waits_until) {
  // A worker that is replaced serves nothing after this request. Its successors are the workers that count,
  // so it needs no place.
  if (known_as_quick(endpoint) || context_.replaced()) return Answer::kGo;
  if (places_.held.acquire(context_.index, most_)) {
    has_place_ = true;
    crash_point("place-taken");
    // When the master tells a worker to go, it takes back the worker's place. That may have happened just
    // before this worker took it.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (context_.replaced()) give_back();
    return Answer::kGo;
  }
  const Tick until = waits_until.value_or(now + kPlaceTicks);
  if (now >= until || !places_.line.put(fd, until)) {
    bump(context_.counters().places_refused);
    return Answer::kRefuse;
  }
  crash_point("place-awaited");
  set_deadline(slot, Deadline::kPlace, until);
  return Answer::kWait;
}

void Admission::done(const app::Endpoint& endpoint, std::optional<std::uint64_t> ns) {
  if (ns) speed(endpoint).note(*ns);
  if (has_place_) give_back();
}

void Admission::give_back() {
  has_place_ = false;
  places_.held.release(context_.index);
  crash_point("place-given-back");
  call_next();
}

// Pairs with call_next() by the two fences: either this call sees the free place, or that one sees the line.
bool Admission::has_its_turn(int fd) const {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return places_.held.has_free(most_) || !places_.line.contains(fd);
}

void Admission::call_next() const {
  if (DescriptorMotion::table_lost()) return;  // the numbers mean something else in its table
  std::atomic_thread_fence(std::memory_order_seq_cst);
  while (places_.held.has_free(most_)) {
    const std::optional<int> next = places_.line.take_first();
    if (!next) return;
    crash_point("place-offered");
    if (!waits(*next)) continue;
    context_.epoll.rearm(*next);
    return;
  }
}

// A held connection counts as waiting. Its holder either puts it into the line, and calls has_its_turn()
// afterwards, or has taken it up. The result is only a hint: to re-arm a connection that does not wait does
// no harm.
bool Admission::waits(int fd) const {
  const ConnectionTable table = context_.segment.connections();
  if (!table.contains(fd)) return false;
  const Claim claim = table.claim(fd);
  return claim.state == SlotState::kHeld || (claim.armed() && table.at(fd).deadline_kind == Deadline::kPlace);
}

}  // namespace baton::h1
