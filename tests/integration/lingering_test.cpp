// Clients that have their last answer and are still writing: a reset would take it from them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr const char* kSettings = R"(
[server]
workers = 2
shutdown_timeout = "1h"
[timeouts]
header = "500ms"
body = "500ms"
send = "500ms"
[[listen]]
address = "127.0.0.1:0"
[[listen]]
address = "unix:socket"
[[site]]
[[site.route]]
path = "/"
respond = { body = "x" }
[[site.route]]
path = "/files/"
static = { root = "root" }
)";

std::string post(const std::string& fields) {
  return "POST / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
}

constexpr std::size_t kUpload = std::size_t{64} << 20;
const std::string kRefused = post("Content-Length: " + std::to_string(kUpload) + "\r\n");

// False: the server has gone away.
bool write_all(const Client& client, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(client.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

class Lingering : public ::testing::TestWithParam<std::size_t> {
 protected:
  Lingering() : server_((folder_.write("root/file", std::string(120'000, 'x')), folder_), kSettings) {}

  [[nodiscard]] Client connect() const { return server_.connect(GetParam()); }
  // A client whose upload is refused, and who has not read that yet.
  [[nodiscard]] Client refused() const {
    Client client = connect();
    client.send(kRefused);
    EXPECT_TRUE(wait_until([&] { return count_armed(server_, Phase::kLingering) == 1; }));
    return client;
  }
  // Writes to the only connection's slot, which this process can only read, through the object itself.
  template <typename Member, typename Value>
  void set_in_slot(Member member, Value value) const {
    const Segment& segment = server_.segment();
    const Value& place = member(segment.connections().at(server_.only_connection()));
    const auto offset = reinterpret_cast<const std::byte*>(&place) - segment.memory().data();
    const UniqueFd object(::shm_open(("/" + segment.name()).c_str(), O_RDWR | O_CLOEXEC, 0));
    EXPECT_EQ(::pwrite(object.get(), &value, sizeof value, offset), static_cast<ssize_t>(sizeof value));
  }

  TempDir folder_;
  Server server_;
};

INSTANTIATE_TEST_SUITE_P(Listeners, Lingering, ::testing::Values(0, 1),
                         [](const auto& listener) { return listener.param == 0 ? "Tcp" : "UnixSocket"; });

// Each writes what it has to write, slowly, and reads when it is done.
TEST_P(Lingering, WhoWritesFirstReadsTheAnswerAfterwards) {
  struct Kind {
    int status;
    std::string begin;
    std::size_t rest;
    bool late = false;  // it is refused when it has stopped for a while
  };
  constexpr std::size_t kSlow = 1 << 20;
  const Kind kinds[] = {
      {413, kRefused, kUpload},
      {413, post("Transfer-Encoding: chunked\r\n") + "5000000\r\n" + std::string(2 << 20, 'x'), kUpload},
      {400, post("Transfer-Encoding: chunked\r\n") + "x\r\n", kSlow},
      {417, post("Expect: more\r\nContent-Length: 1000000\r\n"), kSlow},
      {501, post("Transfer-Encoding: gzip\r\n"), kSlow},
      {431, post("X: " + std::string(20'000, 'x') + "\r\n"), kSlow},
      {400, "nonsense\r\n", kSlow},
      {408, post("Content-Length: 1000000\r\n") + "a", kSlow, true},
      {408, post("Transfer-Encoding: chunked\r\n") + "5\r\na", kSlow, true},
      {408, "POST / HTTP/1.1\r\nHo", kSlow, true},
  };
  std::vector<Client> clients;
  for (const Kind& kind : kinds) {
    clients.push_back(connect());
    clients.back().send(kind.begin);
  }
  for (std::size_t c = 0; c < clients.size(); ++c) {
    if (!kinds[c].late) continue;
    ASSERT_TRUE(clients[c].readable_within(kPatience)) << kinds[c].begin;
  }
  constexpr std::size_t kPieces = 64;
  const std::string piece(kUpload / kPieces, 'x');
  for (std::size_t i = 0; i < kPieces; ++i) {
    const auto next = Clock::now() + milliseconds(50);
    for (std::size_t c = 0; c < clients.size(); ++c)
      ASSERT_TRUE(write_all(clients[c], std::string_view(piece).substr(0, kinds[c].rest / kPieces)))
          << kinds[c].begin << ", piece " << i;
    std::this_thread::sleep_until(next);  // the writers' pace, not an order of events
  }
  for (std::size_t c = 0; c < clients.size(); ++c) {
    EXPECT_EQ(clients[c].receive().status, kinds[c].status) << kinds[c].begin.substr(0, 80);
    EXPECT_TRUE(clients[c].closed());
  }
}

TEST_P(Lingering, WhoSaysNothingMoreIsLetGo) {
  const auto begun = Clock::now();
  const Client client = refused();
  EXPECT_TRUE(wait_until([&] { return count_connections(server_) == 0; }));
  EXPECT_GE(Clock::now() - begun, milliseconds(4'900));
  EXPECT_EQ(server_.total(&Counters::timeouts), 0U);
}

// The table is made to say that it has taken so long: a half minute is too long for a test.
TEST_P(Lingering, WhoNeverStopsIsCutAfterAll) {
  const Client client = refused();
  set_in_slot([](const Slot& slot) -> const Tick& { return slot.linger_end; }, tick_of(monotonic_ns()));
  EXPECT_TRUE(wait_until([&] { return !write_all(client, "x"); }));
}

TEST_P(Lingering, WhoWritesTooMuchIsCut) {
  const Client client = refused();
  set_in_slot([](const Slot& slot) -> const std::uint64_t& { return slot.linger.left; },
              std::uint64_t{100'000});
  EXPECT_TRUE(wait_until([&] { return !write_all(client, std::string(10'000, 'x')); }));
}

TEST_P(Lingering, OutlivesWorkersAndReloads) {
  Client client = refused();
  for (int i = 0; i < 3; ++i) {
    const std::vector<pid_t> workers = server_.workers();
    for (const pid_t worker : workers) ::kill(worker, SIGKILL);
    ASSERT_TRUE(write_all(client, std::string(1 << 20, 'x')));
    ASSERT_TRUE(wait_until([&] { return gone(workers) && server_.workers().size() == 2; }));
  }
  const Finished reload = server_.reload(kSettings);
  EXPECT_EQ(reload.status, 0) << reload.err;
  ASSERT_TRUE(write_all(client, std::string(1 << 20, 'x')));
  EXPECT_EQ(client.receive().status, 413);
}

TEST_P(Lingering, AStopDoesNotWaitForIt) {
  const Client client = refused();
  std::atomic<bool> stopped = false;
  std::thread writer([&] {
    while (!stopped && write_all(client, "x")) std::this_thread::sleep_for(milliseconds(10));
  });
  EXPECT_EQ(server_.stop(), 0);
  stopped = true;
  writer.join();
}

TEST_P(Lingering, ManyDoNotHoldUpTheOthers) {
  std::atomic<bool> done = false;
  std::vector<std::thread> writers;
  const std::string bytes(1 << 20, 'x');
  for (int i = 0; i < 8; ++i) {
    writers.emplace_back([&] {
      while (!done) {
        const Client client = connect();
        if (!write_all(client, kRefused)) continue;
        while (!done && write_all(client, bytes)) continue;
      }
    });
  }
  Client client = connect();
  const std::uint64_t before = server_.total(&Counters::bytes_in);
  for (int i = 0; i < 300; ++i) EXPECT_EQ(client.get("/").status, 200);
  EXPECT_TRUE(wait_until([&] { return server_.total(&Counters::bytes_in) > before + (kUpload >> 2); }));
  done = true;
  for (std::thread& writer : writers) writer.join();
}

// An answer is due at the deadline of its request, and no worker can be brought to give it: the socket takes
// nothing.
TEST_P(Lingering, WhoReadsNothingGetsNo408) {
  const Client client = connect();
  client.send("GET /files/file HTTP/1.1\r\nHost: x\r\n\r\nGET");
  EXPECT_TRUE(wait_until([&] { return server_.total(&Counters::timeouts) == 1; }));
  EXPECT_TRUE(wait_until([&] { return count_connections(server_) == 0; }));
}

}  // namespace
}  // namespace baton::test
