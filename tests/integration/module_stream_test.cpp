// Large and streamed responses of modules, and clients that take them slowly or not at all.
#include <gmock/gmock.h>

#include "tests/integration/shared_server.h"
#include "tests/support/bulk.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"

namespace baton::test {

namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// One worker: whoever holds it keeps it from all others.
class Streams : public SharedServer<Streams> {
 public:
  static std::string prepare(const TempDir&) {
    return "[server]\nworkers = 1\n[log]\naccess = \"access.log\"\n[[site]]\n" +
           module_route("/", module_file("good")) +
           "[[site.route]]\npath = \"/plain\"\nrespond = { body = \"plain\" }\n";
  }
  static std::string request(const std::string& target, const std::string& version = "1.1") {
    return "GET " + target + " HTTP/" + version + "\r\nHost: x\r\n\r\n";
  }
  // Asks for it and reads nothing until all that the socket does not take is parked.
  static Client parked(const std::string& target) {
    Client client = connect_narrow(server_->port(), 1'400);
    client.send(request(target));
    EXPECT_TRUE(wait_until([] { return count_armed(*server_, Phase::kParked) == 1; }));
    return client;
  }
};

TEST_F(Streams, ChunksAreExact) {
  Client client = server_->connect();
  for (int i = 0; i < 2; ++i) {
    client.send(request("/stream/1000/300") + request("/plain"));
    const std::string head = read_head(client);
    EXPECT_THAT(head, HasSubstr("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(head, HasSubstr("Transfer-Encoding: chunked\r\n"));
    EXPECT_THAT(head, HasSubstr("X-Kind: stream\r\n"));
    EXPECT_THAT(head, Not(HasSubstr("Content-Length")));
    std::vector<std::size_t> sizes;
    EXPECT_EQ(read_chunked(client, &sizes), written(1'000));
    EXPECT_EQ(sizes, (std::vector<std::size_t>{300, 300, 300, 100, 0}));
    EXPECT_EQ(client.receive().body, "plain") << "the connection goes on, with what was pipelined";
  }
}

TEST_F(Streams, NothingFlushedIsAnEmptyBody) {
  Client client = server_->connect();
  client.send(request("/late-stream/0"));
  read_head(client);
  std::vector<std::size_t> sizes;
  EXPECT_EQ(read_chunked(client, &sizes), "end");
  EXPECT_EQ(sizes, (std::vector<std::size_t>{3, 0})) << "an empty chunk would have been the last one";
}

TEST_F(Streams, EachPartIsThereBeforeTheNext) {
  Client client = server_->connect();
  client.send(request("/steps/step"));
  EXPECT_THAT(read_head(client), HasSubstr("chunked"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.read_bytes(12), "7\r\npart " + std::to_string(i) + "\n\r\n");
    folder_->write("step" + std::to_string(i), "");
  }
  EXPECT_EQ(client.read_bytes(5), "0\r\n\r\n");
}

TEST_F(Streams, ForHttp10TheConnectionIsTheEnd) {
  for (const std::string fields : {"", "Connection: keep-alive\r\n"}) {
    Client client = server_->connect();
    client.send("GET /stream/100000/999 HTTP/1.0\r\n" + fields + "\r\n");
    const std::string head = read_head(client);
    EXPECT_THAT(head, Not(HasSubstr("chunked")));
    EXPECT_THAT(head, Not(HasSubstr("keep-alive")));
    EXPECT_EQ(client.read_to_end(), written(100'000));
  }
  Client client = server_->connect();
  client.send(request("/late-stream/600000", "1.0"));
  read_head(client);
  EXPECT_TRUE(client.read_to_end() == written(600'000) + "end");
}

TEST_F(Streams, HeadHasNoBody) {
  Client client = server_->connect();
  for (const char* target : {"/stream/100000/999", "/late-stream/600000"}) {
    const Response response = client.ask("HEAD", target);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.field("transfer-encoding"), "chunked");
    EXPECT_EQ(client.get("/plain").body, "plain");
  }
}

TEST_F(Streams, WhatWasGatheredBeforeTheFirstFlush) {
  for (const std::size_t bytes : {1U, 262'143U, 262'144U, 262'145U, 600'000U, 3'000'000U}) {
    Client client = server_->connect();
    client.send(request("/late-stream/" + std::to_string(bytes)) + request("/plain"));
    read_head(client);
    EXPECT_TRUE(read_chunked(client) == written(bytes) + "end") << bytes;
    EXPECT_EQ(client.receive().body, "plain");
  }
}

// Far more than the sockets hold, all of it made before the client reads any.
TEST_F(Streams, AReaderThatStartsLate) {
  for (const std::string target : {"/stream/20000000/50000", "/stream/3000000/99", "/late-stream/20000000"}) {
    Client client = parked(target);
    client.send(request("/plain"));
    EXPECT_EQ(get("/plain").body, "plain") << "the worker is free";
    const std::size_t bytes = std::stoul(target.substr(target.find('/', 1) + 1));
    read_head(client);
    EXPECT_TRUE(read_chunked(client) == written(bytes) + (target[1] == 'l' ? "end" : "")) << target;
    EXPECT_EQ(client.receive().body, "plain");
  }
}

TEST_F(Streams, ASlowReaderOfALargeResponseHoldsNoWorker) {
  Client slow = parked("/write/20000000/100000");
  Client fast = server_->connect();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(fast.get("/write/5/1").body, "abcde");
  EXPECT_EQ(count_armed(*server_, Phase::kParked), 1U);
  EXPECT_TRUE(slow.receive().body == written(20'000'000));
  EXPECT_EQ(slow.get("/plain").body, "plain");
}

TEST_F(Streams, AClientThatDisappearsIsToldToTheHandler) {
  for (const bool reset : {true, false}) {
    const std::uint64_t before = counted(*folder_, "gone");
    Client client = server_->connect();
    client.send(request("/endless"));
    read_head(client);
    reset ? client.reset() : client.close();
    EXPECT_TRUE(wait_until([&] { return counted(*folder_, "gone") == before + 1; }));
    EXPECT_EQ(get("/plain").body, "plain");
  }
  EXPECT_TRUE(wait_until([] { return server_->header().connections.load() == 0; }));
}

TEST_F(Streams, AFailureBeforeTheFirstFlushIsAnAnswer) {
  Client client = server_->connect();
  EXPECT_EQ(client.get("/fail").status, 500);
  EXPECT_EQ(client.get("/plain").body, "plain");
}

TEST_F(Streams, AFailureAfterItEndsTheConnection) {
  Client client = server_->connect();
  client.send(request("/fail-late") + request("/plain"));
  EXPECT_THAT(read_head(client), HasSubstr("chunked"));
  EXPECT_EQ(client.read_to_end(), "4\r\nhalf\r\n")
      << "without its end, so that nobody takes it for the whole";
  EXPECT_THAT(server_->log(), HasSubstr("the handler has failed: the late reason"));
  EXPECT_EQ(get("/plain").body, "plain");
}

TEST_F(Streams, TheAccessLogHasAllOfThem) {
  Client client = server_->connect();
  client.send(request("/stream/1000/300?logged"));
  read_head(client);
  read_chunked(client);
  // With the framing: 4 chunks, and the last.
  const std::string line =
      "\"GET /stream/1000/300?logged HTTP/1.1\" 200 " + std::to_string(1'000 + 3 * 7 + 6 + 5) + " ";
  EXPECT_TRUE(wait_until([&] { return folder_->read("access.log").find(line) != std::string::npos; }))
      << folder_->read("access.log");
}

TEST_F(Streams, TheBytesAreCounted) {
  Client client = server_->connect();
  const auto out = [] { return server_->total(&Counters::bytes_out); };
  const std::uint64_t before = out();
  client.send(request("/stream/2000000/1000"));
  const std::size_t head = read_head(client).size();
  std::vector<std::size_t> sizes;
  read_chunked(client, &sizes);
  const std::uint64_t framing = (sizes.size() - 1) * 7 + 5;  // "3e8\r\n", "\r\n"; "0\r\n\r\n"
  EXPECT_TRUE(wait_until([&] { return out() >= before + head + 2'000'000 + framing; }));
  EXPECT_EQ(out(), before + head + 2'000'000 + framing);
}

// A client that takes nothing for longer than it may is lost to the handler, although it is still there: what
// it has had must not look like the whole.
TEST(SlowStreams, WhatIsGivenUpDoesNotLookComplete) {
  const TempDir folder;
  const Server server(folder, "[server]\nworkers = 1\n[timeouts]\nsend = \"300ms\"\n[[site]]\n" +
                                  module_route("/", module_file("good")));
  Client client = connect_narrow(server.port());
  client.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(wait_until([&] { return counted(folder, "gone") == 1; }));
  read_head(client);
  EXPECT_THROW(read_chunked(client), std::runtime_error);
  EXPECT_TRUE(wait_until([&] { return count_connections(server) == 0; }));
  expect_no_worker_died(server);
}

}  // namespace

}  // namespace baton::test
