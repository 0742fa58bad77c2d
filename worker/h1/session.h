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

constexpr std::string_view kRetryAfter = "1";  // seconds: a guess, nobody knows when a handler ends
constexpr std::string_view kNoPlace = "All workers that may serve requests of this kind are busy.";

// How a worker hands a connection back at the end of a turn.
enum class Next : std::uint8_t {
  kRead,   // armed for reading
  kWrite,  // armed for writing: a response is parked, or another worker is to take the connection at once
  kWait,   // released, but not armed: its request waits for a place (admission.h)
  kClose,  // the connection ends
};

// What becomes of the connection when its response has been sent.
enum class After : std::uint8_t {
  kKeepAlive,
  kClose,
  kLinger,  // it is closed later: with input unread, or still to come, a close would send a reset
};

// One per worker, for its event thread. Nothing of a connection stays here between two turns, because the
// next event of that connection may go to another process. State that has to last is in the slot.
struct Session {
  Session(const WorkerContext& of, AccessLog& access_log);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Begins a turn of connection `of`, which this worker holds. `now_ns`: monotonic_ns() of its event.
  void begin(int of, std::uint64_t now_ns);
  // Ends the turn. Closes every file that its response has opened: a worker may retire after any turn.
  void end();

  [[nodiscard]] Transport socket() const { return {fd, *slot}; }
  [[nodiscard]] SlotNotes& notes() const { return table.notes(fd); }
  [[nodiscard]] Tick in(Duration duration) const { return tick + ticks_of(duration); }
  [[nodiscard]] bool time_is_up() const { return monotonic_ns() >= turn_end_ns; }
  [[nodiscard]] bool stopping() const;
  // Whether the connection in hand is encrypted with TLS.
  [[nodiscard]] bool secure() const;

  // What to do with a connection that needs a descriptor when this worker cannot open one. kRead: this worker
  // must not change the descriptor table now, another worker can go on. kClose: there are no descriptors.
  static Next without_descriptor();

  // -- Of the worker.
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
  std::uint64_t turn_end_ns = 0;    // after this, nothing more is begun in this turn
  std::optional<Tick> waits_until;  // set if the request has been waiting for a place: its deadline

  // -- Of the request in hand.
  http::Request request;
  http::Reply reply;
};

// Sets the deadline for the next request, and keeps the part of it that has arrived. Returns how the
// connection is handed back.
//
// `served`: a response has just been sent. Then the bytes that are left may hold complete requests. Re-arming
// reports them at once, and the next event takes them up, after the other connections that are ready.
Next wait_for_request(Session& session, bool served);

}  // namespace baton::h1
