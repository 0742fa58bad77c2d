// What the machines of worker/h1 work on: the connection in hand, and what a worker has to serve it with.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string_view>

#include "common/base/clock.h"
#include "common/http/parser.h"
#include "common/http/reply.h"
#include "common/http/request.h"
#include "worker/connection/inbox.h"
#include "worker/connection/outbox.h"
#include "worker/connection/transport.h"
#include "worker/process/access_log.h"
#include "worker/process/context.h"
#include "worker/serve/file_cache.h"

namespace baton::h1 {

constexpr std::string_view kRetryAfter = "1";  // seconds; nobody knows when one of the others is done
constexpr std::string_view kNoPlace = "All workers that may serve requests of this kind are busy.";

// How a connection is handed back.
enum class Next : std::uint8_t {
  kRead,   // armed for reading
  kWrite,  // armed for writing: something is parked, or a worker is wanted at once
  kWait,   // for a place (admission.h): released, but not in the epoll set
  kClose,
};

// What becomes of the connection when its response has been sent.
enum class After : std::uint8_t {
  kKeepAlive,
  kClose,
  kLinger,  // it is closed, but input is unread, or still to come, that must not reset it
};

// One per worker. No state of a connection is kept here between two turns, because the next event of that
// connection may go to another process: what has to last stands in the slot.
struct Session {
  Session(const WorkerContext& of, AccessLog& access_log);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Takes up a connection that this worker holds.
  void begin(int of, std::uint64_t now_ns);
  // What was opened for its response must not outlast it: a worker may retire after any turn.
  void end();

  [[nodiscard]] Transport socket() const { return {fd, *slot}; }
  [[nodiscard]] SlotNotes& notes() const { return table.notes(fd); }
  [[nodiscard]] Tick in(Duration duration) const { return tick + ticks_of(duration); }
  [[nodiscard]] bool time_is_up() const { return monotonic_ns() >= turn_end_ns; }
  [[nodiscard]] bool stopping() const;

  // How it is handed back when it needs a descriptor and there is none to be had.
  static Next without_descriptor();

  // -- The worker's.
  const WorkerContext& context;
  Counters& counters;
  FlightRecord& flight;
  const ConnectionTable table;
  AccessLog& log;
  const SpoolPlace spool_place;
  http::ParserLimits parser_limits;
  Inbox inbox;
  Outbox outbox;
  serve::FileCache files;

  // -- Of the connection in hand.
  int fd = -1;
  Slot* slot = nullptr;
  Tick tick = 0;                    // now, for deadlines
  std::time_t now = 0;              // now, for dates
  std::uint64_t started_ns = 0;     // when the request in hand began
  std::uint64_t turn_end_ns = 0;    // when the event has had its time: others are waiting
  std::optional<Tick> waits_until;  // it has been waiting for a place: until then

  // -- Of the request in hand.
  http::Request request;
  http::Reply reply;
};

// Hands the connection back until more of a request arrives. After a response (`served`) complete requests
// may be among what is left: re-arming reports them at once, and the next event takes them up, after the other
// connections that are ready.
Next wait_for_request(Session& session, bool served);

}  // namespace baton::h1
