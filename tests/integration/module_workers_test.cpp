// Handlers that take long, and everything else beside them: [limits] module_workers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

class ModuleWorkers : public testing::Test {
 protected:
  static std::string config(int workers = 2, const std::string& limits = "") {
    return "[server]\nworkers = " + std::to_string(workers) + "\n[limits]\n" + limits +
           "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\naddress = \"unix:./baton.sock\"\n[[site]]\n" +
           module_route("/m/", module_file("good")) +
           "[[site.route]]\npath = \"/plain\"\nrespond = { body = \"plain\" }\n"
           "[[site.route]]\npath = \"/files/\"\nstatic = { root = \".\" }\n"
           "[[site.route]]\npath = \"/status\"\nstatus = true\n";
  }
  void start(const std::string& config) { server_ = std::make_unique<Server>(folder_, config); }

  // A client whose request stays in its handler until open(name).
  Client call(const std::string& name, std::size_t listener = 0) {
    Client client = server_->connect(listener);
    client.send("GET /m/gate/" + name + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return client;
  }
  std::vector<Client> calls(const std::string& name, std::size_t many) {
    std::vector<Client> clients;
    clients.reserve(many);
    while (clients.size() < many) clients.push_back(call(name, clients.size() % 2));
    return clients;
  }
  void open(const std::string& name) { folder_.write("open-" + name, ""); }
  std::uint64_t entered(const std::string& name) { return counted(folder_, "entered-" + name); }
  bool await_entered(const std::string& name, std::uint64_t times = 1) {
    return wait_until([&] { return entered(name) == times; });
  }

  std::size_t held() { return server_->segment().places().held.count_held(); }
  // In the line, and in nobody's hand.
  bool await_waiting(std::size_t many) {
    return wait_until([&] {
      const ConnectionTable table = server_->segment().connections();
      std::size_t armed = 0;
      for (int fd = 0; fd <= server_->segment().highest_fd(); ++fd)
        armed += table.claim(fd).armed() && table.at(fd).deadline_kind == Deadline::kPlace ? 1 : 0;
      return armed == many && server_->segment().places().line.count() == many;
    });
  }
  bool await_nobody() {
    return wait_until([&] { return held() == 0 && server_->segment().places().line.count() == 0; });
  }
  void expect_served(Client& client) { EXPECT_EQ(client.receive().body, "through"); }
  void expect_refused(Client& client) {
    const Response response = client.receive();
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.field("retry-after"), "1");
    EXPECT_EQ(client.get("/plain").body, "plain") << "the connection goes on";
  }

  TempDir folder_;
  std::unique_ptr<Server> server_;
};

TEST_F(ModuleWorkers, LeaveOneForFilesStatusAndAdministration) {
  start(config());
  folder_.write("file.txt", "file");
  std::vector<Client> slow = calls("slow", 20);
  ASSERT_TRUE(await_entered("slow"));
  ASSERT_TRUE(await_waiting(19));
  Client client = server_->connect();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(client.get("/files/file.txt").body, "file");
    EXPECT_EQ(client.get("/plain").body, "plain");
    EXPECT_EQ(client.get("/m/nowhere").status, 404);
  }
  const auto places = nlohmann::json::parse(client.get("/status", "Accept: application/json\r\n").body)
                          .at("totals")
                          .at("module_workers");
  EXPECT_EQ(places, (nlohmann::json{{"most", 1}, {"held", 1}, {"waiting", 19}, {"refused", 0}}));
  EXPECT_THAT(server_->ctl({"stats"}).out, testing::HasSubstr("workers held 1 of 1  waiting 19  refused 0"));
  EXPECT_EQ(entered("slow"), 1U);
  open("slow");
  for (Client& each : slow) expect_served(each);
  EXPECT_TRUE(await_nobody());
}

TEST_F(ModuleWorkers, AreAsManyAsIsSaid) {
  start(config(3, "module_workers = 3\n"));
  std::vector<Client> slow = calls("slow", 3);
  ASSERT_TRUE(await_entered("slow", 3)) << "all of them, if that is wanted";
  open("slow");
  for (Client& each : slow) expect_served(each);
  ASSERT_EQ(server_->reload(config(3)).status, 0);
  std::filesystem::remove(folder_.path() / "open-slow");
  slow = calls("slow", 3);
  ASSERT_TRUE(await_entered("slow", 5));
  ASSERT_TRUE(await_waiting(1));
  open("slow");
  for (Client& each : slow) expect_served(each);
}

