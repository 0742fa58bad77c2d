// What is told about the death of a worker.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/log.h"
#include "common/shared/segment.h"
#include "master/death.h"
#include "master/generation.h"
#include "master/recovery.h"
#include "master/repeated.h"
#include "master/symbolizer.h"
#include "worker/route/router.h"

namespace baton {

// What a fatal signal's handler left: see CrashRecord. `signal` is 0 when there was none.
struct Crash {
  int signal = 0;
  int code = 0;
  std::uint64_t address = 0;
  Symbolizer::Backtrace frames;
};

// What the scoreboard says of a worker that has just died: its own words, for people. Only who it was and
// which entry is its own the master knows itself.
struct LastMoments {
  ProcessRole role = ProcessRole::kWorker;
  std::uint32_t ordinal = 0;
  pid_t pid = -1;
  bool was_ready = false;
  double lived_s = 0;
  std::uint64_t requests = 0;
  FlightPhase phase = FlightPhase::kWaiting;
  double busy_s = 0;           // when it had an event in hand
  std::uint32_t limit_ms = 0;  // how long that might have taken
  std::string request;         // its request line as sent; empty when none was read
  std::string route;           // the path of the route that made the response; empty when none did
  std::string peer;            // whose connection it was; empty when it had none
  Crash crash;
  std::string complaint;  // of one that could not start: why not, or what it was at; empty: it did not say
};

// Why one did not become ready: what it said itself; else `who`, how it ended, `when` and what it was at.
std::string failure_of(const LastMoments& moments, const Death& death, std::string_view who = "",
                       std::string_view when = "");

// Has to be called before the master lets anybody else have what the dead one held, and its entry.
LastMoments last_moments(const Segment& segment, const WorkerProcess& worker, const serve::Router& router,
                         std::uint64_t now_ns);

// "worker 1 (pid 4711)".
std::string name_of(const LastMoments& moments);

// The post-mortem in one line: who, how, after how long, doing what, and what became of its connections.
std::string describe(const LastMoments& moments, const Death& death, const std::vector<Recovered>& held);

// Writes post-mortems to the log. The line at once; the backtrace of a crash when it has been looked up,
// which another process does (master/symbolizer.h), so a second or so later. At most one new backtrace a
// second is looked up; in a storm of different crashes the others are given as offsets in the program file.
// Deaths that are the same are told ten times in a minute (master/repeated.h): who has one worker after the
// other crash shall not fill the disk.
class PostMortem {
 public:
  void report(log::Level level, const LastMoments& moments, const Death& death,
              const std::vector<Recovered>& held, std::uint64_t now_ns);
  // At every tick: says how many of a minute were not told.
  void tick(std::uint64_t now_ns);
  // Goes on with backtraces that are being looked up. On SIGCHLD.
  void proceed();
  // Writes what is left as it is. Before the end, and before this process becomes another program.
  void finish();

 private:
  void write_pending();
  void write_backtrace(const std::string& who, const Symbolizer::Backtrace& frames) const;

  Symbolizer symbolizer_;
  Repeated deaths_;
  // Being looked up, or the same as one that is.
  struct Pending {
    std::string who;
    Symbolizer::Backtrace frames;
  };
  std::deque<Pending> pending_;
};

}  // namespace baton
