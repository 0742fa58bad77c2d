// make survive: a real server under hundreds of clients that check every byte, while its workers are killed.
//
//   survive [--short] [--seed N] [--seconds N] [--kills N]
//
// Prints what was done, what the clients have seen, and a verdict on each of the numbers to reach; exit
// status 1 when one was missed. The same seed does the same things in the same order; when each of them meets
// which client is up to the machine.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "common/base/clock.h"
#include "tests/campaign/crowd.h"
#include "tests/campaign/schedule.h"
#include "tests/campaign/site.h"
#include "tests/support/accounts.h"
#include "tests/support/crash_points.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"

namespace baton::survive {
namespace {

constexpr unsigned kWorkers = 4;

struct Share {
  Manner manner;
  int tcp;
  int unix_socket;
};

using Mix = std::vector<Share>;

const Mix kMixed{
    {Manner::kKeepAlive, 60, 10},   {Manner::kPipelining, 25, 6}, {Manner::kFastDownload, 8, 2},
    {Manner::kSlowDownload, 10, 2}, {Manner::kRanges, 10, 2},     {Manner::kUpload, 12, 3},
    {Manner::kChunked, 12, 3},      {Manner::kIdle, 40, 5},       {Manner::kOneShot, 12, 3},
    {Manner::kHalfHeads, 12, 3},    {Manner::kReset, 8, 2},       {Manner::kPost, 15, 3},
};

// Nothing that needs a descriptor of its own, because there may be none.
const Mix kPlain{{Manner::kKeepAlive, 20, 5},
                 {Manner::kIdle, 10, 0},
                 {Manner::kOneShot, 80, 20},
                 {Manner::kHalfHeads, 5, 0}};

struct Options {
  bool brief = false;
  std::uint64_t seed = 0;
  std::uint64_t seconds = 60;
  std::uint64_t kills = 2'000;
  bool verbose = false;
  std::vector<std::string> without;
  std::string only;  // a scene; empty: all
};

struct Scene {
  const char* name;
  const Mix& mix;
  unsigned max_connections;
  rlim_t descriptors;  // of a worker; 0: enough for all
  bool plain;
  bool tls;  // over TCP
};

const Scene kLoad{"mixed load", kMixed, 1'000, 0, false, false};
const Scene kTls{"mixed load over TLS", kMixed, 1'000, 0, false, true};
// Fewer descriptors than clients: accepting stops and goes on all the time. There may be more connections
// than that, because at max_connections idle ones are closed.
const Scene kFull{"a full descriptor table", kPlain, 200, 80, true, false};

float quantile(std::vector<float>& sorted, double part) {
  return sorted.empty() ? 0 : sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
}

class Report {
 public:
  void line(const char* what, const std::string& value) { std::printf("  %-58s %s\n", what, value.c_str()); }
  void line(const char* what, std::uint64_t value) { line(what, std::to_string(value)); }
  // A number to reach.
  void judge(const char* what, const std::string& value, bool reached) {
    std::printf("  %-4s %-53s %s\n", reached ? "PASS" : "FAIL", what, value.c_str());
    passed_ = passed_ && reached;
  }
  void none(const char* what, std::uint64_t value) { judge(what, std::to_string(value), value == 0); }
  [[nodiscard]] bool passed() const { return passed_; }

 private:
  bool passed_ = true;
};

std::string milliseconds(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f ms", static_cast<double>(value));
  return text;
}

bool upgrades_supported() {
  return test::run_program({test::baton_binary(), "--help"}).out.find("USR2") != std::string::npos;
}

Plan plan_of(const Scene& scene, const Options& options) {
  const auto wanted = [&options](const char* what) {
    return std::find(options.without.begin(), options.without.end(), what) == options.without.end();
  };
  Plan plan;
  plan.seed = options.seed;
  plan.kills = options.kills;
  plan.seconds = options.seconds;
  plan.points = wanted("points");
  plan.stops = wanted("stops");
  plan.reloads = wanted("reloads");
  plan.upgrades = wanted("upgrades") && upgrades_supported();
  plan.verbose = options.verbose;
  plan.descriptors = scene.descriptors;
  return plan;
}

class Campaign {
 public:
  Campaign(const Scene& scene, const Options& options)
      : scene_(scene),
        options_(options),
        points_(site_.folder),
        server_(site_.folder, site_.config(kWorkers, scene.max_connections, scene.tls)),
        target_{scene.plain, server_.port(), scene.tls, site_.socket()},
        schedule_(plan_of(scene, options), server_, points_) {
    for (int i = 0; i < 2; ++i) crowds_.push_back(std::make_unique<Crowd>(target_, tally_));
    std::uint64_t seed = options.seed * 1'000;
    for (const Share& share : scene.mix) {
      for (int i = 0; i < share.tcp + share.unix_socket; ++i, ++seed)
        crowds_[seed % crowds_.size()]->add(share.manner, i >= share.tcp, seed);
    }
  }

  bool run() {
    std::printf("%s, seed %llu: %zu clients, %u workers, %llu s, %llu kills\n", scene_.name,
                static_cast<unsigned long long>(options_.seed), crowds_[0]->size() + crowds_[1]->size(),
                kWorkers, static_cast<unsigned long long>(options_.seconds),
                static_cast<unsigned long long>(options_.kills));
    std::fflush(stdout);
    points_.watch();
    const std::uint64_t begin = monotonic_ns();
    for (const auto& crowd : crowds_) crowd->start();
    schedule_.run();
    seconds_ = static_cast<double>(monotonic_ns() - begin) / 1e9;
    for (const auto& crowd : crowds_) crowd->finish();
    settle();
    return report();
  }

 private:
  // Waits for the state that must come once all clients have gone.
  void settle() {
    clean_ = test::wait_until([this] {
      return server_.workers().size() == kWorkers && test::count_connections(server_) == 0 &&
             test::slots_add_up(server_) && test::unaccounted_descriptors(server_).empty();
    });
    unaccounted_ = test::unaccounted_descriptors(server_);
    slots_ = test::count_connections(server_);
    for (const auto& [target, times] : points_.handled()) handled_twice_ += times > 1 ? 1 : 0;
  }

  bool report() {
    Report out;
    done(out);
    seen(out);
    numbers(out);
    for (const std::string& note : tally_.notes()) std::printf("    %s\n", note.c_str());
    for (const std::string& leaked : unaccounted_) std::printf("    leaked: %s\n", leaked.c_str());
    if (!out.passed()) std::printf("%s", server_.log().c_str());
    std::printf("%s (seed %llu)\n", out.passed() ? "PASS" : "FAIL",
                static_cast<unsigned long long>(options_.seed));
    return out.passed();
  }

  void done(Report& out) const {
    const Done& done = schedule_.done();
    std::printf("done\n");
    out.line("SIGKILL of any worker, at a random moment", done.kills_at_random);
    out.line("SIGKILL of a worker with a connection in hand", done.kills_of_busy);
    out.line("SIGKILL at a random labelled step", done.kills_at_points);
    out.line("SIGSTOP, and SIGCONT 5 to 150 ms later", done.stops);
    out.line("SIGHUP, in storms", done.reloads);
    out.line("SIGUSR2", upgrades_supported() ? std::to_string(done.upgrades) : "not in this build");
    out.line("a full spool directory", "does not apply: spools are memfds");
  }

  void seen(Report& out) {
    std::vector<float> latencies;
    for (const auto& crowd : crowds_)
      latencies.insert(latencies.end(), crowd->latencies_ms().begin(), crowd->latencies_ms().end());
    std::sort(latencies.begin(), latencies.end());
    std::printf("seen by the clients\n");
    out.line("connections", tally_.connections);
    out.line("requests", tally_.requests);
    out.line("requests a second",
             static_cast<std::uint64_t>(static_cast<double>(tally_.requests) / seconds_));
    out.line("MB checked", tally_.bytes_checked >> 20);
    out.line("resets by the client", tally_.reset_by_us);
    out.line("small GETs: median, p99, worst", milliseconds(quantile(latencies, 0.5)) + ", " +
                                                   milliseconds(quantile(latencies, 0.99)) + ", " +
                                                   milliseconds(quantile(latencies, 1)));
    out.line("POSTs answered with 500 or lost, none repeated", tally_.failed_posts);
    out.line("Unix sockets ended in the middle of a response", tally_.unix_cut);
    out.line("Unix sockets ended in any other state", tally_.unix_dropped);
    out.line("recovered connections that had nothing due", schedule_.recovery().waiting_for_client());
  }

  void numbers(Report& out) {
    std::printf("numbers to reach\n");
    const std::uint64_t kills = schedule_.done().kills();
    out.judge("SIGKILLs", std::to_string(kills), kills >= options_.kills);
    if (scene_.descriptors != 0) {
      const std::uint64_t pauses = server_.total(&Counters::accept_paused);
      out.judge("times that there was no descriptor for a new client", std::to_string(pauses), pauses > 0);
    }
    out.none("corrupted responses", tally_.corrupted);
    for (std::size_t i = 0; i < kDrops; ++i) {
      if (static_cast<Drop>(i) != Drop::kPosting)
        out.none((std::string("dropped while ") + kDropNames[i]).c_str(), tally_.dropped[i]);
    }
    out.none("failed idempotent requests", tally_.failed_idempotent);
    out.none("clients left without progress for 10 s", tally_.hung);
    out.none("non-idempotent requests handled twice", handled_twice_);
    out.none("leaked descriptors", unaccounted_.size());
    out.none("leaked slots", slots_);
    out.judge("all workers there, all counts right", clean_ ? "yes" : "no", clean_);
    std::vector<float> times = schedule_.recovery().latencies_ms();
    std::sort(times.begin(), times.end());
    const std::string text = "(" + std::to_string(times.size()) + " measured)";
    latency(out, "death to served again, median <= 5 ms", quantile(times, 0.5), 5, text);
    out.line("death to served again, p99", milliseconds(quantile(times, 0.99)));
    latency(out, "death to served again, worst <= 100 ms", quantile(times, 1), 100, text);
    out.none("connections that nobody took up", schedule_.recovery().never());
  }

  // The short form runs beside other tests, where a time says nothing.
  void latency(Report& out, const char* what, float value, float most, const std::string& text) const {
    const std::string shown = milliseconds(value) + " " + text;
    options_.brief ? out.line(what, shown) : out.judge(what, shown, value > 0 && value <= most);
  }

  const Scene& scene_;
  const Options options_;
  const Site site_;
  test::CrashPoints points_;
  const test::Server server_;
  const Target target_;
  Tally tally_;
  std::vector<std::unique_ptr<Crowd>> crowds_;
  Schedule schedule_;
  double seconds_ = 0;
  bool clean_ = false;
  std::vector<std::string> unaccounted_;
  std::size_t slots_ = 0;
  std::uint64_t handled_twice_ = 0;
};

}  // namespace
}  // namespace baton::survive

int main(int argc, char** argv) {
  baton::survive::Options options;
  CLI::App app{"Kills the workers of a real server while hundreds of clients check every byte."};
  app.add_flag("--short", options.brief, "5 s, 200 kills; times are shown and not judged");
  app.add_option("--seed", options.seed, "Of the schedule and the clients; default: the time");
  app.add_option("--without", options.without, "Leave these out: to find what it takes")
      ->check(CLI::IsMember({"points", "stops", "reloads", "upgrades"}));
  app.add_option("--only", options.only, "Only this scene")->check(CLI::IsMember({"load", "tls", "full"}));
  app.add_flag("--verbose", options.verbose, "Print the label of every kill at one");
  app.add_option("--seconds", options.seconds)->capture_default_str();
  app.add_option("--kills", options.kills)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (options.seed == 0) options.seed = baton::monotonic_ns() % 1'000'000;
  if (options.brief) options.seconds = 5;
  if (options.brief) options.kills = 200;
  try {
    bool passed = true;
    const auto play = [&](const char* name, const baton::survive::Scene& scene) {
      if (!options.only.empty() && options.only != name) return;
      passed = baton::survive::Campaign(scene, options).run() && passed;
    };
    play("load", baton::survive::kLoad);
    play("tls", baton::survive::kTls);
    options.seconds /= 5;
    options.kills /= 5;
    play("full", baton::survive::kFull);
    return passed ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "survive: %s\n", error.what());
    return 1;
  }
}
