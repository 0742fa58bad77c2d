// TLS through the real binary: what clients get, who has the keys, and what a reload changes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/bulk.h"
#include "tests/support/certificates.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

constexpr std::uint64_t kFileBytes = 300'000;

class Tls : public testing::Test {
 protected:
  Tls() {
    write_pattern(folder_, "root/file", kFileBytes);
    issue("first");
  }

  void issue(const std::string& subject) {
    TestCa::Leaf leaf;
    leaf.subject = subject;
    files_ = ca_.issue(folder_, "certificate", leaf);
    ::chmod(files_.key.c_str(), 0600);
  }

  static std::string config() {
    return "[server]\nworkers = 2\n[[listen]]\naddress = \"127.0.0.1:0\"\ntls = true\n[tls]\nkeyholders = 2\n"
           "[[site]]\ncertificates = [{ chain = \"certificate.pem\", key = \"certificate.key\" }]\n"
           "[[site.route]]\npath = \"/hello\"\nrespond = { body = \"hello\" }\n"
           "[[site.route]]\npath = \"/\"\nstatic = { root = \"root\" }\n";
  }

  static Client connect(const Server& server, const TlsClient::Options& options = {}) {
    return Client::connect_tcp(server.port()).over_tls(options);
  }

  TempDir folder_;
  TestCa ca_;
  CertificateFiles files_;
};

TEST_F(Tls, BothVersionsWithEachCipher) {
  const Server server{folder_, config()};
  std::vector<TlsClient::Options> all;
  for (const char* cipher :
       {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}) {
    all.emplace_back().max_version = TLS1_2_VERSION;
    all.back().ciphers = cipher;
  }
  for (const char* suite :
       {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    all.emplace_back().min_version = TLS1_3_VERSION;
    all.back().suites = suite;
  }
  for (const TlsClient::Options& options : all) {
    SCOPED_TRACE(options.ciphers + options.suites);
    Client client = connect(server, options);
    EXPECT_EQ(client.get("/hello").body, "hello");
    const Response file = client.get("/file");
    EXPECT_EQ(file.body.size(), kFileBytes);
    EXPECT_TRUE(matches_pattern(file.body, 0));
    EXPECT_EQ(client.get("/file", "Range: bytes=100000-100009\r\n").body, file.body.substr(100'000, 10));
    EXPECT_EQ(client.ask("PUT", "/hello", "", std::string(100'000, 'b')).body, "hello");
  }
  EXPECT_EQ(stats(server)["totals"]["handshakes"]["done"], 6);
}

TEST_F(Tls, TheLastResponseIsFollowedByACloseNotify) {
  const Server server{folder_, config()};
  Client client = connect(server);
  EXPECT_EQ(client.get("/hello", "Connection: close\r\n").body, "hello");
  EXPECT_TRUE(client.closed());
  EXPECT_NE(::SSL_get_shutdown(client.tls().ssl()) & SSL_RECEIVED_SHUTDOWN, 0);
}

TEST_F(Tls, PlainHttpGetsAReadableAnswer) {
  const Server server{folder_, config()};
  Client client = Client::connect_tcp(server.port());
  const Response response = client.get("/hello");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body, testing::HasSubstr("https://"));
}

TEST_F(Tls, AReloadTakesUpANewCertificateAndOpenConnectionsGoOn) {
  const Server server{folder_, config()};
  Client before = connect(server);
  EXPECT_EQ(before.get("/hello").body, "hello");
  issue("second");
  const Finished reload = server.ctl({"reload"});
  ASSERT_EQ(reload.status, 0) << reload.err;
  Client after = connect(server);
  EXPECT_EQ(after.get("/hello").body, "hello");
  EXPECT_EQ(before.tls().server_subject(), "first");
  EXPECT_EQ(after.tls().server_subject(), "second");
  EXPECT_EQ(before.get("/hello").body, "hello");
}

TEST_F(Tls, SessionsAreResumedAcrossAReload) {
  const Server server{folder_, config()};
  Client first = connect(server);
  EXPECT_EQ(first.get("/hello").body, "hello");
  ASSERT_FALSE(first.tls().sessions().empty());
  ASSERT_EQ(server.ctl({"reload"}).status, 0);
  TlsClient::Options again;
  again.session = first.tls().sessions().back();
  Client second = connect(server, again);
  EXPECT_EQ(second.get("/hello").body, "hello");
  EXPECT_TRUE(second.tls().resumed());
  EXPECT_EQ(stats(server)["totals"]["handshakes"]["resumed"], 1);
}

// A reload may also be the first that has a listener with TLS.
TEST_F(Tls, ComesWithAReload) {
  std::string plain = config();
  plain.replace(plain.find("tls = true"), 10, "tls = false");
  const Server server{folder_, plain};
  Client old = server.connect();
  EXPECT_EQ(old.get("/hello").body, "hello");
  ASSERT_EQ(server.reload(config()).status, 0);
  Client client = server.connect();
  EXPECT_EQ(client.get("/hello").body, "hello");
  EXPECT_EQ(client.tls().server_subject(), "first");
  EXPECT_EQ(old.get("/hello").body, "hello");
}

// The private number of the key, as it is written down and as OpenSSL keeps it.
std::array<std::string, 2> secrets_of(const CertificateFiles& files) {
  FILE* const file = std::fopen(files.key.c_str(), "r");
  EVP_PKEY* const key = ::PEM_read_PrivateKey(file, nullptr, nullptr, nullptr);
  std::fclose(file);
  BIGNUM* number = nullptr;
  ::EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number);
  std::string big(static_cast<std::size_t>(BN_num_bytes(number)), '\0');
  ::BN_bn2bin(number, reinterpret_cast<unsigned char*>(big.data()));
  ::BN_free(number);
  ::EVP_PKEY_free(key);
  return {big, std::string(big.rbegin(), big.rend())};
}

bool has_in_memory(pid_t pid, const std::array<std::string, 2>& needles) {
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream maps(folder + "/maps");
  const UniqueFd memory(::open((folder + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
  std::string bytes;
  std::size_t read = 0;
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    char rights[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, rights) != 3 || rights[0] != 'r') continue;
    bytes.resize(end - begin);
    const ssize_t n = ::pread(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(begin));
    if (n <= 0) continue;  // the kernel's own
    read += static_cast<std::size_t>(n);
    for (const std::string& needle : needles) found = found || bytes.find(needle) != std::string::npos;
  }
  EXPECT_GT(read, 1'000'000U) << "the memory of " << pid << " could not be read";
  return found;
}

TEST_F(Tls, PrivateKeysAreInTheMemoryOfKeyholdersOnly) {
  const Server server{folder_, config()};
  Client client = connect(server);
  EXPECT_EQ(client.get("/hello").body, "hello");
  ASSERT_EQ(server.ctl({"reload"}).status, 0);
  EXPECT_EQ(client.get("/hello").body, "hello");
  const std::array<std::string, 2> secrets = secrets_of(files_);
  ASSERT_EQ(server.workers().size(), 2U);
  ASSERT_EQ(server.keyholders().size(), 2U);
  for (const pid_t keyholder : server.keyholders()) EXPECT_TRUE(has_in_memory(keyholder, secrets));
  for (const pid_t worker : server.workers()) EXPECT_FALSE(has_in_memory(worker, secrets));
  EXPECT_FALSE(has_in_memory(server.pid(), secrets));
}

}  // namespace
}  // namespace baton::test
