// Who the processes run as. As anybody but root the same configurations are refused, and that is what is
// tested then.
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;

std::string four_times(unsigned id) {
  const std::string text = std::to_string(id);
  return text + "\t" + text + "\t" + text + "\t" + text;
}

// A port below 1024 that nobody uses; 0 when none can be bound.
int free_low_port() {
  for (int port = 1023; port > 600; --port) {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return port;
  }
  return 0;
}

TEST(Privileges, WorkersRunAsTheConfiguredUser) {
  const TempDir folder;
  folder.write("root/a", "open");
  std::filesystem::permissions(folder.write("root/secret", "closed"), std::filesystem::perms(0600));
  const std::string config = static_config(
      "root", "", "user = \"nobody\"\npid_file = \"baton.pid\"\n[log]\naccess = \"access.log\"");
  if (::geteuid() != 0) {
    const std::string file = folder.write("baton.toml", config);
    EXPECT_EQ(run_program({baton_binary(), "-c", file}).status, 1);
    return;
  }
  const passwd* nobody = ::getpwnam("nobody");
  ASSERT_NE(nobody, nullptr);
  const uid_t uid = nobody->pw_uid;
  const gid_t gid = nobody->pw_gid;
  Server server(folder, config);
  const auto expect_users = [&] {
    EXPECT_EQ(server.workers().size(), 2U);
    EXPECT_EQ(status_field(server.pid(), "Uid"), four_times(0));
    for (const pid_t worker : server.workers()) {
      EXPECT_EQ(status_field(worker, "Uid"), four_times(uid));
      EXPECT_EQ(status_field(worker, "Gid"), four_times(gid));
      EXPECT_THAT(status_field(worker, "Groups"), ::testing::StartsWith(std::to_string(gid)))
          << "not root's groups";
      EXPECT_EQ(status_field(worker, "CapEff"), "0000000000000000");
    }
  };
  expect_users();
  Client client = server.connect();
  EXPECT_EQ(client.get("/a").body, "open");
  EXPECT_EQ(client.get("/secret").status, 403);
  EXPECT_TRUE(wait_until([&] { return folder.read("access.log").find("GET /a ") != std::string::npos; }));
  EXPECT_EQ(server.ctl({"reload"}).status, 0);
  expect_users();
  EXPECT_EQ(client.get("/a").body, "open");
  EXPECT_EQ(server.stop(), 0);
}

TEST(Privileges, TheMasterBindsLowPortsForThem) {
  const TempDir folder;
  folder.write("root/a", "open");
  const int port = free_low_port();
  const std::string listen =
      "[[listen]]\naddress = \"127.0.0.1:" + std::to_string(port == 0 ? 700 : port) + "\"\n";
  if (port == 0) {
    const Finished done =
        run_program({baton_binary(), "-c", folder.write("baton.toml", static_config("root") + listen)});
    EXPECT_EQ(done.status, 1);
    EXPECT_THAT(done.err, HasSubstr("ports below 1024 need root"));
    return;
  }
  const std::string user = ::geteuid() == 0 ? "user = \"nobody\"" : "";
  const Server server(folder, static_config("root", "", user) + listen);
  EXPECT_EQ(Client::connect_tcp(static_cast<std::uint16_t>(port)).get("/a").body, "open");
}

TEST(Privileges, AnUnknownUserIsAnError) {
  const TempDir folder;
  folder.write("root/a", "open");
  const std::string file = folder.write("baton.toml", static_config("root", "", "user = \"no-such-user\""));
  const Finished done = run_program({baton_binary(), "-c", file});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr(file + ":3:8: "));
}

}  // namespace
}  // namespace baton::test
