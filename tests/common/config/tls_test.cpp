// What a file may say of TLS, and every mistake in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/common/config/fixture.h"

namespace baton {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using ClientAuth = SiteConfig::ClientAuth;

struct Mistake {
  std::string text;
  std::string position;  // "line:column"
  std::string message;   // a part of it
};

// The text begins in line 2.
std::string tls(const std::string& text) {
  return "[tls]\n" + text + "\n[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\n";
}
// In line 3.
std::string listen(const std::string& text) {
  return "[[listen]]\naddress = \"127.0.0.1:4430\"\n" + text +
         "\n[[site]]\ncertificates = [{ chain = \"a.pem\", key = \"a.key\" }]\n";
}
// In line 4.
std::string site(const std::string& text) {
  return "[[listen]]\naddress = \"127.0.0.1:4430\"\n[[site]]\n" + text + "\n";
}

class ConfigTlsTest : public ConfigTest {
 protected:
  ConfigTlsTest() {
    for (const char* file : {"a.pem", "a.key", "b.pem", "b.key", "staple.der"}) write("x", file);
  }

  void expect_each_alone(const std::vector<Mistake>& mistakes) const {
    for (const Mistake& mistake : mistakes) {
      const ConfigResult result = load(mistake.text);
      ASSERT_THAT(result.errors, SizeIs(1)) << mistake.text << "\n" << join_errors(result.errors);
      const std::string text = result.errors[0].to_string();
      EXPECT_THAT(text, HasSubstr(path("baton.toml") + ":" + mistake.position + ": ")) << mistake.text;
      EXPECT_THAT(text, HasSubstr(mistake.message)) << mistake.text;
    }
  }
};

TEST_F(ConfigTlsTest, WithoutAnyOfItThereIsNoTls) {
  const Config config = good(site(""));
  EXPECT_FALSE(config.any_tls());
  EXPECT_EQ(config.https_port(), 0);
  EXPECT_TRUE(config.tls.tls12);
  EXPECT_TRUE(config.tls.tls13);
  EXPECT_GE(config.tls.keyholders, 2U);
  EXPECT_LE(config.tls.keyholders, 16U);
  EXPECT_EQ(config.tls.handshakes, config.tls.keyholders * 1'024);
}

TEST_F(ConfigTlsTest, EveryOptionIsRead) {
  const Config config = good(R"([[listen]]
address = "127.0.0.1:80"
redirect_to_https = true
[[listen]]
address = "127.0.0.1:8443"
tls = true
[tls]
versions = ["1.3", "1.2"]
ciphers = ["ECDHE-RSA-CHACHA20-POLY1305", "TLS_AES_256_GCM_SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]
groups = ["P-521", "X25519"]
session_tickets = false
keyholders = 3
handshakes = 77
unknown_name = "refuse"
[[site]]
hosts = ["example.com"]
certificates = [{ chain = "a.pem", key = "a.key", ocsp = "staple.der" }, { chain = "b.pem", key = "b.key" }]
client_ca = "b.pem"
client_auth = "require"
redirect_to_https = true
[[site]]
client_ca = "b.pem"
client_auth = "optional"
[[site.certificates]]
chain = "b.pem"
key = "b.key"
)");
  ASSERT_THAT(config.listen, SizeIs(2));
  EXPECT_TRUE(config.listen[0].redirect_to_https);
  EXPECT_FALSE(config.listen[0].tls);
  EXPECT_TRUE(config.listen[1].tls);
  EXPECT_TRUE(config.any_tls());
  EXPECT_EQ(config.https_port(), 8'443);
  EXPECT_TRUE(config.tls.tls12);
  EXPECT_TRUE(config.tls.tls13);
  EXPECT_EQ(config.tls.ciphers, "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256");
  EXPECT_EQ(config.tls.suites, "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(config.tls.groups, "P-521:X25519");
  EXPECT_FALSE(config.tls.session_tickets);
  EXPECT_EQ(config.tls.keyholders, 3U);
  EXPECT_EQ(config.tls.handshakes, 77U);
  EXPECT_EQ(config.tls.unknown_name, TlsConfig::UnknownName::kRefuse);
  ASSERT_THAT(config.sites, SizeIs(2));
  const SiteConfig& first = config.sites[0];
  ASSERT_THAT(first.certificates, SizeIs(2));
  EXPECT_EQ(first.certificates[0].chain, path("a.pem"));
  EXPECT_EQ(first.certificates[0].key, path("a.key"));
  EXPECT_EQ(first.certificates[0].ocsp, path("staple.der"));
  EXPECT_EQ(first.certificates[0].line, 17U);
  EXPECT_EQ(first.certificates[1].chain, path("b.pem"));
  EXPECT_THAT(first.certificates[1].ocsp, IsEmpty());
  EXPECT_EQ(first.client_ca, path("b.pem"));
  EXPECT_EQ(first.client_auth, ClientAuth::kRequire);
  EXPECT_TRUE(first.redirect_to_https);
  EXPECT_EQ(first.line, 15U);
  EXPECT_EQ(config.sites[1].client_auth, ClientAuth::kOptional);
  ASSERT_THAT(config.sites[1].certificates, SizeIs(1));
  EXPECT_EQ(config.sites[1].certificates[0].key, path("b.key"));
}

TEST_F(ConfigTlsTest, RedirectsPreferTheUsualPort) {
  const std::string more = "tls = true\n[[listen]]\naddress = \"127.0.0.1:443\"\ntls = true";
  EXPECT_EQ(good(listen("tls = true")).https_port(), 4'430);
  EXPECT_EQ(good(listen(more)).https_port(), 443);
}

TEST_F(ConfigTlsTest, TheModernProfileIsTls13Alone) {
  EXPECT_FALSE(good(tls("ciphers = \"modern\"")).tls.tls12);
  EXPECT_TRUE(good(tls("ciphers = \"modern\"")).tls.tls13);
  EXPECT_FALSE(good(tls("ciphers = \"modern\"\nversions = [\"1.3\"]")).tls.tls12);
  EXPECT_TRUE(good(tls("ciphers = \"intermediate\"")).tls.tls12);
  EXPECT_FALSE(good(tls("versions = [\"1.2\"]\nciphers = [\"ECDHE-RSA-AES128-GCM-SHA256\"]")).tls.tls13);
  EXPECT_FALSE(good(tls("versions = [\"1.3\"]\nciphers = [\"TLS_AES_128_GCM_SHA256\"]")).tls.tls12);
}

// A link to a folder of certificates may be switched to another folder.
TEST_F(ConfigTlsTest, FilesKeepTheNamesTheyAreGiven) {
  std::filesystem::create_directories(folder_ / "2026");
  write("x", "2026/a.pem");
  std::filesystem::create_directory_symlink("2026", folder_ / "live");
  const Config config = good(site("certificates = [{ chain = \"live/a.pem\", key = \"a.key\" }]"));
  EXPECT_EQ(config.sites[0].certificates[0].chain, path("live/a.pem"));
}

// As with nginx: certificates that no listener uses do no harm.
TEST_F(ConfigTlsTest, CertificatesNeedNoListener) {
  EXPECT_FALSE(good(site("certificates = [{ chain = \"a.pem\", key = \"a.key\" }]")).any_tls());
}

TEST_F(ConfigTlsTest, MistakesInTheTable) {
  expect_each_alone({
      {tls("keyholder = 1"), "2:1", "unknown key 'keyholder' in [tls]; did you mean 'keyholders'?"},
      {tls("versions = \"1.2\""), "2:12", "expected an array of strings"},
      {tls("versions = []"), "2:12", "'versions' is empty; expected \"1.2\", \"1.3\" or both"},
      {tls("versions = [\"1.2\", \"1.1\"]"), "2:20", "'1.1', which nobody should use any more"},
      {tls("versions = [\"TLSv1.2\"]"), "2:13", "'TLSv1.2'; expected \"1.2\" or \"1.3\""},
      {tls("versions = [\"1.2\"]\nciphers = \"modern\""), "2:13",
       "'ciphers' is \"modern\", which means TLS 1.3 only"},
      {tls("ciphers = 1"), "2:11", "expected \"intermediate\", \"modern\" or an array of names"},
      {tls("ciphers = \"old\""), "2:11", "'ciphers' is 'old'; expected \"intermediate\", \"modern\""},
      {tls("groups = []"), "2:10", "'groups' is empty; expected some of X25519, P-256, P-384, P-521"},
      {tls("groups = [\"ffdhe2048\"]"), "2:11", "'ffdhe2048'; expected some of X25519"},
      {tls("groups = [\"X25519\", \"prime256v1\"]"), "2:21", "'prime256v1'; write it as \"P-256\""},
      {tls("groups = [\"P-256\", \"P-256\"]"), "2:20", "'P-256' twice"},
      {tls("session_tickets = \"yes\""), "2:19", "expected true or false"},
      {tls("keyholders = 17"), "2:14", "'keyholders' is 17; expected from 1 to 16"},
      {tls("keyholders = \"all\""), "2:14", "'all'; expected \"auto\" or an integer from 1 to 16"},
      {tls("handshakes = 0"), "2:14", "'handshakes' is 0; expected from 1 to 100000"},
      {tls("unknown_name = \"close\""), "2:16", "expected one of default, refuse"},
  });
}

TEST_F(ConfigTlsTest, CiphersAreRefusedWithTheReason) {
  const auto ciphers = [](const std::string& name) {
    return tls("ciphers = [\"TLS_AES_128_GCM_SHA256\", \"" + name + "\"]");
  };
  expect_each_alone({
      {ciphers("ECDHE-RSA-AES128-SHA256"), "2:38", "ciphers in CBC mode have been broken"},
      {ciphers("ECDHE-RSA-AES256-SHA"), "2:38", "'ECDHE-RSA-AES256-SHA' is not an AEAD"},
      {ciphers("AES128-GCM-SHA256"), "2:38", "uses RSA for the key exchange"},
      {ciphers("DES-CBC3-SHA"), "2:38", "uses RSA for the key exchange"},
      {ciphers("DHE-RSA-AES128-GCM-SHA256"), "2:38", "uses DHE for the key exchange"},
      {ciphers("ECDHE-ECDSA-AES128-CCM"), "2:38", "uses CCM, which is not offered"},
      {ciphers("TLS_AES_128_CCM_SHA256"), "2:38", "uses CCM"},
      {ciphers("HIGH:!aNULL"), "2:38", "is more than one name"},
      {ciphers("ECDHE-RSA-AES128-GCM-SHA265"), "2:38", "did you mean 'ECDHE-RSA-AES128-GCM-SHA256'?"},
      {ciphers("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), "2:38", "is not OpenSSL's name"},
      {ciphers("PSK-AES128-GCM-SHA256"), "2:38", "is not accepted; expected one of ECDHE-ECDSA-AES128"},
      {ciphers("TLS_AES_128_GCM_SHA256"), "2:38", "'TLS_AES_128_GCM_SHA256' twice"},
      {tls("ciphers = [\"TLS_AES_128_GCM_SHA256\"]"), "2:11", "has none for TLS 1.2; add one, such as"},
      {tls("ciphers = [\"ECDHE-RSA-AES128-GCM-SHA256\"]"), "2:11", "has none for TLS 1.3"},
      {tls("versions = [\"1.3\"]\nciphers = []"), "3:11", "has none for TLS 1.3"},
  });
}

TEST_F(ConfigTlsTest, MistakesOfListeners) {
  expect_each_alone({
      {"[[listen]]\naddress = \"unix:socket\"\ntls = true\n[[site]]\ncertificates = [{ chain = \"a.pem\", "
       "key = "
       "\"a.key\" }]",
       "3:7", "'tls' is not possible on a Unix socket"},
      {listen("tls = 1"), "3:7", "expected true or false"},
      {listen("tls = true\nredirect_to_https = true"), "4:21", "on a listener with tls"},
      {listen("redirect_to_https = true"), "2:11", "no listener has TLS; add a [[listen]] with tls = true"},
      {listen("redirect_to_https = true\n[[listen]]\naddress = \"127.0.0.1:0\"\ntls = true"), "2:11",
       "cannot lead to '127.0.0.1:0', whose port the system chooses"},
      {"[[listen]]\naddress = \"127.0.0.1:0\"\ntls = true\n[[site]]\n", "4:1",
       "this [[site]] has no certificate, which it needs for the listener '127.0.0.1:0' at " +
           path("baton.toml") + ":2:11; add certificates"},
  });
}

TEST_F(ConfigTlsTest, MistakesOfSites) {
  const auto certificate = [](const std::string& text) { return site("certificates = [{ " + text + " }]"); };
  expect_each_alone({
      {site("certificates = \"a.pem\""), "4:16", "is a string; expected an array of { chain = "},
      {site("certificates = [\"a.pem\"]"), "4:17", "is a string; expected { chain = "},
      {"[[listen]]\naddress = \"127.0.0.1:1\"\ntls = true\n[[site]]\ncertificates = { chain = \"a.pem\" }",
       "5:16", "is a table; expected an array of { chain = "},
      {certificate("chain = \"a.pem\""), "4:17", "certificates has no 'key', which it needs"},
      {certificate("key = \"a.key\""), "4:17", "certificates has no 'chain', which it needs"},
      {certificate("chain = \"\", key = \"a.key\""), "4:27", "'chain' is empty"},
      {certificate("chain = \"c.pem\", key = \"a.key\""), "4:27",
       "'chain': the chain " + path("c.pem") + " does not exist"},
      {certificate("chain = \"a.pem\", key = \"site\""), "4:42",
       "the key " + path("site") + " is not a file"},
      {certificate("chain = \"a.pem\", key = \"a.key\", ocsp = \"none\""), "4:58",
       "the OCSP response " + path("none") + " does not exist"},
      {certificate("chain = \"a.pem\", key = \"a.key\", oscp = \"none\""), "4:51", "did you mean 'ocsp'?"},
      {site("client_auth = \"require\""), "4:15", "'client_auth' without 'client_ca'"},
      {site("client_ca = \"a.pem\""), "4:13", "'client_ca' without 'client_auth'"},
      {site("client_ca = \"a.pem\"\nclient_auth = \"none\""), "4:13", "'client_ca' without 'client_auth'"},
      {site("client_ca = \"a.pem\"\nclient_auth = \"yes\""), "5:15",
       "expected one of none, optional, require"},
      {site("client_ca = \"c.pem\"\nclient_auth = \"require\""), "4:13", "does not exist"},
      {site("redirect_to_https = true"), "3:1", "no listener has TLS"},
  });
}

}  // namespace
}  // namespace baton
