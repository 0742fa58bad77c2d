#include "common/stats/stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/stats/stats_json.h"
#include "tests/support/test_segment.h"

namespace baton {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kSecondNs = 1'000'000'000;

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& item : object.items()) keys.push_back(item.key());
  return keys;
}

class StatsTest : public testing::Test {
 protected:
  SegmentHeader& header() { return segment_.header(); }
  WorkerEntry& worker(std::size_t index) { return segment_.scoreboard()[index]; }
  ConnectionTable table() { return segment_.connections(); }

  void start_worker(std::size_t index, std::uint32_t ordinal, std::uint32_t generation = 1) {
    WorkerEntry& entry = worker(index);
    entry.pid = 1000 + static_cast<pid_t>(index);
    entry.ordinal = ordinal;
    entry.generation = generation;
    entry.started_ns = monotonic_ns() - 5 * kSecondNs;
    entry.state = WorkerState::kReady;
  }
  void fly(std::size_t index, std::uint32_t fd, FlightPhase phase, std::string_view request) {
    FlightRecord& flight = worker(index).flight;
    flight.set_request(request);
    flight.connection = fd;
    flight.since_ns = monotonic_ns() - 2 * kSecondNs;
    flight.phase = phase;
  }
  Slot& connect(int fd, Holder holder) {
    table().open(fd, holder);
    Peer& peer = table().notes(fd).peer;
    peer.kind = Peer::Kind::kIpv4;
    peer.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
    peer.port = static_cast<std::uint16_t>(5000 + fd);
    Slot& slot = table().at(fd);
    slot.accepted = tick_of(monotonic_ns()) - 30;
    if (header().highest_fd < fd) header().highest_fd = fd;
    return slot;
  }
  const ConnectionStats& only_connection() {
    snapshot_ = take_snapshot(segment_);
    EXPECT_EQ(snapshot_.connections.size(), 1U);
    return snapshot_.connections.front();
  }

  test::SegmentName name_;
  Segment segment_ = Segment::create(name_.text(), test::kSmall);
  Snapshot snapshot_;
};

TEST_F(StatsTest, ServerIsDescribedByTheHeader) {
  std::strcpy(header().name, "demo");
  std::strcpy(header().config_file, "/etc/baton/baton.toml");
  std::strcpy(header().listeners[0], "127.0.0.1:8080");
  std::strcpy(header().listeners[1], "[::]:80");
  header().listener_count = 2;
  header().master_pid = 77;
  header().generation = 3;
  header().max_connections = 500;
  header().state = MasterState::kServing;
  header().start_ns = monotonic_ns() - 10 * kSecondNs;
  const ServerStats server = take_snapshot(segment_).server;
  EXPECT_EQ(server.name, "demo");
  EXPECT_EQ(server.version, header().version);
  EXPECT_EQ(server.config_file, "/etc/baton/baton.toml");
  EXPECT_THAT(server.listen, ElementsAre("127.0.0.1:8080", "[::]:80"));
  EXPECT_EQ(server.master_pid, 77);
  EXPECT_EQ(server.generation, 3U);
  EXPECT_EQ(server.max_connections, 500U);
  EXPECT_EQ(to_string(server.state), "serving");
  EXPECT_GE(server.uptime_s, 10);
  EXPECT_LT(server.uptime_s, 600);
  EXPECT_FALSE(server.last_reload);
}

TEST_F(StatsTest, TextsWithoutATerminatorEndWithTheirField) {
  std::memset(header().name, 'n', sizeof header().name);
  std::memset(header().listeners[0], 'l', sizeof header().listeners[0]);
  header().listener_count = 1;
  const ServerStats server = take_snapshot(segment_).server;
  EXPECT_EQ(server.name, std::string(sizeof header().name, 'n'));
  EXPECT_EQ(server.listen.at(0), std::string(sizeof header().listeners[0], 'l'));
}

TEST_F(StatsTest, AListenerCountBeyondTheTableIsNotBelieved) {
  header().listener_count = 100'000;
  EXPECT_EQ(take_snapshot(segment_).server.listen.size(), kMaxListeners);
}

