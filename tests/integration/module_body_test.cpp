// Request bodies for modules: whole when the handler begins, wherever they had to wait.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/integration/shared_server.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"

namespace baton::test {

namespace {

using ::testing::HasSubstr;

std::string head(const std::string& target, const std::string& fields) {
  return "POST " + target + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
}

std::string with_length(const std::string& body, const std::string& target = "/large") {
  return head(target, "Content-Length: " + std::to_string(body.size()) + "\r\n") + body;
}

std::string in_chunks(const std::string& body, std::size_t size, const std::string& target = "/large") {
  std::string text = head(target, "Transfer-Encoding: chunked\r\n");
  for (std::size_t at = 0; at < body.size(); at += size) {
    char line[20];
    std::snprintf(line, sizeof line, "%zx\r\n", std::min(size, body.size() - at));
    text.append(line).append(body, at, size).append("\r\n");
  }
  return text + "0\r\n\r\n";
}

constexpr const char* kPlain = "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n";

std::string prepared(const TempDir& folder, const std::string& settings) {
  std::filesystem::create_directory(folder.path() / "spool");
  return "[server]\nworkers = 2\nspool_dir = \"spool\"\n" + settings + "\n[[site]]\n" +
         module_route("/", module_file("good")) +
         "[[site.route]]\npath = \"/plain\"\nrespond = { body = \"plain\" }\n";
}

// Sizes around what fits the buffer of a worker, with the head and without.
const std::vector<std::size_t>& sizes() {
  static const std::vector<std::size_t> all{0,      1,      1'000,  81'700,  81'800,    81'900,
                                            81'919, 81'920, 81'921, 163'840, 1'048'500, 1'048'576};
  return all;
}

// The two limits between which a body moves: both ways of waiting, and one way from memory to disk.
class ModuleBodies : public testing::TestWithParam<const char*> {
 protected:
  TempDir folder_;
  Server server_{folder_, prepared(folder_, std::string("[limits]\nspool_memory = ") + GetParam())};
};

TEST_P(ModuleBodies, OfEverySize) {
  Client client = server_.connect();
  for (const std::size_t size : sizes()) {
    const std::string body = noise(size, static_cast<unsigned>(size));
    EXPECT_TRUE(client.exchange(with_length(body)).body == body) << size;
    EXPECT_TRUE(client.exchange(in_chunks(body, 5'000)).body == body) << size << " in chunks";
    EXPECT_TRUE(client.exchange(in_chunks(body, 200'000)).body == body) << size << " in large chunks";
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() / "spool"));
  expect_no_worker_died(server_);
}

TEST_P(ModuleBodies, OfMegabytes) {
  Client client = server_.connect();
  const std::string body = noise(9'000'000, 7);
  EXPECT_TRUE(client.exchange(with_length(body)).body == body);
  EXPECT_TRUE(client.exchange(in_chunks(body, 70'000)).body == body);
  EXPECT_EQ(client.get("/plain").body, "plain");
  expect_no_worker_died(server_);
}

TEST_P(ModuleBodies, AroundWhichRequestsArePipelined) {
  Client client = server_.connect();
  for (const std::size_t size : {0U, 10U, 81'920U, 300'000U}) {
    const std::string body = noise(size, 3);
    client.send(kPlain + with_length(body) + kPlain + in_chunks(body, 999) + with_length(body) + kPlain);
    for (const bool plain : {true, false, true, false, false, true})
      EXPECT_TRUE(client.receive().body == (plain ? "plain" : body)) << size;
  }
  expect_no_worker_died(server_);
}

TEST_P(ModuleBodies, ByteByByte) {
  Client client = server_.connect();
  for (const std::string& request : {with_length(noise(300, 1)), in_chunks(noise(300, 1), 7)}) {
    client.send_byte_by_byte(request);
    EXPECT_EQ(client.receive().body, noise(300, 1));
  }
}

TEST_P(ModuleBodies, OfTwoClientsInTurns) {
  const std::string one = noise(400'000, 1);
  const std::string two = noise(400'000, 2);
  const std::string requests[] = {with_length(one), in_chunks(two, 5'000)};
  Client clients[] = {server_.connect(), server_.connect()};
  constexpr std::size_t kPiece = 3'001;
  for (std::size_t at = 0; at < std::max(requests[0].size(), requests[1].size()); at += kPiece) {
    for (std::size_t i = 0; i < 2; ++i) {
      if (at < requests[i].size()) clients[i].send(std::string_view(requests[i]).substr(at, kPiece));
    }
  }
  EXPECT_TRUE(clients[0].receive().body == one);
  EXPECT_TRUE(clients[1].receive().body == two);
}

INSTANTIATE_TEST_SUITE_P(Spool, ModuleBodies, testing::Values("0", "\"200K\"", "\"16M\""),
                         [](const auto& each) {
                           return each.param == std::string("0") ? "on_disk"
                                  : each.param[1] == '2'         ? "moving"
                                                                 : "in_memory";
                         });

// -- limits

class BodyLimits : public SharedServer<BodyLimits> {
 public:
  static std::string prepare(const TempDir& folder) {
    return prepared(folder,
                    "[limits]\nbody_bytes = \"10K\"\nspool_memory = \"1K\"\n[timeouts]\nbody = \"60s\"");
  }
  static void expect_refused(const std::string& request, int status) {
    Client client = server_->connect();
    client.send(request);
    EXPECT_EQ(client.receive().status, status);
    EXPECT_TRUE(client.closed());
  }
};

TEST_F(BodyLimits, EachHandlerHasItsOwn) {
  Client client = server_->connect();
  EXPECT_EQ(client.exchange(with_length(std::string(1'000, 'x'), "/small")).body.size(), 1'000U);
  EXPECT_EQ(client.exchange(with_length(std::string(10'240, 'x'), "/echo")).body.size(), 10'240U);
  EXPECT_EQ(client.exchange(with_length("", "/none")).status, 200);
  EXPECT_EQ(client.exchange(in_chunks("", 1, "/none")).status, 200);
}

TEST_F(BodyLimits, AreAnsweredBeforeTheBodyIsRead) {
  const std::uint64_t before = counted(*folder_, "echoed");
  expect_refused(head("/small", "Content-Length: 1001\r\n"), 413);
  expect_refused(head("/echo", "Content-Length: 10241\r\n"), 413);
  expect_refused(head("/none", "Content-Length: 1\r\n"), 413);
  expect_refused(head("/large", "Content-Length: 1073741825\r\n"), 413);
  expect_refused(head("/large", "Content-Length: 9223372036854775807\r\n"), 413);
  EXPECT_EQ(counted(*folder_, "echoed"), before);
}

TEST_F(BodyLimits, AreAnsweredAsSoonAsAChunkIsTooMuch) {
  const std::uint64_t before = counted(*folder_, "echoed");
  expect_refused(head("/small", "Transfer-Encoding: chunked\r\n") + "3e9\r\n" + std::string(1'001, 'x'), 413);
  expect_refused(in_chunks(std::string(1'001, 'x'), 100, "/small"), 413);
  expect_refused(head("/none", "Transfer-Encoding: chunked\r\n") + "1\r\nx", 413);
  // In many pieces, and larger than the buffer.
  Client client = server_->connect();
  client.send(head("/echo", "Transfer-Encoding: chunked\r\n") + "2000\r\n" + std::string(0x2000, 'x') +
              "\r\n");
  ASSERT_TRUE(wait_until([] { return count_armed(*server_, Phase::kBody) == 1; }));
  client.send("1000\r\n" + std::string(0x1000, 'x'));
  EXPECT_EQ(client.receive().status, 413);
  EXPECT_EQ(counted(*folder_, "echoed"), before);
}

TEST_F(BodyLimits, ContinueIsSaidBeforeTheHandlerRuns) {
  Client client = server_->connect();
  const std::uint64_t before = counted(*folder_, "echoed");
  for (const char* framing : {"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"}) {
    client.send(head("/echo", std::string("Expect: 100-continue\r\n") + framing));
    EXPECT_EQ(client.receive().status, 100);
    ASSERT_TRUE(wait_until([] { return count_armed(*server_, Phase::kBody) == 1; }));
    const std::uint64_t asked = counted(*folder_, "echoed");
    EXPECT_EQ(client.exchange(framing[0] == 'C' ? "hello" : "5\r\nhello\r\n0\r\n\r\n").body, "hello");
    EXPECT_EQ(counted(*folder_, "echoed"), asked + 1);
  }
  EXPECT_EQ(counted(*folder_, "echoed"), before + 2);
  expect_refused(head("/small", "Expect: 100-continue\r\nContent-Length: 1001\r\n"), 413);
  expect_refused(head("/nowhere", "Expect: 100-continue\r\nContent-Length: 5\r\n"), 404);
  expect_refused(head("/users/1", "Expect: 100-continue\r\nContent-Length: 5\r\n"), 405);
}

TEST_F(BodyLimits, CutShortIsNeverHandled) {
  const std::uint64_t before = counted(*folder_, "echoed");
  const std::string body = noise(300'000, 1);
  for (const std::string& request : {with_length(body), in_chunks(body, 1'000)}) {
    for (const std::size_t missing : {std::size_t{1}, std::size_t{100'000}, body.size()}) {
      Client client = server_->connect();
      client.send(std::string_view(request).substr(0, request.size() - missing));
      client.shutdown_write();
      EXPECT_EQ(client.receive().status, 400);
      EXPECT_TRUE(client.closed());
    }
    Client client = server_->connect();
    client.send(std::string_view(request).substr(0, 150'000));
    client.reset();
  }
  EXPECT_TRUE(wait_until([] { return server_->header().connections.load() == 0; }));
  EXPECT_EQ(counted(*folder_, "echoed"), before);
}

TEST_F(BodyLimits, MalformedChunksAreNeverHandled) {
  const std::uint64_t before = counted(*folder_, "echoed");
  expect_refused(head("/large", "Transfer-Encoding: chunked\r\n") + "5\r\nhelloX", 400);
  expect_refused(head("/large", "Transfer-Encoding: chunked\r\n") + "zz\r\n", 400);
  expect_refused(
      head("/large", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n", 400);
  EXPECT_EQ(counted(*folder_, "echoed"), before);
}

// Both workers have slow uploads, many more than there are of them, and serve the others.
TEST_F(BodyLimits, ASlowUploadHoldsNoWorker) {
  std::vector<Client> slow;
  const std::string body = noise(200'000, 1);
  for (int i = 0; i < 20; ++i) {
    slow.push_back(server_->connect());
    const std::string request = i % 2 == 0 ? with_length(body) : in_chunks(body, 10'000);
    slow.back().send(std::string_view(request).substr(0, request.size() - 10));
  }
  ASSERT_TRUE(wait_until([] { return count_armed(*server_, Phase::kBody) == 20; }));
  Client fast = server_->connect();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(fast.exchange(with_length("quick", "/echo")).body, "quick");
  for (std::size_t i = 0; i < slow.size(); ++i) {
    const std::string request = i % 2 == 0 ? with_length(body) : in_chunks(body, 10'000);
    slow[i].send(std::string_view(request).substr(request.size() - 10));
    EXPECT_TRUE(slow[i].receive().body == body);
  }
}

// -- no room

// The folder is gone when it is needed: the same as a full disk, but for the number of the error.
TEST(ModuleBodyRoom, WithoutAFolderABodyIsRefusedAndTheServerGoesOn) {
  const TempDir folder;
  const Server server(folder, prepared(folder, "[limits]\nspool_memory = \"100K\""));
  std::filesystem::remove(folder.path() / "spool");
  Client neighbour = server.connect();
  EXPECT_EQ(neighbour.get("/plain").body, "plain");
  for (const std::string& request : {with_length(noise(500'000, 1)), in_chunks(noise(500'000, 1), 10'000),
                                     head("/large", "Expect: 100-continue\r\nContent-Length: 500000\r\n")}) {
    Client client = server.connect();
    client.send(request);
    Response response = client.receive();
    if (response.status == 100) response = client.receive();
    EXPECT_EQ(response.status, 507);
    EXPECT_TRUE(client.closed());
  }
  EXPECT_THAT(server.log(), HasSubstr("spool: No such file or directory"));
  EXPECT_THAT(server.log(), testing::Not(HasSubstr("temporarily unavailable")));
  EXPECT_TRUE(wait_until([&] { return count_connections(server) == 1; }));
  EXPECT_EQ(counted(folder, "echoed"), 0U);
  Client client = server.connect();
  EXPECT_TRUE(client.exchange(with_length(noise(90'000, 1))).body == noise(90'000, 1));
  EXPECT_EQ(neighbour.get("/plain").body, "plain");
  // A response that does not fit in memory either.
  EXPECT_EQ(client.get("/write/5000000/100000").status, 500);
  EXPECT_EQ(client.get("/write/50000/100").body, written(50'000));
  expect_no_worker_died(server);
}

}  // namespace

}  // namespace baton::test
