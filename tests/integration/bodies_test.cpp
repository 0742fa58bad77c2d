// Request bodies: both framings, all sizes, in all kinds of pieces, and clients that do not finish.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/integration/shared_server.h"
#include "tests/support/wait.h"

namespace baton::test {

namespace {

constexpr std::size_t kLimit = 1'048'576;
constexpr const char* kGoodRequest = "GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::string head(const std::string& fields, const std::string& target = "/ok") {
  return "POST " + target + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n";
}

std::string with_length(const std::string& body) {
  return head("Content-Length: " + std::to_string(body.size()) + "\r\n") + body;
}

std::string in_chunks(const std::string& body, std::size_t chunk) {
  std::string text = head("Transfer-Encoding: chunked\r\n");
  for (std::size_t at = 0; at < body.size(); at += chunk) {
    const std::string data = body.substr(at, chunk);
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    text += size + data + "\r\n";
  }
  return text + "0\r\n\r\n";
}

void expect_ok(const Response& response) {
  EXPECT_EQ(response.status, 200) << response.head;
  EXPECT_EQ(response.body, "ok");
}

void expect_refused(Client& client, int status) {
  EXPECT_EQ(client.receive().status, status);
  EXPECT_TRUE(client.closed());
}

const std::string kConfig = R"([server]
workers = 2
[limits]
body_bytes = "1M"
)";
const std::string kRoutes = R"(
[[site]]
[[site.route]]
path = "/ok"
respond = { body = "ok" }
[[site.route]]
path = "/denied"
respond = { body = "ok" }
deny = ["0.0.0.0/0"]
[[site.route]]
path = "/"
static = { root = "site" }
)";

class Bodies : public SharedServer<Bodies> {
 public:
  static std::string prepare(const TempDir& folder) {
    folder.write("site/file.txt", "file");
    return kConfig + kRoutes;
  }
};

