#include "master/post_mortem.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <memory>
#include <string_view>

#include "common/base/log.h"
#include "common/base/printable.h"
#include "common/base/units.h"
#include "worker/worker.h"

namespace baton {

namespace {

constexpr std::size_t kMostPending = 20;

double seconds_between(std::uint64_t start_ns, std::uint64_t end_ns) {
  return start_ns < end_ns ? static_cast<double>(end_ns - start_ns) / 1e9 : 0;
}

// Some code of the worker's, as the master can find it. All that the record says is believed only as far as
// nothing worse than a wrong name can come of it.
Symbolizer::Frame locate(const std::vector<CrashRecord::Object>& objects, std::uint64_t address,
                         const serve::Router& router) {
  const auto object = std::find_if(
      objects.begin(), objects.end(),
      [address](const CrashRecord::Object& other) { return address >= other.begin && address < other.end; });
  Dl_info info{};
  if (object == objects.end() || (object->image < 0 && ::dladdr(std::bit_cast<void*>(address), &info) != 0))
    return address;
  std::shared_ptr<const app::ModuleImage> image;
  router.for_each_route([&](const serve::Route& route) {
    if (route.module && route.module->fd() == object->image) image = route.module;
  });
  std::string name = text_of(object->name);
  return {address - object->bias, name.empty() ? "?" : name, std::move(image)};
}

Crash crash_of(const CrashRecord& record, const serve::Router& router) {
  Crash crash;
  const std::size_t count =
      std::min<std::size_t>(record.frame_count.load(std::memory_order_acquire), CrashRecord::kMaxFrames);
  if (count == 0) return crash;
  crash.signal = record.signal;
  crash.code = record.code;
  crash.address = record.address;
  // Copied first: others than the dead one may be writing there.
  const std::size_t object_count =
      std::min<std::size_t>(record.object_count.load(std::memory_order_acquire), CrashRecord::kMaxObjects);
  const std::vector<CrashRecord::Object> objects(record.objects, record.objects + object_count);
  const std::vector<std::uint64_t> frames(record.frames, record.frames + count);
  for (const std::uint64_t frame : frames) crash.frames.push_back(locate(objects, frame, router));
  return crash;
}

// Where the fault was, or who sent the signal.
std::string fault_of(const Crash& crash, pid_t pid) {
  if (crash.signal == 0) return "";
  if (crash.code <= 0) {
    const auto sender = static_cast<pid_t>(crash.address);
    return sender == pid ? "" : fmt::format(", sent by pid {}", sender);
  }
  if (crash.signal != SIGSEGV && crash.signal != SIGBUS) return "";
  std::string_view why;
  if (crash.signal == SIGSEGV && crash.code == SEGV_MAPERR) why = " (not mapped)";
  if (crash.signal == SIGSEGV && crash.code == SEGV_ACCERR) why = " (no permission)";
  if (crash.signal == SIGSEGV && crash.code == SEGV_PKUERR) why = " (protection key)";
  return fmt::format(", at address {:#x}{}", crash.address, why);
}

// Of one that ended without having said why.
std::string unfinished(const LastMoments& moments, const Death& death) {
  const bool said = death.cause == Cause::kExited && death.number == WorkerExit::kCannotStart;
  return said || moments.complaint.empty() ? "" : ": " + moments.complaint;
}

std::string doing(const LastMoments& moments, const Death& death) {
  if (!moments.was_ready) return "not ready yet" + unfinished(moments, death);
  if (moments.phase == FlightPhase::kWaiting) return "waiting for events";
  std::string text = fmt::format("{} for {}", to_string(moments.phase), format_duration(moments.busy_s));
  if (!moments.request.empty()) text += fmt::format(", \"{}\"", printable(moments.request));
  if (!moments.route.empty()) text += fmt::format(", route {}", printable(moments.route));
  if (!moments.peer.empty()) text += fmt::format(", client {}", printable(moments.peer));
  return text;
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kHandedOn: return "handed on";
    case Outcome::kBegunAgain: return "handed on, its request is begun again";
    case Outcome::kResumed: return "handed on, its response goes on where it stopped";
    case Outcome::kAnswered: return "handed on, its request is answered with an error";
    case Outcome::kClosed: return "closed";
  }
  return "?";
}

std::string what_became_of(const std::vector<Recovered>& held) {
  if (held.empty()) return "no connection in its hands";
  if (held.size() == 1) return fmt::format("connection {} {}", held[0].fd, to_string(held[0].outcome));
  std::map<Outcome, int> counts;
  for (const Recovered& recovered : held) ++counts[recovered.outcome];
  std::string text = "connections";
  for (const auto& [outcome, count] : counts) {
    text += fmt::format("{} {} {}", text.back() == 's' ? ":" : ";", count, to_string(outcome));
  }
  return text;
}

// Deaths of one kind have one cause, as far as can be seen: the same end, in the same route, called from the
// same places. A worker that takes too long is ended wherever it happens to be.
std::string kind_of(const LastMoments& moments, const Death& death) {
  std::string kind = fmt::format("{} {} {}", static_cast<int>(death.cause), death.number, moments.route);
  if (death.cause == Cause::kWatchdog) return kind;
  for (const Symbolizer::Frame& frame : moments.crash.frames)
    kind += fmt::format(" {}+{:x}", frame.object, frame.address);
  return kind;
}

void tell_counted(const std::vector<Repeated::Counted>& kinds) {
  for (const Repeated::Counted& kind : kinds) {
    const std::string times = format_count(kind.times);
    if (kind.what.empty()) {
      log::warn("within a minute {} more workers died, each in a way that is not told apart", times);
    } else {
      log::warn("within a minute {} more died as {}", times, kind.what);
    }
  }
}

}  // namespace

