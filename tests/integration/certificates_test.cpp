// Certificates that cannot be used are found by baton -t, at the start, by a reload and by an upgrade, and the server
// goes on as it was.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/certificate_maker.h"
#include "tests/support/server.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kConfig[] =
    "[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\n"
    "certificates = [{ chain = \"chain.pem\", key = \"key.pem\" }]\n"
    "[[site.route]]\npath = \"/\"\nrespond = { body = \"ok\" }\n";

void write_pair(const TempDir& folder, const MadeCertificate& chain, const MadeCertificate& key) {
  folder.write("chain.pem", chain.pem());
  ::chmod(folder.write("key.pem", key.key_pem()).c_str(), 0600);
}

Finished check(const TempDir& folder, const std::string& config = kConfig) {
  return run_program({baton_binary(), "-t", "-c", folder.write("baton.toml", config)});
}

TEST(Certificates, BatonTTellsErrorsAndWarnings) {
  const TempDir folder;
  const MadeCertificate good = make_certificate({});
  const MadeCertificate soon = make_certificate({.until = 3L * 24 * 3'600 + 60});
  write_pair(folder, good, good);
  const Finished quiet = check(folder);
  EXPECT_EQ(quiet.status, 0) << quiet.err;
  EXPECT_THAT(quiet.err, IsEmpty());

  write_pair(folder, soon, soon);
  const Finished warned = check(folder);
  EXPECT_EQ(warned.status, 0) << warned.err;
  EXPECT_THAT(warned.err, HasSubstr("/baton.toml:4:17: warning: the chain "));
  EXPECT_THAT(warned.err, HasSubstr(", in 3 days; renew it, then reload\n"));
  EXPECT_THAT(warned.out, HasSubstr("the configuration is good"));

  write_pair(folder, soon, good);
  const Finished bad = check(folder);
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.out, IsEmpty());
  EXPECT_THAT(bad.err, HasSubstr("/baton.toml:4:17: the key "));
  EXPECT_THAT(bad.err, HasSubstr("does not belong to the certificate"));
}

// Started as root, the server reads keys as the user that serves.
TEST(Certificates, TheUserThatServesHasToReadTheKey) {
  const TempDir folder;
  const MadeCertificate good = make_certificate({});
  write_pair(folder, good, good);
  ::chmod((folder.path() / "key.pem").c_str(), 0);
  const Finished bad = check(folder, "[server]\n" + unprivileged_user() + kConfig);
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.err, HasSubstr("/baton.toml:"));
  EXPECT_THAT(bad.err, HasSubstr("cannot read the key " + (folder.path() / "key.pem").string() +
                                 ": Permission denied; give it to a group that this user is in"));
}

TEST(Certificates, ABadOneIsNoStart) {
  const TempDir folder;
  const MadeCertificate over = make_certificate({.from = -7'200, .until = -3'600});
  write_pair(folder, over, over);
  const Finished refused = run_program({baton_binary(), "-c", folder.write("baton.toml", kConfig)});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("/baton.toml:4:17: the chain "));
  EXPECT_THAT(refused.err, HasSubstr("has expired on"));
}

TEST(Certificates, ABadOneFailsAReloadAndAnUpgrade) {
  const TempDir folder;
  const MadeCertificate good = make_certificate({});
  const MadeCertificate other = make_certificate({.until = 3L * 24 * 3'600});
  write_pair(folder, good, good);
  const Server server(folder, kConfig);
  Client client = server.connect();
  EXPECT_EQ(client.get("/").body, "ok");

  write_pair(folder, other, good);
  for (const char* command : {"reload", "upgrade"}) {
    const Finished refused = server.ctl({command});
    EXPECT_NE(refused.status, 0) << command;
    EXPECT_THAT(refused.err, HasSubstr("/baton.toml:4:17: the key ")) << command;
    EXPECT_THAT(refused.err, HasSubstr("does not belong to the certificate")) << command;
    EXPECT_EQ(client.get("/").body, "ok") << command;
  }
  EXPECT_EQ(server.header().generation.load(), 1U);

  write_pair(folder, other, other);
  EXPECT_THAT(server.log(), Not(HasSubstr("renew it, then reload")));
  const Finished done = server.ctl({"reload"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(server.log(), HasSubstr("renew it, then reload"));
  EXPECT_EQ(client.get("/").body, "ok");
  const Finished upgraded = server.ctl({"upgrade"});
  EXPECT_EQ(upgraded.status, 0) << upgraded.err;
  EXPECT_EQ(client.get("/").body, "ok");
}

}  // namespace
}  // namespace baton::test
