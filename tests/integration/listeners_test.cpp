// Listeners that come, go, come back and take each other's place, and what is said of an address that cannot
// be had.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "common/base/address_overlap.h"
#include "tests/support/listening.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string answering(const std::vector<std::string>& addresses, const std::string& settings = "") {
  std::string text = "[server]\nworkers = 2\n" + settings + "\n";
  for (const std::string& address : addresses) text += "[[listen]]\naddress = \"" + address + "\"\n";
  return text + "[[site]]\n[[site.route]]\npath = \"/\"\nrespond = { body = \"x\" }\n";
}

std::string with_port(const std::string& host, std::uint16_t port) {
  return host + ":" + std::to_string(port);
}

bool has_ipv6() {
  const UniqueFd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = Address::parse("[::1]:0");
  return socket && ::bind(socket.get(), address->data(), address->size()) == 0;
}

// Nobody else gets an address that the server listens on, not even who asks to share it.
void expect_kept(const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    EXPECT_FALSE(listen_on(address)) << address;
    EXPECT_FALSE(listen_on(address, true)) << address;
  }
}

// One that connects all the time, and is never refused or cut off.
class Visitors {
 public:
  Visitors(std::uint16_t port, std::string host) {
    thread_ = std::thread([this, port, host = std::move(host)] {
      while (!done_.load()) {
        try {
          Client client = Client::connect_tcp(port, host);
          EXPECT_EQ(client.get("/").body, "x");
        } catch (const std::runtime_error& error) {
          ADD_FAILURE() << host << ": " << error.what();
        }
        ++served_;
      }
    });
  }
  ~Visitors() {
    done_ = true;
    thread_.join();
  }
  [[nodiscard]] int served() const { return served_.load(); }

 private:
  std::atomic<bool> done_{false};
  std::atomic<int> served_{0};
  std::thread thread_;
};

class ListenersOf : public ::testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] static bool six() { return std::strcmp(GetParam(), "IPv6") == 0; }
  [[nodiscard]] static std::string one(std::uint16_t port) {
    return with_port(six() ? "[::1]" : "127.0.0.1", port);
  }
  [[nodiscard]] static std::string all(std::uint16_t port) { return with_port(six() ? "[::]" : "*", port); }
  [[nodiscard]] static std::string host() { return six() ? "::1" : "127.0.0.1"; }
};

TEST_P(ListenersOf, OneInterfaceBecomesAllAndBackAndNobodyIsRefused) {
  const TempDir folder;
  const Server server(folder, answering({one(0)}));
  const std::uint16_t port = server.port();
  const Visitors visitors(port, host());
  for (int round = 0; round < 4; ++round) {
    const Finished wider = server.reload(answering({all(port)}));
    ASSERT_EQ(wider.status, 0) << wider.err;
    if (!six()) {
      EXPECT_EQ(Client::connect_tcp(port, "127.0.0.2").get("/").body, "x");
    }
    expect_kept({one(port), all(port)});
    const Finished back = server.reload(answering({one(port)}));
    ASSERT_EQ(back.status, 0) << back.err;
    expect_kept({one(port), all(port)});
    EXPECT_EQ(Client::connect_tcp(port, host()).get("/").body, "x");
    const int before = visitors.served();
    EXPECT_TRUE(wait_until([&] { return visitors.served() > before + 3; }));
  }
  if (!six()) {
    EXPECT_TRUE(wait_until([&] { return refuses(port, "127.0.0.2"); }));
  }
  EXPECT_EQ(server.header().listener_count.load(), 1U);
}

TEST_P(ListenersOf, AllBecomesOneByAnUpgradeAndBack) {
  const TempDir folder;
  const Server server(folder, answering({all(0)}));
  const std::uint16_t port = server.port();
  const Visitors visitors(port, host());
  for (const std::string& address : {one(port), all(port), one(port)}) {
    server.write_config(answering({address}));
    const Finished done = server.ctl({"upgrade"});
    ASSERT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(Client::connect_tcp(port, host()).get("/").body, "x");
    expect_kept({one(port)});
  }
  if (!six()) {
    EXPECT_TRUE(wait_until([&] { return refuses(port, "127.0.0.2"); }));
  }
}

// Of this machine.
std::vector<const char*> families() {
  return has_ipv6() ? std::vector<const char*>{"IPv4", "IPv6"} : std::vector<const char*>{"IPv4"};
}
INSTANTIATE_TEST_SUITE_P(Families, ListenersOf, ::testing::ValuesIn(families()),
                         [](const auto& family) { return std::string(family.param); });

TEST(Listeners, ReloadThatFailsLeavesTheWiderOne) {
  const TempDir folder;
  const Server server(folder, answering({"*:0"}));
  const std::uint16_t port = server.port();
  const UniqueFd other = listen_on("127.0.0.1:0");
  const Visitors visitors(port, "127.0.0.1");
  for (int round = 0; round < 3; ++round) {
    const Finished done = server.reload(answering({with_port("127.0.0.1", port), address_of(other)}));
    EXPECT_EQ(done.status, 1);
    EXPECT_EQ(Client::connect_tcp(port, "127.0.0.2").get("/").body, "x");
  }
  expect_kept({with_port("127.0.0.1", port), with_port("*", port)});
}