LastMoments last_moments(const Segment& segment, const WorkerProcess& worker, const serve::Router& router,
                         std::uint64_t now_ns) {
  const Holder dead = worker.index;
  const WorkerEntry& entry = segment.scoreboard()[dead];
  const FlightRecord& flight = entry.flight;
  LastMoments moments;
  moments.role = worker.role;
  moments.ordinal = worker.ordinal;
  moments.pid = worker.pid;
  moments.was_ready = entry.state.load(std::memory_order_acquire) != WorkerState::kStarting;
  moments.lived_s = seconds_between(entry.started_ns.load(std::memory_order_relaxed), now_ns);
  moments.requests = entry.counters.requests.load(std::memory_order_relaxed);
  moments.crash = crash_of(entry.crash, router);
  if (!moments.was_ready) moments.complaint = printable(text_of(entry.complaint));
  moments.phase = flight.phase.load(std::memory_order_relaxed);
  if (moments.phase == FlightPhase::kWaiting) return moments;
  moments.busy_s = seconds_between(flight.since_ns.load(std::memory_order_relaxed), now_ns);
  moments.limit_ms = flight.limit_ms.load(std::memory_order_relaxed);
  // The line of the request before stays there until the next one has been read.
  if (moments.phase == FlightPhase::kServing || moments.phase == FlightPhase::kSending) {
    const std::size_t length = flight.request_length.load(std::memory_order_acquire);
    moments.request.assign(flight.request_line, std::min(length, FlightRecord::kRequestLineBytes));
    const serve::Route* route = router.find(flight.route.load(std::memory_order_relaxed));
    if (route != nullptr && length != 0) moments.route = route->config->path;
  }
  const std::uint32_t fd = flight.connection.load(std::memory_order_relaxed);
  const ConnectionTable table = segment.connections();
  if (fd < table.size() && table.claim(static_cast<int>(fd)).holder == dead) {
    std::array<char, 64> text{};
    const Peer peer = table.notes(static_cast<int>(fd)).peer;
    moments.peer = peer.format_full(text);
  }
  return moments;
}

std::string name_of(const LastMoments& moments) {
  return fmt::format("{} {} (pid {})", to_string(moments.role), moments.ordinal, moments.pid);
}

std::string failure_of(const LastMoments& moments, const Death& death, std::string_view who,
                       std::string_view when) {
  const std::string what = unfinished(moments, death);
  if (what.empty() && !moments.complaint.empty()) return moments.complaint;
  return fmt::format("{}{}{}{}", who, to_string(death), when, what);
}

std::string describe(const LastMoments& moments, const Death& death, const std::vector<Recovered>& held) {
  std::string text = name_of(moments) + ' ' + to_string(death);
  if (death.cause == Cause::kWatchdog) {
    text += fmt::format(", more than {} in one request", format_duration(moments.limit_ms / 1000.0));
  } else {
    text += fault_of(moments.crash, moments.pid);
  }
  return fmt::format("{}; after {} and {} requests; {}; {}", text, format_duration(moments.lived_s),
                     format_count(moments.requests), doing(moments, death), what_became_of(held));
}

void PostMortem::report(log::Level level, const LastMoments& moments, const Death& death,
                        const std::vector<Recovered>& held, std::uint64_t now_ns) {
  const std::string who = name_of(moments);
  if (!deaths_.tell(kind_of(moments, death), who + ": " + to_string(death), now_ns)) return;
  log::write(level, "{}", describe(moments, death, held));
  const Symbolizer::Backtrace& frames = moments.crash.frames;
  if (frames.empty() || !log::enabled(level)) return;
  if (symbolizer_.knows(frames)) return write_backtrace(who, frames);
  const auto asked = std::find_if(pending_.begin(), pending_.end(),
                                  [&frames](const Pending& other) { return other.frames == frames; });
  const bool same = asked != pending_.end() && pending_.size() < kMostPending;
  if (same || symbolizer_.start(frames, now_ns)) {
    pending_.push_back({who, frames});
  } else {
    std::string text;
    for (const std::string& frame : symbolizer_.describe(frames)) text += " " + frame;
    log::warn("{} crashed at (not looked up: too many crashes at a time){}", who, printable(text));
  }
}

void PostMortem::proceed() {
  if (!symbolizer_.busy()) write_pending();
}

void PostMortem::tick(std::uint64_t now_ns) {
  tell_counted(deaths_.over(now_ns));
}

void PostMortem::finish() {
  symbolizer_.stop();
  write_pending();
  tell_counted(deaths_.all());
}

void PostMortem::write_pending() {
  for (const Pending& pending : pending_) write_backtrace(pending.who, pending.frames);
  pending_.clear();
}

void PostMortem::write_backtrace(const std::string& who, const Symbolizer::Backtrace& frames) const {
  const std::vector<std::string> texts = symbolizer_.describe(frames);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    log::warn("{} {} #{:<2} {}", who, i == 0 ? "crashed at" : "called by ", i, printable(texts[i]));
  }
}

}  // namespace baton
