// Handlers that make more than their client takes, and what they can know of the client and of the server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/shared_server.h"
#include "tests/support/bulk.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

constexpr std::size_t kBacklog = 64 << 10;

std::string config(const std::string& settings = "") {
  return "[server]\nworkers = 1\n[limits]\nstream_backlog = \"64K\"\n" + settings + "\n[[site]]\n" +
         module_route("/", module_file("good"));
}

std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

// What the workers have made and no client has taken.
std::uint64_t backlog(const Server& server) {
  std::uint64_t bytes = 0;
  for (const OutboxRecord& record : server.segment().outboxes()) {
    for (std::uint32_t i = 0; i < std::min(record.piece_count, OutboxRecord::kMaxPieces); ++i)
      bytes += static_cast<std::uint64_t>(record.pieces[i].length);
  }
  return bytes;
}

class StreamBacklog : public testing::Test {
 protected:
  // Asks, reads nothing, and the handler has made as much as it may.
  Client behind(const std::string& target) {
    Client client = connect_narrow(server_.port(), 1'400);
    client.send(get(target));
    EXPECT_TRUE(wait_until([this] { return backlog(server_) > kBacklog; }));
    return client;
  }
  bool serves() { return server_.connect().get("/nothing").status == 200; }
  std::uint64_t counts(const std::string& name) { return counted(folder_, name); }

  TempDir folder_;
  Server server_{folder_, config()};
};

TEST_F(StreamBacklog, FlushWaitsForTheClient) {
  Client client = behind("/stream/5000000/50000");
  EXPECT_EQ(counts("streamed"), 0U);
  read_head(client);
  EXPECT_TRUE(read_chunked(client) == written(5'000'000));
  EXPECT_TRUE(wait_until([this] { return counts("streamed") == 1; }));
  EXPECT_TRUE(serves());
}

TEST_F(StreamBacklog, NeverMuchMoreIsKept) {
  Client client = behind("/stream/5000000/50000");
  read_head(client);
  std::uint64_t most = 0;
  for (std::size_t read = 0; read < 4'000'000; read += 10'000) {
    client.read_bytes(10'000);
    most = std::max(most, backlog(server_));
  }
  // A part more than the limit; and seen in the middle of a change, some of it twice.
  EXPECT_LT(most, 3 * (kBacklog + 60'000));
}

TEST_F(StreamBacklog, WriteWaitsToo) {
  Client client = behind("/late-write/5000000");
  read_head(client);
  EXPECT_TRUE(read_chunked(client) == written(5'000'000));
}

TEST_F(StreamBacklog, AClientThatGoesEndsTheWait) {
  for (const bool reset : {true, false}) {
    const std::uint64_t before = counts("gone");
    Client client = behind("/endless");
    reset ? client.reset() : client.close();
    EXPECT_TRUE(wait_until([&] { return counts("gone") == before + 1; }));
    EXPECT_TRUE(serves());
  }
}

TEST_F(StreamBacklog, TryFlushSaysThatItIsFull) {
  Client client = connect_narrow(server_.port(), 1'400);
  client.send(get("/try-stream/5000000"));
  ASSERT_TRUE(wait_until([this] { return counts("full") == 1; }));
  EXPECT_GT(backlog(server_), kBacklog);
  folder_.write("go-on", "");
  read_head(client);
  EXPECT_TRUE(read_chunked(client) == written(5'000'000)) << "what was not taken is not lost";
  EXPECT_TRUE(wait_until([this] { return counts("streamed") == 1; }));
}

TEST_F(StreamBacklog, AWorkerKilledInTheWaitCutsTheConnectionAtAnExactByte) {
  Client client = behind("/stream/5000000/50000");
  ::kill(server_.workers().at(0), SIGKILL);
  read_head(client);
  const std::string whole = written(5'000'000);
  std::string chunks;
  for (std::size_t at = 0; at < whole.size(); at += 50'000)
    chunks += "c350\r\n" + whole.substr(at, 50'000) + "\r\n";
  const std::string received = client.read_to_end();
  EXPECT_GT(received.size(), 0U);
  EXPECT_TRUE(chunks.starts_with(received));
  EXPECT_TRUE(serves());
}

TEST(StreamBacklogTimeout, AClientThatTakesNothingEndsTheWait) {
  const TempDir folder;
  const Server server(folder, config("[timeouts]\nsend = \"300ms\""));
  Client client = connect_narrow(server.port(), 1'400);
  client.send(get("/endless"));
  ASSERT_TRUE(wait_until([&] { return counted(folder, "gone") == 1; }));
  expect_no_worker_died(server);
}

TEST(StreamBacklogTimeout, TheHandlersOwnTimeoutHolds) {
  const TempDir folder;
  const Server server(folder, config("[timeouts]\nhandler = \"300ms\""));
  Client client = connect_narrow(server.port(), 1'400);
  client.send(get("/endless"));
  EXPECT_TRUE(wait_until([&] { return server.log().find("watchdog") != std::string::npos; })) << server.log();
}

// -- what a handler can know

class Watching : public testing::TestWithParam<const char*> {
 protected:
  Client watching() {
    Client client = server_.connect();
    client.send(get(GetParam()));
    EXPECT_TRUE(wait_until([this] {
      return entry_of(server_, server_.workers().at(0)).flight.phase.load() == FlightPhase::kServing;
    }));
    return client;
  }

  TempDir folder_;
  Server server_{folder_, config("[timeouts]\nhandler = \"1h\"")};
};

TEST_P(Watching, TheClientIsGone) {
  for (const bool reset : {true, false}) {
    const std::uint64_t before = counted(folder_, "left");
    Client client = watching();
    reset ? client.reset() : client.close();
    EXPECT_TRUE(wait_until([&] { return counted(folder_, "left") == before + 1; }));
    EXPECT_EQ(server_.connect().get("/nothing").status, 200);
  }
}

TEST_P(Watching, AClientThatClosesItsOwnSideOnlyHasItsAnswer) {
  Client client = watching();
  client.shutdown_write();
  EXPECT_EQ(client.receive().body, "left");
}

TEST_P(Watching, TheServerStops) {
  Client client = watching();
  server_.signal(SIGTERM);
  EXPECT_EQ(client.receive().body, "stopping");
  EXPECT_EQ(server_.wait(), 0) << server_.log();
}

TEST_P(Watching, AReloadPutsAnotherWorkerInItsPlace) {
  Client client = watching();
  EXPECT_EQ(server_.reload(config("[timeouts]\nhandler = \"2h\"")).status, 0);
  EXPECT_EQ(client.receive().body, "stopping");
  EXPECT_EQ(client.get("/nothing").status, 200) << "the connection goes on";
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutSystemCalls, Watching, testing::Values("/watch", "/watch-busily"));

}  // namespace
}  // namespace baton::test
