#include "ctl/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>

namespace baton::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t widest_line(const std::string& text) {
  std::size_t widest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, line.size());
  return widest;
}

// A server that has been up for long and has much to show.
Snapshot busy_server() {
  Snapshot snapshot;
  snapshot.taken_ns = 10'000'000'000;
  snapshot.server.name = "demo";
  snapshot.server.version = "1.2.3";
  snapshot.server.master_pid = 1'234'567;
  snapshot.server.state = MasterState::kServing;
  snapshot.server.uptime_s = 400 * 86'400.0;
  snapshot.server.listen = {"127.0.0.1:8080", "[::]:80"};
  snapshot.server.max_connections = 100'000;
  snapshot.totals.connections = {3, 12'000, 40};
  for (std::uint32_t i = 0; i < 2; ++i) {
    WorkerStats worker;
    worker.ordinal = i;
    worker.pid = 1'234'568 + static_cast<pid_t>(i);
    worker.generation = 12;
    worker.state = WorkerState::kRetiring;
    worker.uptime_s = 400 * 86'400.0;
    worker.activity.requests = 12'345'678;
    worker.activity.responses = {0, 12'345'000, 600, 70, 8};
    worker.activity.bytes_out = 123'456'789'012;
    worker.activity.latency[Histogram::bucket_of(1'500'000)] = 100;
    snapshot.totals.activity.add(worker.activity);
    snapshot.workers.push_back(worker);
  }
  ConnectionStats connection;
  connection.fd = 12'345;
  connection.peer = "255.255.255.255:65535";
  connection.state = "lingering";
  connection.worker = 1;
  connection.age_s = 86'400;
  connection.requests = 12'345;
  connection.bytes_in = connection.bytes_out = 999'999'999;
  connection.request = "GET /" + std::string(200, 'a') + " HTTP/1.1";
  snapshot.connections.push_back(connection);
  return snapshot;
}

TEST(StatsView, ShowsTotalsSinceTheStart) {
  const std::string text = stats_view(busy_server(), nullptr, {});
  EXPECT_THAT(text, HasSubstr("demo  serving for 400d00h"));
  EXPECT_THAT(text, HasSubstr("127.0.0.1:8080, [::]:80"));
  EXPECT_THAT(text, HasSubstr("12,043 of 100,000 (held 3, reading 12000, writing 40)"));
  EXPECT_THAT(text, HasSubstr("24,691,356"));
  EXPECT_THAT(text, HasSubstr("5xx 16"));
  EXPECT_THAT(text, Not(HasSubstr("/s")));
}

TEST(StatsView, ShowsWhatHappenedSinceTheLastLookPerSecond) {
  const Snapshot before = busy_server();
  Snapshot now = busy_server();
  now.taken_ns += 2'000'000'000;
  now.totals.activity.requests += 5000;
  now.totals.activity.bytes_out += 4096;
  now.workers[1].activity.requests += 300;
  const std::string text = stats_view(now, &before, {});
  EXPECT_THAT(text, HasSubstr("requests/s   2,500\n"));
  EXPECT_THAT(text, HasSubstr("out 2.0K"));
  EXPECT_THAT(text, HasSubstr("REQ/s"));
  EXPECT_THAT(text, HasSubstr(" 150 "));
  EXPECT_THAT(text, HasSubstr("p50 -")) << "no request was answered in between";
}

TEST(StatsView, ShowsTheFirstLineOfTheLastReload) {
  Snapshot snapshot = busy_server();
  EXPECT_THAT(stats_view(snapshot, nullptr, {}), Not(HasSubstr("last reload")));
  snapshot.server.last_reload = LastReload{2, false, 0, "baton.toml:3:1: no such key\nbaton.toml:9:1: more"};
  EXPECT_THAT(stats_view(snapshot, nullptr, {}),
              HasSubstr("last reload  failed: baton.toml:3:1: no such key\n"));
}

TEST(StatsView, ShowsDictionariesWhereThereAre) {
  Snapshot now = busy_server();
  EXPECT_THAT(stats_view(now, nullptr, {}), Not(HasSubstr("DICTIONARY")));
  now.dicts.push_back({"sessions", 1'234, 1 << 20, 16 << 20, 5'000, 70, 3, 2, 1, 0, 0});
  const std::string all = stats_view(now, nullptr, {});
  EXPECT_THAT(all, testing::ContainsRegex("ENTRIES +USED +OF +HITS +MISSES +EVICTED +EXPIRED +REPAIRS +DIC"));
  EXPECT_THAT(all, testing::ContainsRegex("1,234 +1.0M +16M +5,000 +70 +3 +2 +1 +sessions\n"));

  const Snapshot before = now;
  now.taken_ns += 2'000'000'000;
  now.dicts[0].hits += 100;
  now.dicts[0].evictions += 10;
  const std::string rates = stats_view(now, &before, {});
  EXPECT_THAT(rates, HasSubstr("EVICTED/s"));
  EXPECT_THAT(rates, testing::ContainsRegex("1,234 +1.0M +16M +50.0 +0 +5.0 +0 +1 +sessions\n"));
}

TEST(Views, FitAHundredColumnsEvenWithLargeNumbers) {
  Snapshot snapshot = busy_server();
  snapshot.dicts.push_back({std::string(63, 'n'), 99'999'999, 1 << 30, 1 << 30, 9'999'999'999, 9'999'999'999,
                            9'999'999, 9'999'999, 1'000, 0, 0});
  EXPECT_LE(widest_line(stats_view(snapshot, nullptr, {})), 100U);
  EXPECT_LE(widest_line(workers_view(snapshot, nullptr, {})), 100U);
  EXPECT_LE(widest_line(connections_view(snapshot, nullptr, {})), 100U);
}

TEST(WorkersView, ShowsWhatEachIsDoingSinceWhen) {
  Snapshot snapshot = busy_server();
  WorkerStats& worker = snapshot.workers[0];
  worker.phase = FlightPhase::kServing;
  worker.busy_s = 65;
  worker.connection = 57;
  worker.request = "GET /\x1b[31mred HTTP/1.1";
  const std::string text = workers_view(snapshot, nullptr, {});
  EXPECT_THAT(text, HasSubstr("serving"));
  EXPECT_THAT(text, HasSubstr("1m05s"));
  EXPECT_THAT(text, HasSubstr("57"));
  EXPECT_THAT(text, HasSubstr("GET /\\x1b[31mred HTTP/1.1"));
  EXPECT_THAT(text, HasSubstr("waiting"));
}

TEST(WorkersView, ShowsWhyAWorkerFailsAndWhenItIsTriedAgain) {
  Snapshot snapshot = busy_server();
  WorkerStats& worker = snapshot.workers[0];
  worker.state = WorkerState::kFailing;
  worker.pid = 0;
  worker.failures = 3;
  worker.retry_s = 1.6;
  worker.last_death = "exited with status 78";
  const std::string text = workers_view(snapshot, nullptr, {120, false});
  EXPECT_THAT(text, testing::ContainsRegex(" - +failing +- "));
  EXPECT_THAT(text, HasSubstr("next try in 1.6s, 3rd failure: exited with status 78"));
}

TEST(WorkersView, AWorkerThatIsNewDidEverythingWithinTheInterval) {
  Snapshot before = busy_server();
  before.workers.clear();
  Snapshot now = busy_server();
  now.taken_ns += 1'000'000'000;
  now.workers.resize(1);
  now.workers[0].activity.requests = 77;
  EXPECT_THAT(workers_view(now, &before, {}), HasSubstr("77.0"));
}

TEST(ConnectionsView, SaysWhenThereAreNone) {
  EXPECT_EQ(connections_view(Snapshot{}, nullptr, {}), "no connections\n");
}

TEST(ConnectionsView, RatesAreOfTheSameConnectionOnly) {
  Snapshot before = busy_server();
  Snapshot now = busy_server();
  now.taken_ns += 1'000'000'000;
  now.connections[0].bytes_out += 500;
  EXPECT_THAT(connections_view(now, &before, {}), HasSubstr(" 500B "));
  now.connections[0].peer = "10.0.0.1:1";
  now.connections[0].bytes_out = 300;
  EXPECT_THAT(connections_view(now, &before, {}), HasSubstr(" 300B "));
}

}  // namespace
}  // namespace baton::ctl
