#include "worker/tls/credentials.h"

#include <gmock/gmock.h>
#include <openssl/pem.h>

#include <ctime>
#include <stdexcept>

#include "tests/worker/tls/fixture.h"

namespace baton::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CredentialsTest : public TlsTest {
 protected:
  // The subject of the certificate that a client sees who asks for this name; empty: the handshake failed.
  std::string served(const std::string& name, TlsClient::Options options = {}) {
    const auto ours = credentials();
    options.server_name = name;
    TlsClient client(options);
    ServerEnd server(*ours);
    converse(client, server);
    expect_replays(server, *ours);
    alert_ = server.handshake().alert();
    server_name_ = server.handshake().server_name();
    cipher_ = server.handshake().cipher();
    staple_ = client.staple();
    return server.step() == Step::kDone ? client.server_subject() : std::string{};
  }
  static TlsClient::Options sigalgs(const char* ciphers) {
    TlsClient::Options options;
    options.max_version = TLS1_2_VERSION;
    options.ciphers = ciphers;
    return options;
  }
  // Why require_valid() complains so many seconds from now.
  [[nodiscard]] std::string invalid(long seconds) const {
    try {
      credentials()->require_valid(std::time(nullptr) + seconds);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return {};
  }

  int alert_ = -2;
  std::string server_name_;
  std::string cipher_;
  std::string staple_;
};

TEST_F(CredentialsTest, TheNameChoosesTheSite) {
  config_.sites = {site({"one.example", "*.one.example"}), site({}), site({"two.example"}),
                   site({"*.deep.one.example"})};
  EXPECT_EQ(served("two.example"), "two.example");
  EXPECT_EQ(server_name_, "two.example");
  EXPECT_EQ(served("TWO.Example"), "two.example");
  EXPECT_EQ(server_name_, "two.example");
  EXPECT_EQ(served("a.one.example"), "one.example");
  EXPECT_EQ(served("a.deep.one.example"), "*.deep.one.example");
  EXPECT_EQ(served("three.example"), "default");
  EXPECT_EQ(server_name_, "three.example");
  EXPECT_EQ(served(""), "default");
  EXPECT_EQ(server_name_, "");
}

TEST_F(CredentialsTest, WithoutADefaultTheFirstSiteIsIt) {
  config_.sites = {site({"one.example"}), site({"two.example"})};
  EXPECT_EQ(served("three.example"), "one.example");
  EXPECT_EQ(served(""), "one.example");
}

TEST_F(CredentialsTest, UnknownNamesCanBeRefused) {
  config_.sites = {site({"one.example"}), site({})};
  config_.tls.unknown_name = TlsConfig::UnknownName::kRefuse;
  EXPECT_EQ(served("three.example"), "");
  EXPECT_EQ(alert_, SSL_AD_UNRECOGNIZED_NAME);
  EXPECT_EQ(served("one.example"), "one.example");
  EXPECT_EQ(served(""), "default");
}

TEST_F(CredentialsTest, AClientCanVerify) {
  config_.sites = {site({"one.example"})};
  TlsClient::Options options;
  options.ca = dir_.write("ca.pem", ca_.pem());
  EXPECT_EQ(served("one.example", options), "one.example");
  EXPECT_EQ(served("other.example", options), "");
}

TEST_F(CredentialsTest, ASiteHasCertificatesOfSeveralKinds) {
  config_.sites[0].certificates.push_back(certificate("rsa", Kind::kRsa));
  EXPECT_EQ(served("", sigalgs("ECDHE-RSA-AES128-GCM-SHA256")), "rsa");
  EXPECT_EQ(served("", sigalgs("ECDHE-ECDSA-AES128-GCM-SHA256")), "default");
}

TEST_F(CredentialsTest, ItPrefersItsOwnOrderButForChaCha) {
  served("", sigalgs("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"));
  EXPECT_EQ(cipher_, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
  served("", sigalgs("ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256"));
  EXPECT_EQ(cipher_, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
}

TEST_F(CredentialsTest, AStapleIsShownUntilItExpires) {
  const CertificateConfig& one = config_.sites[0].certificates[0];
  const std::string der = ca_.staple({one.chain, one.key}, 3'600);
  config_.sites[0].certificates[0].ocsp = dir_.write("staple.der", der);
  TlsClient::Options options;
  options.wants_staple = true;
  served("", options);
  EXPECT_EQ(staple_, der);
  served("");
  EXPECT_EQ(staple_, "");
  const ShiftedClock shifted(2 * 3'600);
  served("", options);
  EXPECT_EQ(staple_, "");
}

TEST_F(CredentialsTest, ConfiguredVersionsCiphersAndGroupsHold) {
  config_.tls.tls13 = false;
  config_.tls.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305";
  config_.tls.groups = "P-384";
  EXPECT_EQ(served(""), "default");
  EXPECT_EQ(cipher_, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
  TlsClient::Options options;
  options.groups = "X25519";
  EXPECT_EQ(served("", options), "");
  config_.tls = {};
  config_.tls.tls12 = false;
  config_.tls.suites = "TLS_AES_256_GCM_SHA384";
  EXPECT_EQ(served(""), "default");
  EXPECT_EQ(cipher_, "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(served("", sigalgs("ECDHE-ECDSA-AES128-GCM-SHA256")), "");
  EXPECT_EQ(alert_, SSL_AD_PROTOCOL_VERSION);
}

TEST_F(CredentialsTest, ValidityIsCheckedWhenAskedFor) {
  EXPECT_EQ(invalid(0), "");
  const std::string file = config_.sites[0].certificates[0].chain;
  EXPECT_EQ(invalid(2L * 24 * 3'600), file + ": the certificate has expired");
  EXPECT_EQ(invalid(-2 * 3'600), file + ": the certificate is not valid yet");
}

TEST_F(CredentialsTest, WhatItCannotUseItNames) {
  Config good = config_;
  const auto with = [&](auto change) {
    config_ = good;
    change(config_.sites[0].certificates[0]);
    return refusal();
  };
  EXPECT_EQ(with([](auto&) {}), "");
  EXPECT_EQ(with([](auto& one) { one.chain = "/nowhere/a.pem"; }),
            "/nowhere/a.pem: cannot open it: No such file or directory");
  EXPECT_EQ(with([](auto& one) { one.key = "/nowhere/a.key"; }),
            "/nowhere/a.key: cannot open it: No such file or directory");
  const std::string empty = dir_.write("empty.pem", "nothing here");
  EXPECT_EQ(with([&](auto& one) { one.chain = empty; }), empty + ": no certificate in PEM format");
  EXPECT_THAT(with([&](auto& one) { one.key = empty; }), HasSubstr(empty + ": no private key in PEM format"));
  EXPECT_THAT(with([&](auto& one) { one.ocsp = empty; }),
              HasSubstr(empty + ": no OCSP response in DER format"));
  const std::string damaged =
      dir_.write("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  EXPECT_THAT(with([&](auto& one) { one.chain = damaged; }), HasSubstr(damaged + ": damaged certificate"));
  const std::string other = certificate("other", Kind::kRsa).key;
  EXPECT_THAT(
      with([&](auto& one) { one.key = other; }),
      AllOf(HasSubstr(other + ": does not fit the certificate in " + good.sites[0].certificates[0].chain)));
  EXPECT_THAT(with([&](auto& one) { one.chain = dir_.path().string(); }),
              HasSubstr("cannot read it: Is a directory"));
}

TEST_F(CredentialsTest, AnEncryptedKeyIsRefusedWithoutAskingForItsPassword) {
  const auto key = test_key(Kind::kEcdsa);
  BIO* bio = ::BIO_new(::BIO_s_mem());
  ::PEM_write_bio_PrivateKey(bio, key.get(), ::EVP_aes_256_cbc(),
                             reinterpret_cast<const unsigned char*>("secret"), 6, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  const std::string file = dir_.write("encrypted.key", std::string(text, static_cast<std::size_t>(size)));
  ::BIO_free(bio);
  config_.sites[0].certificates[0].key = file;
  EXPECT_THAT(refusal(), HasSubstr(file + ": the key is encrypted"));
}

TEST_F(CredentialsTest, TwoCertificatesOfOneKindAreRefused) {
  config_.sites[0].certificates.push_back(certificate("second"));
  EXPECT_EQ(refusal(), config_.sites[0].certificates[1].chain +
                           ": the site has another certificate for this kind of key");
}

TEST_F(CredentialsTest, ProfilesThatTheRecordLayerCannotServeAreRefused) {
  config_.tls.ciphers = "AES128-GCM-SHA256";
  EXPECT_THAT(refusal(), HasSubstr("TLS cipher AES128-GCM-SHA256 is not supported"));
  config_.tls.ciphers = "ECDHE-ECDSA-AES128-SHA";
  EXPECT_THAT(refusal(), HasSubstr("TLS cipher ECDHE-ECDSA-AES128-SHA is not supported"));
  config_.tls.ciphers = "NO-SUCH-CIPHER";
  EXPECT_THAT(refusal(), HasSubstr("TLS ciphers 'NO-SUCH-CIPHER'"));
  config_.tls = {};
  config_.tls.suites = "TLS_AES_128_CCM_SHA256";
  EXPECT_THAT(refusal(), HasSubstr("TLS cipher TLS_AES_128_CCM_SHA256 is not supported"));
  config_.tls = {};
  config_.tls.groups = "P-257";
  EXPECT_THAT(refusal(), HasSubstr("TLS groups 'P-257'"));
  config_.tls = {};
  config_.tls.tls12 = config_.tls.tls13 = false;
  EXPECT_THAT(refusal(), HasSubstr("neither version 1.2 nor 1.3"));
}

TEST_F(CredentialsTest, AClientCaIsReadOnlyWhereItIsUsed) {
  config_.sites[0].client_ca = "/nowhere/ca.pem";
  EXPECT_EQ(refusal(), "");
  config_.sites[0].client_auth = SiteConfig::ClientAuth::kOptional;
  EXPECT_THAT(refusal(), HasSubstr("/nowhere/ca.pem: cannot open it"));
}

TEST_F(CredentialsTest, SomeSiteHasACertificate) {
  config_.sites[0].certificates.clear();
  EXPECT_EQ(refusal(), "test.toml: no site has a certificate");
}

}  // namespace
}  // namespace baton::test