TEST_F(StatsTest, TotalsAreTheDeadAndTheLiving) {
  start_worker(0, 0);
  start_worker(2, 1);
  header().retired.requests = 100;
  header().retired.responses[4] = 7;
  worker(0).counters.requests = 20;
  worker(0).counters.responses[1] = 19;
  worker(0).counters.bytes_out = 4096;
  worker(2).counters.requests = 3;
  worker(2).counters.responses[4] = 1;
  worker(0).restarts = 2;
  worker(2).restarts = 1;
  worker(1).counters.requests = 999;  // an empty entry: counted among the retired, or about to be cleared
  const Snapshot snapshot = take_snapshot(segment_);
  EXPECT_EQ(snapshot.totals.activity.requests, 123U);
  EXPECT_EQ(snapshot.totals.activity.bytes_out, 4096U);
  EXPECT_THAT(snapshot.totals.activity.responses, ElementsAre(0, 19, 0, 0, 8));
  EXPECT_EQ(snapshot.totals.restarts, 3U);
  EXPECT_EQ(snapshot.totals.workers, 2U);
  ASSERT_EQ(snapshot.workers.size(), 2U);
  EXPECT_EQ(snapshot.workers[0].activity.requests, 20U);
  EXPECT_EQ(snapshot.workers[1].activity.requests, 3U);
}

TEST_F(StatsTest, AWorkerAndItsSuccessorHaveOneNumberOfRestarts) {
  start_worker(0, 0);
  start_worker(1, 1);
  start_worker(2, 0);
  worker(0).restarts = 4;
  worker(2).restarts = 5;
  worker(1).restarts = 1;
  worker(0).retire = 1;  // and has not looked yet
  const Snapshot snapshot = take_snapshot(segment_);
  EXPECT_EQ(snapshot.totals.restarts, 6U);
  EXPECT_EQ(snapshot.totals.workers, 3U);
  for (const WorkerStats& each : snapshot.workers)
    EXPECT_EQ(each.state == WorkerState::kRetiring, each.restarts == 4) << each.restarts;
}

TEST_F(StatsTest, EveryCounterIsCarriedOver) {
  start_worker(0, 0);
  Counters& from = worker(0).counters;
  std::uint64_t next = 1;
  for (auto* counter :
       {&from.requests, &from.accepted, &from.closed, &from.bytes_in, &from.bytes_out, &from.wakeups,
        &from.claims_lost, &from.parked, &from.timeouts, &from.accept_paused, &from.files_opened,
        &from.evicted, &from.refused, &from.places_refused, &from.spool_refused, &from.handshakes,
        &from.handshakes_resumed, &from.handshakes_replayed, &from.handshakes_failed}) {
    *counter = next++;
  }
  for (auto& response : from.responses) response = next++;
  static_assert(sizeof(Counters) == 24 * sizeof(std::uint64_t), "a counter was added: show it");
  const Activity done = take_snapshot(segment_).totals.activity;
  EXPECT_EQ(done.requests, 1U);
  EXPECT_EQ(done.accepted, 2U);
  EXPECT_EQ(done.closed, 3U);
  EXPECT_EQ(done.bytes_in, 4U);
  EXPECT_EQ(done.bytes_out, 5U);
  EXPECT_EQ(done.wakeups, 6U);
  EXPECT_EQ(done.claims_lost, 7U);
  EXPECT_EQ(done.parked, 8U);
  EXPECT_EQ(done.timeouts, 9U);
  EXPECT_EQ(done.accept_paused, 10U);
  EXPECT_EQ(done.files_opened, 11U);
  EXPECT_EQ(done.evicted, 12U);
  EXPECT_EQ(done.refused, 13U);
  EXPECT_EQ(done.places_refused, 14U);
  EXPECT_EQ(done.spool_refused, 15U);
  EXPECT_EQ(done.handshakes, 16U);
  EXPECT_EQ(done.handshakes_resumed, 17U);
  EXPECT_EQ(done.handshakes_replayed, 18U);
  EXPECT_EQ(done.handshakes_failed, 19U);
  EXPECT_THAT(done.responses, ElementsAre(20, 21, 22, 23, 24));
}

