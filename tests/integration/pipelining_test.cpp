// Many requests at once, and clients that read their answers late or never; over every kind of listener.
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "tests/integration/shared_server.h"
#include "tests/support/wait.h"

namespace baton::test {

namespace {

namespace fs = std::filesystem;

constexpr int kFiles = 10;

// Files 0 to 6 are kept in memory, 7 and 8 are not, a few of 9 fill any socket's buffer.
const std::string& content(int file) {
  static const std::vector<std::string> contents = [] {
    std::vector<std::string> made;
    for (unsigned i = 0; i < kFiles; ++i)
      made.push_back(noise(i < 7 ? 100 * (i + 1) : i < 9 ? 60'000 : 3'000'000, i));
    return made;
  }();
  return contents[static_cast<std::size_t>(file)];
}

std::string request_for(int file) {
  return "GET /" + std::to_string(file) + " HTTP/1.1\r\nHost: h\r\n\r\n";
}

std::string config(const TempDir& folder, const std::string& settings = "") {
  for (int i = 0; i < kFiles; ++i) folder.write("site/" + std::to_string(i), content(i));
  return static_config("site", "", settings) + R"(
[[listen]]
address = "127.0.0.1:0"
[[listen]]
address = "[::1]:0"
[[listen]]
address = "unix:socket"
)";
}

class Pipelining : public ::testing::TestWithParam<std::size_t> {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempDir>();
    server_ = std::make_unique<Server>(*folder_, config(*folder_));
  }
  static void TearDownTestSuite() {
    expect_no_worker_died(*server_);
    server_.reset();
    folder_.reset();
  }
  static Client connect() { return server_->connect(GetParam()); }

  static inline std::unique_ptr<TempDir> folder_;
  static inline std::unique_ptr<Server> server_;
};

TEST_P(Pipelining, ThousandRequestsInOneWrite) {
  std::vector<int> files;
  std::string requests;
  for (int i = 0; i < 1'000; ++i) {
    files.push_back(i % 250 == 249 ? 9 : (i * 7 + i / 10) % 9);
    requests += request_for(files.back());
  }
  Client client = connect();
  client.send(requests);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Response response = client.receive();
    ASSERT_EQ(response.status, 200) << i;
    ASSERT_TRUE(response.body == content(files[i])) << "answer " << i << " is not that of file " << files[i];
  }
  EXPECT_EQ(client.get("/0").body, content(0));
}

TEST_P(Pipelining, RequestsInPiecesThatCutThemAnywhere) {
  std::string requests;
  for (int i = 0; i < 300; ++i) requests += request_for(i % 7);
  Client client = connect();
  for (std::size_t at = 0, piece = 1; at < requests.size(); at += piece, piece = piece % 61 + 1) {
    client.send(std::string_view(requests).substr(at, piece));
  }
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(client.receive().body == content(i % 7)) << i;
}

TEST_P(Pipelining, SlowReaderGetsEveryByteAndStopsNobody) {
  constexpr int kRequests = 10;
  std::string requests;
  for (int i = 0; i < kRequests; ++i) requests += request_for(9) + request_for(i % 7);
  Client slow = connect();
  slow.receive_little();
  slow.send(requests);
  ASSERT_TRUE(wait_until([] { return server_->connections_in(SlotState::kArmedWrite) == 1; }));
  Client other = connect();
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(slow.receive().body == content(9)) << i;
    ASSERT_TRUE(slow.receive().body == content(i % 7)) << i;
    EXPECT_TRUE(other.get("/8").body == content(8));
  }
}

TEST_P(Pipelining, LastAnswerBeforeTheCloseIsWhole) {
  Client client = connect();
  client.send(request_for(1) + "GET /9 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + request_for(2));
  EXPECT_TRUE(client.receive().body == content(1));
  EXPECT_TRUE(client.receive().body == content(9));
  EXPECT_TRUE(client.closed());
}

TEST_P(Pipelining, HalfClosedClientGetsItsAnswers) {
  Client client = connect();
  client.send(request_for(9) + request_for(8) + request_for(9));
  client.shutdown_write();
  for (const int file : {9, 8, 9}) EXPECT_TRUE(client.receive().body == content(file)) << file;
  EXPECT_TRUE(client.closed());
}

TEST_P(Pipelining, HeadInPiecesThatTheServerHasSeen) {
  ASSERT_TRUE(wait_until([] { return server_->header().connections.load() == 0; }));
  Client client = connect();
  ASSERT_TRUE(wait_until([] { return server_->connections_in(SlotState::kArmedRead) == 1; }));
  const Slot& slot = server_->segment().connections().at(server_->only_connection());
  const std::string request = "GET /3 HTTP/1.1\r\nHost: h\r\nX-More: " + std::string(400, 'x') + "\r\n\r\n";
  for (int round = 0; round < 3; ++round) {
    for (std::size_t at = 0; at < request.size(); at += 50) {
      client.send(std::string_view(request).substr(at, 50));
      if (at + 50 >= request.size()) break;
      // Left in a TCP socket, moved out of one of the Unix kind.
      EXPECT_TRUE(wait_until([&] { return std::max(slot.peeked, slot.spool_bytes) == at + 50; }));
    }
    EXPECT_TRUE(client.receive().body == content(3));
  }
}

std::string listener_name(const ::testing::TestParamInfo<std::size_t>& info) {
  const char* const names[] = {"Ipv4", "Ipv6", "UnixSocket"};
  return names[info.param];
}

INSTANTIATE_TEST_SUITE_P(Listeners, Pipelining, ::testing::Values(0, 1, 2), listener_name);

// -- clients that never read

std::uint64_t private_memory(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8)) * 1024;
  }
  return 0;
}