// There is no other.
TEST_F(ModuleWorkers, OfOneIsThatOne) {
  start(config(1));
  Client slow = call("slow");
  ASSERT_TRUE(await_entered("slow"));
  open("slow");
  expect_served(slow);
}

TEST_F(ModuleWorkers, AreWaitedForSomeTimeThen503AndTheConnectionGoesOn) {
  start(config());
  Client slow = call("slow");
  ASSERT_TRUE(await_entered("slow"));
  Client waits = call("vain");
  Client spooled = server_->connect();
  spooled.send("POST /m/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" +
               std::string(300'000, 'b'));
  ASSERT_TRUE(await_waiting(2));
  expect_refused(waits);
  expect_refused(spooled);
  EXPECT_EQ(entered("vain"), 0U);
  EXPECT_EQ(server_->total(&Counters::places_refused), 2U);
  EXPECT_EQ(server_->total(&Counters::timeouts), 0U);
  open("slow");
  expect_served(slow);
  EXPECT_TRUE(await_nobody());
}

TEST_F(ModuleWorkers, AreNotWaitedForByMoreThanTheLineHolds) {
  start(config());
  Client slow = call("slow");
  ASSERT_TRUE(await_entered("slow"));
  std::vector<Client> waiting = calls("slow", WaitingLine::kMost);
  ASSERT_TRUE(await_waiting(WaitingLine::kMost));
  Client refused = call("slow");
  expect_refused(refused);
  open("slow");
  for (Client& each : waiting) expect_served(each);
  EXPECT_TRUE(await_nobody());
}

TEST_F(ModuleWorkers, AreNotNeededByQuickHandlers) {
  start(config());
  Client client = server_->connect();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.get("/m/users/me").status, 200);
  std::vector<Client> slow = calls("slow", 5);
  ASSERT_TRUE(await_entered("slow"));
  ASSERT_TRUE(await_waiting(4));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(client.get("/m/users/me").status, 200);
  EXPECT_EQ(entered("slow"), 1U);
  open("slow");
  for (Client& each : slow) expect_served(each);
  EXPECT_EQ(server_->total(&Counters::places_refused), 0U);
}

// As when what they all ask has stopped to answer.
TEST_F(ModuleWorkers, AreNeededByAHandlerThatWasQuickAsSoonAsItIsSeenToHang) {
  start(config());
  const auto known_as_quick = [&] {
    ModulePlaces& places = server_->segment().places();
    return std::count_if(std::begin(places.speeds[1]), std::end(places.speeds[1]),
                         [](const HandlerSpeed& speed) { return !speed.slow(); });
  };
  open("slow");
  Client client = server_->connect();
  do {
    EXPECT_EQ(client.get("/m/gate/slow").body, "through");
  } while (known_as_quick() == 0);
  const std::uint64_t before = entered("slow");
  std::filesystem::remove(folder_.path() / "open-slow");
  Client slow = call("slow");
  ASSERT_TRUE(await_entered("slow", before + 1));
  EXPECT_TRUE(wait_until([&] { return known_as_quick() == 0; }));
  open("slow");
  expect_served(slow);
}

TEST_F(ModuleWorkers, AreWaitedForByBodiesToo) {
  start(config());
  Client slow = call("slow");
  ASSERT_TRUE(await_entered("slow"));
  const std::string body(300'000, 'b');
  Client spooled = server_->connect();
  spooled.send("POST /m/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + body);
  Client small = server_->connect(1);
  small.send("POST /m/small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  Client behind = server_->connect();
  behind.send(
      "GET /plain HTTP/1.1\r\nHost: x\r\n\r\nPOST /m/again HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nxy"
      "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(behind.receive().body, "plain");
  ASSERT_TRUE(await_waiting(3));
  open("slow");
  EXPECT_EQ(spooled.receive().body, body);
  EXPECT_EQ(small.receive().body, "abc");
  EXPECT_EQ(behind.receive().body, "xy");
  EXPECT_EQ(behind.receive().body, "plain");
  expect_served(slow);
  EXPECT_TRUE(await_nobody());
}

TEST_F(ModuleWorkers, AreGivenBackByTheDead) {
  start(config());
  Client slow = call("slow");
  ASSERT_TRUE(await_entered("slow"));
  Client waits = call("next");
  ASSERT_TRUE(await_waiting(1));
  for (const pid_t worker : server_->workers()) {
    if (entry_of(*server_, worker).flight.phase.load() == FlightPhase::kServing) ::kill(worker, SIGKILL);
  }
  // Its request is begun again, when its turn comes.
  ASSERT_TRUE(wait_until([&] { return entered("next") + entered("slow") == 2; }));
  ASSERT_TRUE(await_waiting(1));
  open("slow");
  open("next");
  expect_served(waits);
  expect_served(slow);
  EXPECT_TRUE(await_nobody());
}

TEST_F(ModuleWorkers, AreNotHeldByThoseThatAreReplaced) {
  for (const std::string how : {"reload", "upgrade"}) {
    SCOPED_TRACE(how);
    start(config());
    Client slow = call(how);
    ASSERT_TRUE(await_entered(how));
    Client waits = call("second-" + how);
    ASSERT_TRUE(await_waiting(1));
    const Finished done = server_->ctl({how});
    ASSERT_EQ(done.status, 0) << done.err;
    ASSERT_TRUE(await_entered("second-" + how)) << "it was waiting for the old one";
    EXPECT_EQ(held(), 1U);
    Client third = call("third-" + how);
    ASSERT_TRUE(await_waiting(1)) << "they are as many as before";
    open(how);
    expect_served(slow);
    ASSERT_TRUE(await_waiting(1)) << "what the old one had taken is given back already";
    EXPECT_EQ(server_->connect().get("/plain").body, "plain");
    open("third-" + how);
    open("second-" + how);
    expect_served(waits);
    expect_served(third);
    EXPECT_TRUE(await_nobody());
    server_.reset();
  }
}

// It has a request in hand, and its successor serves already.
TEST_F(ModuleWorkers, AreNotHeldByARecycledOne) {
  start("[server]\nworkers = 1\n[limits]\nrequests_per_worker = 1\n[[site]]\n" +
        module_route("/m/", module_file("starter")) +
        "[[site.route]]\npath = \"/plain\"\nrespond = { body = \"plain\" }\n");
  folder_.write("hold", "");  // of the successor, in on_worker_start
  EXPECT_EQ(server_->connect().get("/plain").body, "plain");
  Client slow = call("slow");
  ASSERT_TRUE(await_entered("slow"));
  Client second = call("second");
  std::filesystem::remove(folder_.path() / "hold");
  ASSERT_TRUE(await_entered("second"));
  EXPECT_EQ(entered("slow"), 1U);
  open("slow");
  open("second");
  EXPECT_EQ(slow.receive().status, 200);
  EXPECT_EQ(second.receive().status, 200);
  EXPECT_TRUE(await_nobody());
}

TEST_F(ModuleWorkers, AreNoLongerWaitedForByWhoHasGone) {
  start(config());
  Client slow = call("slow");
  ASSERT_TRUE(await_entered("slow"));
  std::vector<Client> gone = calls("gone", 4);
  ASSERT_TRUE(await_waiting(4));
  for (Client& each : gone) each.reset();
  Client waits = call("slow");
  ASSERT_TRUE(await_waiting(5));
  open("slow");
  open("gone");
  expect_served(slow);
  expect_served(waits);
  EXPECT_TRUE(wait_until([&] { return count_connections(*server_) == 2; }));
  EXPECT_TRUE(await_nobody());
}

TEST_F(ModuleWorkers, AreWaitedForWhileTheServerStops) {
  start(config());
  Client slow = call("slow");
  ASSERT_TRUE(await_entered("slow"));
  Client waits = call("slow");
  ASSERT_TRUE(await_waiting(1));
  server_->signal(SIGTERM);
  ASSERT_TRUE(wait_until([&] { return server_->header().state.load() == MasterState::kStopping; }));
  open("slow");
  expect_served(slow);
  expect_served(waits);
  EXPECT_EQ(server_->wait(), 0);
}

}  // namespace
}  // namespace baton::test
