// A worker dies at each labelled step, one by one, and what the client sees is what docs/survival.md says;
// nothing is left behind. The table is the specification: a label without a row fails.
#include "tests/support/crash_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "tests/support/accounts.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"
#include "tests/survival/behaviours.h"

namespace baton::test {
namespace {

enum class Outcome {
  kServed,      // every answer exact and in its place, and the connection goes on
  kAtMostOnce,  // the same, but the request not to be repeated may have been answered with 500; handled once
                // at most
  kMayEnd,      // the connection may end: what came until then was exact
  kNotReached,  // not a step of this kind of socket
};

struct Row {
  const char* label;
  std::vector<const char*> behaviours;
  Outcome tcp;
  Outcome unix_socket;
  std::optional<Outcome> tls = std::nullopt;  // nothing: as `tcp`

  [[nodiscard]] Outcome over_tls() const { return tls.value_or(tcp); }
};

const std::vector<Row>& table() {
  using enum Outcome;
  static const std::vector<Row> rows{
      {"after-accept", {"fresh"}, kMayEnd, kMayEnd},
      {"after-open-slot", {"fresh"}, kMayEnd, kMayEnd},
      {"accepted", {"fresh"}, kServed, kServed},
      {"before-watch", {"together"}, kServed, kServed, kNotReached},
      {"after-claim", {"kept", "download", "put", "halves"}, kServed, kServed},
      {"head-peeked", {"fresh", "kept", "pipelined", "halves", "head"}, kServed, kServed},
      {"partial-marked", {"halves"}, kServed, kNotReached, kNotReached},
      {"before-release", {"fresh", "halves", "download", "put"}, kServed, kServed},
      {"before-release", {"kept"}, kServed, kMayEnd},
      {"between-mod-and-store", {"kept", "halves", "download", "put", "listing"}, kServed, kServed},
      {"after-release", {"kept", "halves", "download", "put", "listing"}, kServed, kServed},
      {"handler-begun",
       {"fresh", "kept", "file", "pipelined", "put", "chunked", "head", "closing"},
       kServed,
       kServed},
      {"handler-begun", {"post"}, kAtMostOnce, kAtMostOnce},
      {"response-composed", {"kept", "file", "pipelined", "put", "ranges", "closing"}, kServed, kServed},
      {"response-composed", {"post"}, kAtMostOnce, kAtMostOnce},
      {"after-store-response",
       {"kept", "pipelined", "download", "ranges", "listing", "put", "refused"},
       kServed,
       kMayEnd},
      {"after-store-response", {"post"}, kAtMostOnce, kMayEnd},
      {"mid-send", {"file", "download", "ranges", "pipelined"}, kServed, kMayEnd, kNotReached},
      {"after-send",
       {"kept", "file", "pipelined", "download", "ranges", "listing", "put", "chunked", "closing"},
       kServed,
       kMayEnd},
      {"after-send", {"post"}, kAtMostOnce, kMayEnd},
      {"mid-consume", {"kept", "pipelined", "download", "put"}, kServed, kMayEnd},
      {"mid-consume", {"post"}, kAtMostOnce, kMayEnd},
      {"after-consume", {"kept", "pipelined", "download", "ranges", "put", "closing"}, kServed, kMayEnd},
      {"after-consume", {"post"}, kAtMostOnce, kMayEnd},
      {"file-sent", {"file", "download", "ranges"}, kServed, kMayEnd, kNotReached},
      {"spool-dropped", {"put", "chunked"}, kServed, kMayEnd},
      {"spool-created", {"put", "chunked"}, kServed, kServed},
      {"spool-written", {"put", "chunked"}, kServed, kServed},
      {"spool-noted", {"put", "chunked"}, kServed, kMayEnd},
      {"spool-taken", {"put", "chunked"}, kServed, kMayEnd},
      {"body-begun", {"put", "chunked"}, kServed, kServed},
      {"body-taken", {"put"}, kServed, kMayEnd},
      {"chunk-noted", {"chunked"}, kServed, kMayEnd},
      {"chunk-taken", {"chunked"}, kServed, kMayEnd},
      {"park-dup", {"download", "listing"}, kServed, kMayEnd},
      {"park-script", {"ranges"}, kServed, kMayEnd},
      {"park-stored", {"download", "ranges", "listing"}, kServed, kMayEnd},
      {"parked", {"download", "ranges", "listing"}, kServed, kMayEnd},
      {"resume-sent", {"download", "ranges", "listing"}, kServed, kServed},
      {"between-pieces", {"ranges"}, kServed, kServed, kNotReached},
      {"drop-parked", {"download", "ranges", "listing"}, kServed, kServed},
      {"permit-acquired", {"module"}, kServed, kServed},
      {"handler-done", {"module", "module-put", "module-chunked", "module-large"}, kServed, kServed},
      {"handler-done", {"module-post"}, kAtMostOnce, kAtMostOnce},
      {"handler-done", {"module-stream", "module-late"}, kMayEnd, kMayEnd},
      {"stream-begun", {"module-stream", "module-late"}, kMayEnd, kMayEnd},
      {"stream-sent", {"module-stream", "module-late"}, kMayEnd, kMayEnd},
      {"made-opened", {"module-large", "module-late"}, kServed, kServed},
      {"made-opened", {"module-stream"}, kMayEnd, kMayEnd},
      {"made-stored", {"module-large", "module-late"}, kServed, kServed},
      {"stored-appended", {"module-late"}, kMayEnd, kMayEnd},
      {"body-spooled", {"module-put"}, kServed, kServed},
      {"spooled-taken", {"module-put"}, kServed, kMayEnd},
      {"spool-copied", {"module-put", "module-chunked"}, kServed, kServed},
      {"spool-moved", {"module-put", "module-chunked"}, kServed, kServed},
      {"chunks-spooled", {"module-chunked"}, kServed, kServed},
      {"charge-noted", {"put", "chunked", "module-put", "module-chunked"}, kServed, kServed},
      {"charge-made", {"put", "chunked", "module-put", "module-chunked"}, kServed, kServed},
      {"charge-noted", {"module-large"}, kServed, kServed},
      {"charge-made", {"module-large"}, kServed, kServed},
      {"chunk-noted", {"module-chunked"}, kServed, kMayEnd},
      {"chunk-taken", {"module-chunked"}, kServed, kMayEnd},
      {"body-begun", {"module-put", "module-chunked"}, kServed, kServed},
      {"after-store-response", {"module-large", "module-stream", "module-put"}, kServed, kMayEnd},
      {"park-stored", {"module-large", "module-stream"}, kServed, kMayEnd},
      {"parked", {"module-large", "module-stream"}, kServed, kMayEnd},
      {"lingering", {"refused"}, kServed, kServed},
      {"after-free-before-close", {"closing", "refused"}, kServed, kServed},
      {"file-opened", {"uncached"}, kServed, kServed},
      {"file-filled", {"uncached"}, kServed, kServed},
      {"file-published", {"uncached"}, kServed, kServed},
      {"handshake-claimed", {"fresh"}, kNotReached, kNotReached, kServed},
      {"handshake-advanced", {"fresh"}, kNotReached, kNotReached, kServed},
      {"handshake-sent", {"fresh"}, kNotReached, kNotReached, kServed},
      {"handshake-before-release", {"fresh"}, kNotReached, kNotReached, kServed},
      {"handshake-consumed", {"fresh"}, kNotReached, kNotReached, kServed},
      {"handshake-over", {"fresh"}, kNotReached, kNotReached, kServed},
      {"handshake-handed-over", {"fresh"}, kNotReached, kNotReached, kServed},
      {"tls-planned", {"kept", "download", "ranges", "put", "key-update"}, kNotReached, kNotReached, kServed},
      {"tls-planned", {"module-stream", "module-late"}, kNotReached, kNotReached, kMayEnd},
      {"tls-sent",
       {"kept", "file", "pipelined", "download", "ranges", "listing", "closing", "key-update"},
       kNotReached,
       kNotReached,
       kServed},
      {"tls-interim-sent", {"expect"}, kNotReached, kNotReached, kServed},
      {"tls-ending", {"closing", "refused"}, kNotReached, kNotReached, kServed},
      {"tls-reading-stored",
       {"kept", "pipelined", "halves", "download", "put", "chunked", "key-update", "module-put"},
       kNotReached,
       kNotReached,
       kServed},
      {"tls-consumed",
       {"kept", "pipelined", "halves", "download", "put", "chunked", "key-update", "module-put"},
       kNotReached,
       kNotReached,
       kServed},
      {"tls-key-update", {"key-update"}, kNotReached, kNotReached, kServed},
      {"tls-response-ended",
       {"kept", "pipelined", "download", "key-update"},
       kNotReached,
       kNotReached,
       kServed},
      {"tls-marked", {"record-halves"}, kNotReached, kNotReached, kServed},
      {"tls-cipher-opened", {"record-halves"}, kNotReached, kNotReached, kServed},
      {"tls-cipher-written", {"record-halves"}, kNotReached, kNotReached, kServed},
      {"tls-cipher-taken", {"record-halves"}, kNotReached, kNotReached, kServed},
      {"tls-cipher-dropped", {"record-halves"}, kNotReached, kNotReached, kServed},
      {"root-opened", {"moved"}, kServed, kServed},
      {"root-replaced", {"moved"}, kServed, kServed},
  };
  return rows;
}

// Steps of a worker's life, which no client's doing reaches; tested below by name.
const std::set<std::string_view> kOfWorkers{"worker-start", "worker-ready"};
// Tested by files of their own: room_test.cpp, listing_test.cpp, places_test.cpp.
const std::set<std::string_view> kElsewhere{"evict-claimed", "listing-made", "place-taken",
                                            "place-awaited", "place-waits",  "place-given-back",
                                            "place-offered"};

struct Case {
  const char* label;
  const Behaviour* behaviour;
  Outcome outcome;
  int signal;
};

const Behaviour* find(const std::string& name) {
  for (const Behaviour& behaviour : behaviours()) {
    if (behaviour.name == name) return &behaviour;
  }
  throw std::invalid_argument("no behaviour " + name);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Row& row : table()) {
    for (const std::string name : row.behaviours) {
      if (row.tcp != Outcome::kNotReached) all.push_back({row.label, find(name), row.tcp, SIGKILL});
      if (row.unix_socket != Outcome::kNotReached)
        all.push_back({row.label, find(name + "-unix"), row.unix_socket, SIGKILL});
      if (row.over_tls() != Outcome::kNotReached)
        all.push_back({row.label, find(name + "-tls"), row.over_tls(), SIGKILL});
    }
    // A crash goes through a signal handler first, and the outcome is the same.
    const bool tcp = row.tcp != Outcome::kNotReached;
    const std::string first = row.behaviours.front();
    all.push_back({row.label, find(tcp ? first : first + "-tls"), tcp ? row.tcp : row.over_tls(), SIGSEGV});
  }
  return all;
}

std::string name_of(const Case& c) {
  std::string name = std::string(c.label) + "_" + c.behaviour->name + (c.signal == SIGKILL ? "" : "_crash");
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

// One server and its idle neighbours, for all cases as long as nothing goes wrong.
struct Running {
  SurvivalSite site;
  CrashPoints points{site.folder()};
  Server server{site.folder(), site.config()};
  std::vector<Client> neighbours;
  std::map<std::string, std::string> answered;  // what has to be found in the access log -> of which case

  Running() {
    for (const std::size_t listener : {0U, 1U, 2U}) neighbours.push_back(server.connect(listener));
  }

  void check_neighbours() {
    for (Client& client : neighbours) EXPECT_EQ(client.get("/hello").body, "hello");
  }

  void check_workers() const {
    EXPECT_TRUE(wait_until([this] {
      const std::vector<pid_t> workers = server.workers();
      const std::vector<pid_t> keyholders = server.keyholders();
      const auto has = [this](const std::vector<pid_t>& pids) {
        return std::find(pids.begin(), pids.end(), points.last_pid()) != pids.end();
      };
      return workers.size() == 2 && keyholders.size() == 2 && !has(workers) && !has(keyholders);
    })) << server.log();
  }

  void check_nothing_leaked() const {
    const auto clean = [this] {
      const SpoolBudget::Use spooled = server.segment().spool_budget().use();
      return count_connections(server) == neighbours.size() && slots_add_up(server) && spooled.memory == 0 &&
             spooled.disk == 0 && unaccounted_descriptors(server).empty();
    };
    EXPECT_TRUE(wait_until(clean)) << count_connections(server) << " slots in use, "
                                   << server.header().connections.load() << " counted; unaccounted: "
                                   << ::testing::PrintToString(unaccounted_descriptors(server));
  }

  void check_access_log() const {
    std::string missing;
    EXPECT_TRUE(wait_until([&] {
      const std::string log = site.folder().read("access.log");
      missing.clear();
      for (const auto& [target, of_case] : answered) {
        if (log.find(target + " ") == std::string::npos) missing += target + " of " + of_case + "\n";
      }
      return missing.empty();
    })) << "answered but not logged:\n"
        << missing;
  }
};

class CrashPoint : public ::testing::TestWithParam<Case> {
 protected:
  static void TearDownTestSuite() {
    if (running_) running_->check_access_log();
    running_.reset();
  }
  void SetUp() override {
    // A sanitizer would catch the signal and make an exit of it.
    if (!running_) ::setenv("ASAN_OPTIONS", "handle_segv=0", 1);
    if (!running_) running_ = std::make_unique<Running>();
    running_->check_neighbours();
    running_->check_nothing_leaked();
  }
  void TearDown() override {
    if (!HasFailure()) return;
    std::printf("%s\n", running_->server.log().c_str());
    running_.reset();
  }

  static inline std::unique_ptr<Running> running_;
};

TEST_P(CrashPoint, EndsAsDocumented) {
  const Case& c = GetParam();
  CrashPoints& points = running_->points;
  const Seen seen = c.behaviour->run(running_->server, running_->site, c.behaviour->listener,
                                     [&] { points.kill_at(c.label, c.signal); });
  EXPECT_TRUE(wait_until([&] { return points.hits() == 1; })) << "never reached";
  points.disarm();
  switch (c.outcome) {
    case Outcome::kServed:
      EXPECT_FALSE(seen.cut);
      EXPECT_EQ(seen.failed, 0);
      break;
    case Outcome::kAtMostOnce: EXPECT_FALSE(seen.cut); break;
    case Outcome::kMayEnd:
    case Outcome::kNotReached: EXPECT_EQ(seen.failed, 0); break;
  }
  for (const auto& [target, times] : points.handled()) EXPECT_EQ(times, 1U) << target;
  running_->check_workers();
  running_->check_neighbours();
  running_->check_nothing_leaked();
  for (const std::string& target : seen.targets) running_->answered[target] = name_of(c);
}

INSTANTIATE_TEST_SUITE_P(Each, CrashPoint, ::testing::ValuesIn(cases()),
                         [](const auto& each) { return name_of(each.param); });

TEST(CrashPoints, EveryLabelHasItsRow) {
  std::set<std::string_view> reached = kOfWorkers;
  reached.insert(kElsewhere.begin(), kElsewhere.end());
  for (const Row& row : table()) reached.insert(row.label);
  for (const std::string_view label : kCrashPoints) EXPECT_TRUE(reached.contains(label)) << label;
}

TEST(CrashPoints, AWorkerThatDiesWhileItStartsIsTriedAgain) {
  for (const std::string_view label : kOfWorkers) {
    Running running;
    running.points.kill_at(label, SIGKILL);
    ::kill(running.server.workers().front(), SIGKILL);
    ASSERT_TRUE(wait_until([&] { return running.points.hits() == 1; })) << label;
    running.check_workers();
    running.check_neighbours();
    running.check_nothing_leaked();
  }
}

// At the last step it is ready already, and nobody has been told to go.
TEST(CrashPoints, ASuccessorThatDiesWhileItStartsCostsNobodyAnything) {
  for (const std::string_view label : kOfWorkers) {
    SCOPED_TRACE(label);
    const TempDir folder;
    CrashPoints points{folder};
    const Server server{folder,
                        "[server]\nworkers = 1\n[limits]\nrequests_per_worker = 3\n[[site]]\n"
                        "[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n"};
    const std::vector<pid_t> first = server.workers();
    points.kill_at(label, SIGKILL);
    Client client = server.connect();
    std::uint64_t wrong = 0;
    const auto answered_until = [&](auto state) {
      return wait_until([&] {
        if (client.get("/").body != "x") ++wrong;
        return state();
      });
    };
    ASSERT_TRUE(answered_until([&] { return points.hits() == 1; }));
    EXPECT_NE(points.last_pid(), first.front());
    ASSERT_TRUE(answered_until([&] { return gone(first) && !server.workers().empty(); })) << server.log();
    EXPECT_EQ(wrong, 0U);
    EXPECT_EQ(server.total(&Counters::accepted), 1U);
  }
}

}  // namespace
}  // namespace baton::test
