#include "worker/h1/session.h"

#include <algorithm>

#include "common/shared/descriptor_motion.h"
#include "worker/connection/deadlines.h"

namespace baton::h1 {

namespace {

// The end of a turn in time. Chunks, reads and pipelined requests are cheap one by one, but a client decides
// how many there are. After this long nothing more is begun for the event, and the connection goes to the end
// of the ready list.
constexpr std::uint64_t kTurnNs = 250'000;

}  // namespace

Session::Session(const WorkerContext& of, AccessLog& access_log)
    : context(of),
      counters(of.counters()),
      flight(of.flight()),
      table(of.segment.connections()),
      log(access_log),
      spool_place{of.config.server.spool_dir, of.config.limits.spool_memory},
      inbox(spool_place),
      outbox(of.segment.outboxes()[of.index], spool_place),
      files(of.segment.files(), flight, counters, of.index) {
  parser_limits.header_bytes = of.config.limits.header_bytes;
  parser_limits.header_fields = of.config.limits.header_fields;
  parser_limits.target_bytes = std::min<std::size_t>(8'192, of.config.limits.header_bytes);
}

void Session::begin(int of, std::uint64_t now_ns) {
  fd = of;
  slot = &table.at(fd);
  started_ns = now_ns;
  turn_end_ns = now_ns + kTurnNs;
  tick = tick_of(now_ns);
  now = ::time(nullptr);
  waits_until.reset();
  inbox.clear();
  socket().forget_input();
  flight.connection.store(static_cast<std::uint32_t>(fd), std::memory_order_relaxed);
}

void Session::end() {
  outbox.clear();
  files.release();
  flight.request_length.store(0, std::memory_order_relaxed);
  flight.connection.store(FlightRecord::kNoConnection, std::memory_order_relaxed);
}

bool Session::secure() const {
  return socket().encrypted();
}

bool Session::stopping() const {
  return context.segment.header().state.load(std::memory_order_relaxed) >= MasterState::kStopping;
}

Next Session::without_descriptor() {
  return DescriptorMotion::table_lost() ? Next::kRead : Next::kClose;
}

Next wait_for_request(Session& session, bool served) {
  Slot& slot = *session.slot;
  const auto& timeouts = session.context.config.timeouts;
  if (session.inbox.data().empty() && !session.socket().record_begun()) {
    slot.clear(SlotFlags::kOneAtATime);
    set_deadline(slot, Deadline::kKeepAlive, session.in(timeouts.keep_alive));
    return Next::kRead;
  }
  // A head's deadline runs from its first byte; later ones do not move it.
  if (served || slot.deadline_kind != Deadline::kHeader)
    set_deadline(slot, Deadline::kHeader, session.in(timeouts.header));
  if (served || session.inbox.keep_partial(session.fd, slot)) return Next::kRead;
  return Session::without_descriptor();
}

}  // namespace baton::h1