TEST_F(StatsTest, PlacesThatAreHeldAndWhoWaitsForOne) {
  segment_.header().module_workers = 3;
  EXPECT_TRUE(segment_.places().held.acquire(1, 3));
  EXPECT_TRUE(segment_.places().held.acquire(0, 3));
  EXPECT_TRUE(segment_.places().line.put(17, 99));
  const PlaceStats places = take_snapshot(segment_).totals.places;
  EXPECT_EQ(places.most, 3U);
  EXPECT_EQ(places.held, 2U);
  EXPECT_EQ(places.waiting, 1U);
}

TEST_F(StatsTest, WorkersComeByGenerationAndOrdinal) {
  start_worker(0, 1, 2);
  start_worker(1, 0, 2);
  start_worker(2, 1, 1);
  start_worker(3, 0, 1);
  const Snapshot snapshot = take_snapshot(segment_);
  std::vector<pid_t> pids;
  for (const WorkerStats& worker : snapshot.workers) pids.push_back(worker.pid);
  EXPECT_THAT(pids, ElementsAre(1003, 1002, 1001, 1000));
}

TEST_F(StatsTest, QuantilesAreOfOneWorkerAndOfAll) {
  start_worker(0, 0);
  start_worker(1, 1);
  for (int i = 0; i < 99; ++i) worker(0).latency.record(100'000);
  worker(1).latency.record(50'000'000);
  header().retired_latency.record(50'000'000);
  const Snapshot snapshot = take_snapshot(segment_);
  const auto bound = [](std::uint64_t ns) { return Histogram::upper_bound(Histogram::bucket_of(ns)); };
  EXPECT_EQ(snapshot.workers[0].activity.latency_ns(0.999), bound(100'000));
  EXPECT_EQ(snapshot.workers[1].activity.latency_ns(0.5), bound(50'000'000));
  EXPECT_EQ(snapshot.totals.activity.latency_ns(0.5), bound(100'000));
  EXPECT_EQ(snapshot.totals.activity.latency_ns(0.99), bound(50'000'000));
  const Json latency = stats_json(snapshot)["totals"]["latency_us"];
  EXPECT_THAT(keys_of(latency), ElementsAre("p50", "p90", "p99", "p99_9"));
  EXPECT_DOUBLE_EQ(latency["p50"].get<double>(), static_cast<double>(bound(100'000)) / 1000);
  EXPECT_DOUBLE_EQ(latency["p99_9"].get<double>(), static_cast<double>(bound(50'000'000)) / 1000);
}

TEST_F(StatsTest, AWaitingWorkerHasNothingInHand) {
  start_worker(0, 0);
  fly(0, 9, FlightPhase::kWaiting, "GET /before HTTP/1.1");
  const WorkerStats worker = take_snapshot(segment_).workers.at(0);
  EXPECT_FALSE(worker.busy_s || worker.connection || worker.request);
  EXPECT_GE(worker.uptime_s, 5);
}

TEST_F(StatsTest, ABusyWorkerShowsItsConnectionAndRequest) {
  start_worker(0, 0);
  fly(0, 9, FlightPhase::kServing, "GET /now HTTP/1.1");
  const WorkerStats worker = take_snapshot(segment_).workers.at(0);
  EXPECT_EQ(worker.connection, 9);
  EXPECT_EQ(worker.request, "GET /now HTTP/1.1");
  ASSERT_TRUE(worker.busy_s);
  EXPECT_GE(*worker.busy_s, 2);
}

TEST_F(StatsTest, TheLastRequestIsNotShownWhileTheNextOneIsRead) {
  start_worker(0, 0);
  fly(0, 9, FlightPhase::kReading, "GET /before HTTP/1.1");
  EXPECT_FALSE(take_snapshot(segment_).workers.at(0).request);
}

TEST_F(StatsTest, AnEventThatBeginsAfterTheLookIsAnInstantOld) {
  start_worker(0, 0);
  fly(0, 9, FlightPhase::kServing, "GET / HTTP/1.1");
  worker(0).flight.since_ns = monotonic_ns() + 3600 * kSecondNs;
  EXPECT_EQ(take_snapshot(segment_).workers.at(0).busy_s, 0.0);
}

TEST_F(StatsTest, ATornRequestLengthStaysWithinItsField) {
  start_worker(0, 0);
  fly(0, 9, FlightPhase::kServing, std::string(FlightRecord::kRequestLineBytes, 'x'));
  worker(0).flight.request_length = 0xffffffff;
  EXPECT_EQ(take_snapshot(segment_).workers.at(0).request, std::string(FlightRecord::kRequestLineBytes, 'x'));
  connect(5, 0).phase = Phase::kParked;
  SlotNotes& notes = table().notes(5);
  std::memset(notes.parked.text, 'y', sizeof notes.parked.text);
  notes.parked.request_length = 0xffff;
  table().release(5, SlotState::kArmedWrite);
  EXPECT_EQ(only_connection().request, std::string(sizeof notes.parked.text, 'y'));
}

TEST_F(StatsTest, ConnectionsAreCountedByState) {
  start_worker(0, 0);
  header().listener_fds[0] = 3;
  table().open_listener(3);
  connect(10, 0);
  connect(11, 0);
  table().release(11, SlotState::kArmedRead);
  connect(12, 0);
  table().release(12, SlotState::kArmedRead);
  connect(63, 0);
  table().release(63, SlotState::kArmedWrite);
  connect(13, 0);
  table().free(13);
  const Snapshot snapshot = take_snapshot(segment_);
  EXPECT_EQ(snapshot.totals.connections.held, 1U);
  EXPECT_EQ(snapshot.totals.connections.armed_read, 2U);
  EXPECT_EQ(snapshot.totals.connections.armed_write, 1U);
  std::vector<int> fds;
  for (const ConnectionStats& connection : snapshot.connections) fds.push_back(connection.fd);
  EXPECT_THAT(fds, ElementsAre(10, 11, 12, 63));
  EXPECT_TRUE(take_snapshot(segment_, SnapshotDetail::kSummary).connections.empty());
}

TEST_F(StatsTest, AHighestDescriptorBeyondTheTableIsNotBelieved) {
  connect(63, 0);
  header().highest_fd = 1'000'000;
  EXPECT_EQ(take_snapshot(segment_).connections.size(), 1U);
}

TEST_F(StatsTest, AHeldConnectionShowsItsHoldersRequest) {
  start_worker(2, 1);
  Slot& slot = connect(10, 2);
  slot.requests = 4;
  slot.bytes_in = 1000;
  slot.bytes_out = 2000;
  slot.phase = Phase::kResponse;
  fly(2, 10, FlightPhase::kSending, "GET /x HTTP/1.1");
  const ConnectionStats& connection = only_connection();
  EXPECT_EQ(connection.state, "held");
  EXPECT_EQ(connection.peer, "127.0.0.1:5010");
  EXPECT_EQ(connection.worker, 1U);
  EXPECT_EQ(connection.request, "GET /x HTTP/1.1");
  EXPECT_EQ(connection.requests, 4U);
  EXPECT_EQ(connection.bytes_in, 1000U);
  EXPECT_EQ(connection.bytes_out, 2000U);
  EXPECT_EQ(to_string(connection.phase), "response");
  EXPECT_GE(connection.age_s, 3);
  EXPECT_LT(connection.age_s, 60);
}

TEST_F(StatsTest, AHeldConnectionDoesNotShowARequestOfAnotherOne) {
  start_worker(0, 0);
  connect(10, 0);
  fly(0, 11, FlightPhase::kServing, "GET /other HTTP/1.1");
  EXPECT_FALSE(only_connection().request);
}

TEST_F(StatsTest, TheMasterHoldsASlotAsNoWorker) {
  connect(10, kMasterHolder);
  EXPECT_EQ(only_connection().state, "held");
  EXPECT_FALSE(only_connection().worker);
}

TEST_F(StatsTest, AParkedConnectionShowsTheRequestInItsNotes) {
  Slot& slot = connect(10, 0);
  slot.phase = Phase::kParked;
  SlotNotes& notes = table().notes(10);
  const std::string_view text = "GET /big HTTP/1.1http://refererAgent";
  std::memcpy(notes.parked.text, text.data(), text.size());
  notes.parked.request_length = 17;
  slot.bytes_out = 2000;  // of earlier responses
  notes.parked.sent = 300;
  table().release(10, SlotState::kArmedWrite);
  EXPECT_EQ(only_connection().bytes_out, 2300U);
  EXPECT_EQ(only_connection().state, "writing");
  EXPECT_EQ(only_connection().request, "GET /big HTTP/1.1");
  EXPECT_FALSE(only_connection().worker);
}

TEST_F(StatsTest, AnArmedConnectionIsIdleReadingOrLingering) {
  Slot& slot = connect(10, 0);
  table().release(10, SlotState::kArmedRead);
  EXPECT_EQ(only_connection().state, "idle");
  slot.peeked = 5;
  EXPECT_EQ(only_connection().state, "reading");
  slot.peeked = 0;
  slot.spool_fd = 20;
  EXPECT_EQ(only_connection().state, "reading");
  slot.spool_fd = -1;
  slot.phase = Phase::kBody;
  EXPECT_EQ(only_connection().state, "reading");
  slot.phase = Phase::kLingering;
  EXPECT_EQ(only_connection().state, "lingering");
}

TEST_F(StatsTest, TheReloadReportIsReadWhole) {
  CommandReport& report = header().reload;
  report.ok = 1;
  report.unix_time = 1'700'000'000;
  std::strcpy(report.message, "took up generation 2");
  report.sequence = 2;
  const auto reload = take_snapshot(segment_).server.last_reload;
  ASSERT_TRUE(reload);
  EXPECT_TRUE(reload->ok);
  EXPECT_EQ(reload->unix_time, 1'700'000'000);
  EXPECT_EQ(reload->message, "took up generation 2");
  report.sequence = 3;
  EXPECT_FALSE(take_snapshot(segment_).server.last_reload) << "half written";
}

TEST_F(StatsTest, AMasterThatDiedWhileMovingAnEntryDoesNotHoldUpTheReader) {
  start_worker(0, 0);
  worker(0).counters.requests = 5;
  header().retired_sequence = 1;
  EXPECT_EQ(take_snapshot(segment_).totals.activity.requests, 5U);
}

// Another process moves a worker's counters to the retired and gives them back, over and over, as the master
// does when workers die, once for each look: no snapshot may see them twice or not at all.
TEST_F(StatsTest, TotalsStayWholeWhileEntriesAreMoved) {
  constexpr std::uint64_t kRequests = 1000;
  start_worker(0, 0);
  worker(0).counters.requests = kRequests;
  void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  struct Shared {
    std::atomic<bool> done{false};
    std::atomic<int> looks{0};
  };
  auto& shared = *new (memory) Shared;
  const pid_t mover = ::fork();
  ASSERT_GE(mover, 0);
  if (mover == 0) {
    auto& sequence = header().retired_sequence;
    for (bool retire = true; !shared.done.load(); retire = !retire) {
      const int seen = shared.looks.load();
      sequence.fetch_add(1, std::memory_order_seq_cst);
      Counters& from = retire ? worker(0).counters : header().retired;
      Counters& to = retire ? header().retired : worker(0).counters;
      to.add(from);
      from.clear();
      sequence.fetch_add(1, std::memory_order_seq_cst);
      while (shared.looks.load() == seen && !shared.done.load()) ::sched_yield();
    }
    ::_exit(0);
  }
  int wrong = 0;
  while (header().retired_sequence.load() < 1000) {
    ++shared.looks;
    if (take_snapshot(segment_).totals.activity.requests != kRequests) ++wrong;
  }
  shared.done = true;
  EXPECT_EQ(::waitpid(mover, nullptr, 0), mover);
  ::munmap(memory, 4096);
  EXPECT_EQ(wrong, 0);
}

TEST(Activity, SinceIsTheDifferenceAndNeverNegative) {
  Activity before;
  before.requests = 10;
  before.bytes_in = 500;
  before.responses[1] = 9;
  before.latency[3] = 4;
  Activity now = before;
  now.requests = 25;
  now.bytes_in = 100;
  now.responses[1] = 12;
  now.latency[3] = 10;
  const Activity gained = now.since(before);
  EXPECT_EQ(gained.requests, 15U);
  EXPECT_EQ(gained.bytes_in, 0U);
  EXPECT_EQ(gained.responses[1], 3U);
  EXPECT_EQ(gained.latency[3], 6U);
}

TEST_F(StatsTest, StatsDocumentHasTheAgreedKeys) {
  start_worker(0, 0);
  const Json stats = stats_json(take_snapshot(segment_));
  EXPECT_THAT(keys_of(stats), ElementsAre("server", "totals", "workers", "dicts"));
  EXPECT_THAT(keys_of(stats["server"]),
              ElementsAre("name", "master_pid", "version", "generation", "uptime_s", "state", "config_file",
                          "listen", "max_connections", "last_reload"));
  EXPECT_TRUE(stats["server"]["last_reload"].is_null());
  EXPECT_THAT(keys_of(stats["totals"]),
              ElementsAre("requests", "accepted", "closed", "connections", "connections_by_state",
                          "responses", "bytes_in", "bytes_out", "claims_lost", "wakeups", "parked",
                          "timeouts", "accept_paused", "files_opened", "evicted", "refused", "module_workers",
                          "spool", "handshakes", "restarts", "workers", "keyholders", "failing",
                          "access_lines_dropped", "error_lines_dropped", "latency_us"));
  EXPECT_THAT(keys_of(stats["totals"]["connections_by_state"]),
              ElementsAre("held", "armed_read", "armed_write"));
  EXPECT_THAT(keys_of(stats["totals"]["module_workers"]), ElementsAre("most", "held", "waiting", "refused"));
  EXPECT_THAT(keys_of(stats["totals"]["responses"]), ElementsAre("1xx", "2xx", "3xx", "4xx", "5xx"));
  EXPECT_THAT(keys_of(stats["workers"].at(0)),
              ElementsAre("role", "worker", "pid", "state", "generation", "uptime_s", "requests", "accepted",
                          "responses", "bytes_in", "bytes_out", "claims_lost", "wakeups", "parked",
                          "timeouts", "restarts", "failures", "next_try_s", "last_death", "busy_since_s",
                          "phase", "connection", "request", "latency_us"));
  EXPECT_TRUE(stats["workers"][0]["request"].is_null());
  EXPECT_TRUE(stats["workers"][0]["busy_since_s"].is_null());
  EXPECT_TRUE(stats["workers"][0]["connection"].is_null());
  EXPECT_EQ(stats["workers"][0]["phase"], "waiting");
  EXPECT_TRUE(stats["workers"][0]["next_try_s"].is_null());
  EXPECT_TRUE(stats["workers"][0]["last_death"].is_null());
}

TEST_F(StatsTest, DictionariesComeByName) {
  const auto add = [this](std::size_t index, const char* name) -> DictEntry& {
    DictEntry& entry = segment_.dicts()[index];
    std::strcpy(entry.name, name);
    entry.bytes_total = 4096;
    entry.used = 1;
    return entry;
  };
  add(0, "sessions").counters.entries = 7;
  add(1, "gone").used = 0;
  DictEntry& limits = add(3, "limits");
  limits.counters.entries = 1;
  limits.counters.bytes_used = 2;
  limits.counters.hits = 3;
  limits.counters.misses = 4;
  limits.counters.evictions = 5;
  limits.counters.expired = 6;
  limits.counters.repairs = 7;
  limits.counters.damages = 8;
  limits.counters.lost = 9;
  const Json dicts = stats_json(take_snapshot(segment_))["dicts"];
  ASSERT_EQ(dicts.size(), 2U);
  EXPECT_EQ(dump(dicts[0]),
            R"({"name":"limits","entries":1,"bytes_used":2,"bytes_total":4096,"hits":3,"misses":4,)"
            R"("evictions":5,"expired":6,"repairs":7,"damages":8,"lost":9})");
  EXPECT_EQ(dicts[1]["name"], "sessions");
  EXPECT_EQ(dicts[1]["entries"], 7);
}

// It is no process: there is no pid to signal, and it is not one of the workers there are.
TEST_F(StatsTest, AFailingWorkerSaysWhyAndWhenItIsTriedAgain) {
  start_worker(0, 0);
  WorkerEntry& entry = worker(1);
  entry.ordinal = 1;
  entry.generation = 1;
  entry.restarts = 4;
  entry.failures = 3;
  entry.retry_ns = monotonic_ns() + 600 * kSecondNs;
  std::strcpy(entry.last_death, "exited with status 78");
  entry.state = WorkerState::kFailing;
  const Snapshot snapshot = take_snapshot(segment_);
  EXPECT_EQ(snapshot.totals.workers, 1U);
  EXPECT_EQ(snapshot.totals.failing, 1U);
  EXPECT_EQ(snapshot.totals.restarts, 4U);
  WorkerStats failing = snapshot.workers.at(1);
  EXPECT_EQ(failing.pid, 0);
  EXPECT_NEAR(failing.retry_s, 600, 60);
  failing.retry_s = 1.6;
  EXPECT_EQ(describe_failure(failing), "next try in 1.6s, 3rd failure: exited with status 78");
  const Json worker = workers_json(snapshot).at(1);
  EXPECT_TRUE(worker["pid"].is_null());
  EXPECT_EQ(worker["state"], "failing");
  EXPECT_EQ(worker["failures"], 3);
  EXPECT_EQ(worker["last_death"], "exited with status 78");
}

TEST_F(StatsTest, ATryThatIsDueIsNotInThePast) {
  worker(0).retry_ns = 5;
  worker(0).state = WorkerState::kFailing;
  EXPECT_EQ(take_snapshot(segment_).workers.at(0).retry_s, 0);
}

TEST(DescribeFailure, CountsAsPeopleDo) {
  const auto counted = [](std::uint32_t failures) {
    WorkerStats worker;
    worker.failures = failures;
    return describe_failure(worker);
  };
  EXPECT_THAT(counted(1), HasSubstr(" 1st "));
  EXPECT_THAT(counted(2), HasSubstr(" 2nd "));
  EXPECT_THAT(counted(4), HasSubstr(" 4th "));
  EXPECT_THAT(counted(11), HasSubstr(" 11th "));
  EXPECT_THAT(counted(12), HasSubstr(" 12th "));
  EXPECT_THAT(counted(22), HasSubstr(" 22nd "));
  EXPECT_THAT(counted(113), HasSubstr(" 113th "));
}

TEST_F(StatsTest, StatsDocumentCarriesTheLastReload) {
  std::strcpy(header().reload.message, "line 3: no such key");
  header().reload.unix_time = 12;
  header().reload.sequence = 4;
  const Json reload = stats_json(take_snapshot(segment_))["server"]["last_reload"];
  EXPECT_THAT(keys_of(reload), ElementsAre("ok", "time", "message"));
  EXPECT_EQ(reload["ok"], false);
  EXPECT_EQ(reload["time"], 12);
  EXPECT_EQ(reload["message"], "line 3: no such key");
}

TEST_F(StatsTest, ConnectionsDocumentHasTheAgreedKeys) {
  connect(10, 0);
  table().release(10, SlotState::kArmedRead);
  const Json connections = connections_json(take_snapshot(segment_));
  ASSERT_EQ(connections.size(), 1U);
  EXPECT_THAT(keys_of(connections[0]), ElementsAre("fd", "peer", "state", "worker", "age_s", "requests",
                                                   "bytes_in", "bytes_out", "request", "phase"));
  EXPECT_EQ(connections[0]["fd"], 10);
  EXPECT_EQ(connections[0]["state"], "idle");
  EXPECT_EQ(connections[0]["phase"], "head");
  EXPECT_TRUE(connections[0]["worker"].is_null());
}

TEST_F(StatsTest, DocumentsWithoutAnythingAreEmptyArrays) {
  const Snapshot snapshot = take_snapshot(segment_);
  EXPECT_EQ(dump(workers_json(snapshot)), "[]");
  EXPECT_EQ(dump(connections_json(snapshot)), "[]");
}

TEST_F(StatsTest, ARequestLineOfAnyBytesMakesAValidDocument) {
  start_worker(0, 0);
  fly(0, 9, FlightPhase::kServing, std::string_view("GET /\xff\x80\"\x1b[2J\0 HTTP/1.1", 20));
  const std::string text = dump(workers_json(take_snapshot(segment_)));
  const Json parsed = Json::parse(text);
  const auto request = parsed.at(0).at("request").get<std::string>();
  EXPECT_THAT(request, HasSubstr("GET /\xef\xbf\xbd"));
  EXPECT_THAT(request, HasSubstr("\"\x1b[2J"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "control bytes are escaped";
}

}  // namespace
}  // namespace baton