std::uint64_t memory_of(const Server& server) {
  std::uint64_t bytes = private_memory(server.pid());
  for (const pid_t worker : server.workers()) bytes += private_memory(worker);
  return bytes;
}

// What is parked in memory: the table of descriptors is one for all processes.
std::uint64_t parked_bytes(const Server& server) {
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(server.pid()) + "/fd")) {
    std::error_code gone;
    if (!fs::read_symlink(entry.path(), gone).string().starts_with("/memfd:baton-response")) continue;
    struct stat status {};
    if (::stat(entry.path().c_str(), &status) == 0) bytes += static_cast<std::uint64_t>(status.st_size);
  }
  return bytes;
}

// Sends until the socket takes no more; returns the bytes it took.
std::uint64_t send_what_fits(const Client& client, const std::string& bytes) {
  std::uint64_t sent = 0;
  for (ssize_t n = 0; n >= 0; sent += static_cast<std::uint64_t>(std::max<ssize_t>(n, 0))) {
    n = ::send(client.fd(), bytes.data() + sent % bytes.size(), bytes.size() - sent % bytes.size(),
               MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  return sent;
}

TEST(Floods, PipelinedWithoutReadingCostNoMemoryAndStopNobody) {
  const TempDir folder;
  const Server server(folder, config(folder));
  Client other = server.connect();
  EXPECT_TRUE(other.get("/0").body == content(0));
  const std::uint64_t before = memory_of(server);

  std::string requests;
  for (int i = 0; i < 500; ++i) requests += request_for(i % 9);
  constexpr int kFlooders = 16;
  std::vector<Client> flooders;
  for (int i = 0; i < kFlooders; ++i) {
    flooders.push_back(server.connect());
    flooders.back().receive_little();
  }
  // Until all are parked and none of them takes a byte more.
  EXPECT_TRUE(wait_until([&] {
    std::uint64_t sent = 0;
    for (const Client& flooder : flooders) sent += send_what_fits(flooder, requests);
    return sent == 0 && server.connections_in(SlotState::kArmedWrite) == kFlooders;
  }));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(other.get("/" + std::to_string(i % 9)).body == content(i % 9));

  EXPECT_EQ(server.connections_in(SlotState::kArmedWrite), kFlooders);
  EXPECT_LE(parked_bytes(server), std::uint64_t{kFlooders} * 128 * 1024);
  EXPECT_LE(memory_of(server), before + 16 * 1024 * 1024);
  flooders.clear();
  EXPECT_TRUE(
      wait_until([&] { return server.header().connections.load() == 1 && parked_bytes(server) == 0; }));
}

TEST(Floods, SlowReadsAreGivenUp) {
  const TempDir folder;
  const Server server(folder, config(folder, "[timeouts]\nsend = \"500ms\"\n"));
  Client idle = server.connect();
  Client trickle = server.connect();
  idle.receive_little();
  trickle.receive_little();
  // More than the buffers of both sockets hold.
  std::string requests;
  for (int i = 0; i < 10; ++i) requests += request_for(9);
  idle.send(requests);
  trickle.send(requests);
  int trickled = 0;
  EXPECT_TRUE(wait_until([&] {
    char byte = 0;
    if (trickled < 200 && ::recv(trickle.fd(), &byte, 1, MSG_DONTWAIT) == 1) ++trickled;
    return server.total(&Counters::timeouts) == 2;
  }));
  EXPECT_GT(trickled, 0);
  EXPECT_LT(idle.read_to_end().size(), content(9).size() * 10);
  EXPECT_LT(trickle.read_to_end().size(), content(9).size() * 10);
  EXPECT_TRUE(server.connect().get("/9").body == content(9));
}

}  // namespace

}  // namespace baton::test