TEST(Listeners, AnAddressWrittenAnotherWayIsTheSameSocket) {
  const TempDir folder;
  std::filesystem::create_directory_symlink(".", folder.path() / "link");
  const std::string path = (folder.path() / "a.sock").string();
  const Server server(folder, answering({"*:0", "unix:a.sock"}));
  const std::uint16_t port = server.port();
  const int fd = server.header().listener_fds[0].load();
  const int unix_fd = server.header().listener_fds[1].load();
  const std::vector<std::vector<std::string>> ways{{with_port("0.0.0.0", port), "unix:./x/../a.sock"},
                                                   {with_port("*", port), "unix:link/a.sock"},
                                                   {with_port("0.0.0.0", port), "unix:" + path}};
  for (const std::vector<std::string>& addresses : ways) {
    const Finished done = server.reload(answering(addresses));
    ASSERT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(server.header().listener_fds[0].load(), fd);
    EXPECT_EQ(server.header().listener_fds[1].load(), unix_fd);
    EXPECT_EQ(server.port(), port);
    EXPECT_EQ(Client::connect_unix(path).get("/").body, "x");
  }
}

// A worker that is stopped keeps its generation from being gone.
TEST(Listeners, OneThatWasJustRemovedIsTakenBack) {
  const TempDir folder;
  const std::string path = "unix:" + (folder.path() / "a.sock").string();
  const Server server(folder, answering({"127.0.0.1:0", "127.0.0.2:0", path}));
  const std::uint16_t first = server.port(0);
  const std::uint16_t second = server.port(1);
  const std::string one = with_port("127.0.0.1", first);
  const std::string two = with_port("127.0.0.2", second);
  const Stopped stopped(server.workers().front());
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(server.reload(answering({one})).status, 0) << server.log();
    const Finished done = server.reload(answering({one, two, path}));
    ASSERT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(Client::connect_tcp(second, "127.0.0.2").get("/").body, "x");
    EXPECT_EQ(server.connect(2).get("/").body, "x");
    expect_kept({two});
  }
  // Gone for good, and back after that.
  ASSERT_EQ(server.reload(answering({one})).status, 0);
  EXPECT_TRUE(wait_until([&] { return refuses(second, "127.0.0.2"); }));
  ASSERT_EQ(server.reload(answering({one, two, path})).status, 0) << server.log();
  EXPECT_EQ(Client::connect_tcp(second, "127.0.0.2").get("/").body, "x");
}

TEST(Listeners, WhoHoldsAnAddressIsNamed) {
  const std::string self = "(pid " + std::to_string(::getpid()) + ") listens there";
  const TempDir folder;
  const UniqueFd one = listen_on("127.0.0.1:0");
  const UniqueFd all = listen_on("*:0");
  const std::uint16_t port = port_of(Address::of_socket(one.get()));
  const std::uint16_t all_port = port_of(Address::of_socket(all.get()));
  const std::string path = (folder.path() / "held.sock").string();
  const UniqueFd local = listen_on("unix:" + path);
  for (const std::string& address : {with_port("127.0.0.1", port), with_port("*", port),
                                     with_port("127.0.0.3", all_port), "unix:" + path}) {
    const std::string file = folder.write("other.toml", answering({address}));
    const Finished done = run_program({baton_binary(), "-c", file});
    EXPECT_EQ(done.status, 1) << address;
    EXPECT_THAT(done.err, HasSubstr(file + ":5:11: cannot listen on " + address)) << address;
    EXPECT_THAT(done.err, HasSubstr(self)) << address;
  }
  // A reload beside sockets of our own names the other one.
  const Server server(folder, answering({with_port("127.0.0.4", port)}));
  const Finished done = server.reload(answering({with_port("*", port)}));
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr(self));
  EXPECT_EQ(Client::connect_tcp(port, "127.0.0.4").get("/").body, "x");
}

TEST(Listeners, AFileThatIsNoSocketIsFoundByTheCheck) {
  const TempDir folder;
  const std::string path = folder.write("a.sock", "precious");
  ASSERT_EQ(::mkfifo((folder.path() / "b.sock").c_str(), 0600), 0);
  std::filesystem::create_symlink("nowhere", folder.path() / "c.sock");
  const std::pair<const char*, const char*> cases[] = {
      {"unix:a.sock", "is a regular file, not a socket: remove it"},
      {"unix:b.sock", "is a FIFO, not a socket: remove it"},
      {"unix:c.sock", "is a symbolic link, not a socket: remove it"}};
  for (const auto& [address, why] : cases) {
    const std::string file = folder.write("other.toml", answering({address}));
    const std::vector<std::vector<std::string>> commands{{baton_binary(), "-t", "-c", file},
                                                         {baton_binary(), "-c", file}};
    for (const std::vector<std::string>& arguments : commands) {
      const Finished done = run_program(arguments);
      EXPECT_EQ(done.status, 1);
      EXPECT_THAT(done.err, HasSubstr(file + ":5:11: "));
      EXPECT_THAT(done.err, HasSubstr(why));
      EXPECT_THAT(done.err, Not(HasSubstr("program")));
    }
  }
  EXPECT_EQ(folder.read("a.sock"), "precious");
}

}  // namespace
}  // namespace baton::test