TEST_F(Bodies, OfEverySizeInOneWrite) {
  Client client = server_->connect();
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{200'000}, kLimit}) {
    SCOPED_TRACE(size);
    const std::string body = noise(size, 1);
    expect_ok(client.exchange(with_length(body)));
    for (const std::size_t chunk : {std::size_t{999}, std::size_t{65'536}, kLimit}) {
      expect_ok(client.exchange(in_chunks(body, chunk)));
    }
  }
  expect_ok(client.exchange(in_chunks(noise(10'000, 2), 1)));
}

TEST_F(Bodies, AboveTheLimit) {
  const std::string body = noise(kLimit + 1, 1);
  for (const std::string& request :
       {with_length(body), in_chunks(body, 1'000), in_chunks(body, kLimit + 1)}) {
    Client client = server_->connect();
    client.send(request);
    expect_refused(client, 413);
  }
  Client client = server_->connect();
  client.send(head("Content-Length: 9223372036854775807\r\n"));
  expect_refused(client, 413);
  Client pipelined = server_->connect();
  pipelined.send(kGoodRequest + head("Content-Length: 1048577\r\n"));
  expect_ok(pipelined.receive());
  expect_refused(pipelined, 413);
}

// One byte costs six on the wire, and a worker more than its sender.
TEST_F(Bodies, NextToNothingButFramingIsRefused) {
  std::string extended = head("Transfer-Encoding: chunked\r\n");
  for (int i = 0; i < 300; ++i)
    extended += "64;" + std::string(500, 'e') + "\r\n" + std::string(100, 'x') + "\r\n";
  for (const std::string& request : {in_chunks(noise(40'000, 1), 1), extended}) {
    Client client = server_->connect();
    client.send(request);
    expect_refused(client, 400);
  }
  EXPECT_THAT(server_->log(), ::testing::HasSubstr("nearly all framing"));

  Client client = server_->connect();
  expect_ok(client.exchange(in_chunks(noise(400'000, 1), 2)));
  expect_ok(client.exchange(in_chunks(noise(18'000, 1), 1)));
}

TEST_F(Bodies, ByteByByte) {
  Client client = server_->connect();
  for (const std::string& request :
       {with_length(noise(50, 1)), in_chunks(noise(50, 2), 7), in_chunks("", 1), with_length("")}) {
    client.send_byte_by_byte(request);
    expect_ok(client.receive());
  }
}

TEST_F(Bodies, OfTwoConnectionsInTurns) {
  const std::string one = in_chunks(noise(300'000, 1), 5'000) + kGoodRequest;
  const std::string two = with_length(noise(300'000, 2)) + kGoodRequest;
  Client first = server_->connect();
  Client second = server_->connect();
  constexpr std::size_t kPiece = 3'001;
  for (std::size_t at = 0; at < std::max(one.size(), two.size()); at += kPiece) {
    if (at < one.size()) first.send(std::string_view(one).substr(at, kPiece));
    if (at < two.size()) second.send(std::string_view(two).substr(at, kPiece));
  }
  for (Client* client : {&first, &second}) {
    expect_ok(client->receive());
    expect_ok(client->receive());
  }
}

bool is_stopped(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  return stat.find(") T ") != std::string::npos;
}

// Neither of them has a connection in hand: one that is stopped then keeps nothing from the other.
bool all_wait(const Server& server) {
  const auto scoreboard = server.segment().scoreboard();
  return std::all_of(scoreboard.begin(), scoreboard.end(), [](const WorkerEntry& entry) {
    return entry.flight.phase.load() == FlightPhase::kWaiting;
  });
}

// Stops one worker after the other, so that each piece of a body is read by another one than the piece
// before.
TEST_F(Bodies, InPiecesThatDifferentWorkersRead) {
  const auto workers = server_->workers();
  ASSERT_EQ(workers.size(), 2U);
  const std::string body = noise(40'000, 1);
  for (const std::string& request : {with_length(body), in_chunks(body, 1'000)}) {
    ASSERT_TRUE(wait_until([] { return server_->header().connections.load() == 0; }));
    Client client = server_->connect();
    ASSERT_TRUE(wait_until([] { return server_->connections_in(SlotState::kArmedRead) == 1; }));
    const std::size_t piece = request.size() / 8 + 1;
    for (std::size_t at = 0, turn = 0; at < request.size(); at += piece, ++turn) {
      ASSERT_TRUE(wait_until([] { return all_wait(*server_); }));
      const pid_t asleep = workers[turn % 2];
      ::kill(asleep, SIGSTOP);
      const bool stopped = wait_until([&] { return is_stopped(asleep); });
      const std::uint64_t before = server_->total(&Counters::bytes_in);
      client.send(std::string_view(request).substr(at, piece));
      const std::uint64_t sent = std::min(piece, request.size() - at);
      // The head is counted when the request is done.
      const std::uint64_t taken = at == 0 ? sent - request.find("\r\n\r\n") - 4 : sent;
      const bool read = stopped && wait_until([&] {
                          return server_->total(&Counters::bytes_in) >= before + taken && all_wait(*server_);
                        });
      ::kill(asleep, SIGCONT);
      ASSERT_TRUE(read) << at;
    }
    expect_ok(client.receive());
  }
}

TEST_F(Bodies, FollowedByPipelinedRequests) {
  Client client = server_->connect();
  for (const std::size_t size : {0U, 10U, 70'000U, 200'000U}) {
    const std::string body = noise(size, 1);
    client.send(with_length(body) + kGoodRequest + in_chunks(body, 777) + with_length(body) + kGoodRequest);
    for (int i = 0; i < 5; ++i) expect_ok(client.receive());
  }
}

TEST_F(Bodies, OfARouteThatTakesNone) {
  Client client = server_->connect();
  client.send(head("Content-Length: 200000\r\n", "/file.txt") + noise(200'000, 1));
  EXPECT_EQ(client.receive().status, 405);
}

// -- Expect: 100-continue

TEST_F(Bodies, ContinueThenTheAnswer) {
  Client client = server_->connect();
  for (const char* framing : {"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"}) {
    const Response go_on = client.exchange(head(std::string("Expect: 100-continue\r\n") + framing));
    EXPECT_EQ(go_on.status, 100);
    EXPECT_TRUE(go_on.fields.empty());
    expect_ok(client.exchange(framing[0] == 'C' ? "hello" : "5\r\nhello\r\n0\r\n\r\n"));
  }
  // Nothing is announced, so there is nothing to wait for.
  expect_ok(client.exchange(head("Expect: 100-continue\r\nContent-Length: 0\r\n")));
}

TEST_F(Bodies, NoContinueForARequestThatIsRefusedAnyway) {
  const std::string expect = "Expect: 100-continue\r\n";
  const std::pair<std::string, int> refused[] = {
      {head(expect + "Content-Length: 5\r\n", "/file.txt"), 405},
      {head(expect + "Transfer-Encoding: chunked\r\n", "/file.txt"), 405},
      {head(expect + "Content-Length: 5\r\n", "/denied"), 403},
      {head(expect + "Content-Length: 1048577\r\n"), 413},
  };
  for (const auto& [request, status] : refused) {
    Client client = server_->connect();
    client.send(request);
    expect_refused(client, status);
  }
}

TEST_F(Bodies, ContinueBehindAPipelinedRequest) {
  Client client = server_->connect();
  client.send(kGoodRequest + head("Expect: 100-continue\r\nContent-Length: 5\r\n"));
  expect_ok(client.receive());
  EXPECT_EQ(client.receive().status, 100);
  expect_ok(client.exchange("hello"));
}

// The decoder stands in the slot between two pieces, with all that it must remember.
TEST_F(Bodies, ATrailerThatFramesIsRefusedHoweverItArrives) {
  Client client = server_->connect();
  const Response go_on = client.exchange(head("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_EQ(go_on.status, 100);
  client.send_byte_by_byte("0\r\nContent-Length: 5\r\n\r\n");
  expect_refused(client, 400);
}

// -- clients that do not finish

TEST_F(Bodies, CutShortIsNeverSuccess) {
  const std::string body = noise(200'000, 1);
  for (const std::string& request : {with_length(body), in_chunks(body, 1'000)}) {
    for (const std::size_t missing : {std::size_t{1}, std::size_t{100'000}, body.size()}) {
      Client client = server_->connect();
      client.send(std::string_view(request).substr(0, request.size() - missing));
      client.shutdown_write();
      expect_refused(client, 400);
    }
  }
}

TEST_F(Bodies, ResetInTheMiddle) {
  const std::string request = with_length(noise(200'000, 1));
  for (int i = 0; i < 20; ++i) {
    Client client = server_->connect();
    client.send(std::string_view(request).substr(0, 1 + static_cast<std::size_t>(i) * 9'000));
    client.reset();
  }
  EXPECT_TRUE(wait_until([] { return server_->header().connections.load() == 0; }));
  expect_ok(server_->connect().get("/ok"));
}

class SlowBodies : public SharedServer<SlowBodies> {
 public:
  static std::string prepare(const TempDir& folder) {
    folder.write("site/file.txt", "file");
    return kConfig + "[timeouts]\nbody = \"1s\"\n" + kRoutes;
  }
};

TEST_F(SlowBodies, TrickledBodyIsGivenUp) {
  // Both at once: each byte is progress, but not enough of it.
  Client length = server_->connect();
  Client chunks = server_->connect();
  length.send(head("Content-Length: 100000\r\n"));
  chunks.send(head("Transfer-Encoding: chunked\r\n") + "ffff\r\n");
  while (!length.readable_within(std::chrono::milliseconds(10))) {
    length.send("x");
    chunks.send("x");
  }
  expect_refused(length, 408);
  expect_refused(chunks, 408);
}

TEST_F(SlowBodies, ABodyThatGoesOnMayTakeLongerThanTheTimeout) {
  Client client = server_->connect();
  const std::string body = noise(200'000, 1);
  client.send(head("Content-Length: 200000\r\n"));
  for (std::size_t at = 0; at < body.size(); at += 2'000) {
    EXPECT_FALSE(client.readable_within(std::chrono::milliseconds(13)));
    client.send(std::string_view(body).substr(at, 2'000));
  }
  expect_ok(client.receive());
}

}  // namespace

}  // namespace baton::test
