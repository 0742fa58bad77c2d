#include "master/certificate_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>

#include "tests/support/certificate_maker.h"
#include "tests/support/temp_dir.h"

namespace baton {
namespace {

using test::CertificateWish;
using test::MadeCertificate;
using test::make_certificate;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr long kDay = 24L * 3'600;

class CertificateCheckTest : public testing::Test {
 protected:
  CertificateCheckTest()
      : root_(make_certificate({.subject = "root", .names = "", .authority = true})),
        between_(make_certificate({.subject = "between", .names = "", .authority = true}, &root_)) {}

  // What the site says of its certificate; from line 5 on.
  CertificateReport check(const std::string& site) {
    const auto loaded =
        load_config(folder_.write("baton.toml",
                                  "[[listen]]\naddress = \"127.0.0.1:0\"\ntls = true\n[[site]]\n"
                                  "hosts = [\"example.com\"]\n" +
                                      site));
    EXPECT_TRUE(loaded.config) << join_errors(loaded.errors);
    return check_certificates(*loaded.config);
  }
  std::string write(const std::string& name, const std::string& text) {
    const std::string file = folder_.write(name, text);
    ::chmod(file.c_str(), 0600);
    return file;
  }
  static std::string site(const std::string& more = "") {
    return "certificates = [{ chain = \"chain.pem\", key = \"key.pem\"" + more + " }]\n";
  }
  CertificateReport check_pair(const std::string& chain, const std::string& key,
                               const std::string& more = "") {
    write("chain.pem", chain);
    write("key.pem", key);
    return check(site(more));
  }
  CertificateReport check_leaf(const CertificateWish& wish) {
    const MadeCertificate leaf = make_certificate(wish, &between_);
    return check_pair(leaf.pem() + between_.pem(), leaf.key_pem());
  }
  static void expect_error(const CertificateReport& report, const std::string& message) {
    ASSERT_THAT(report.errors, SizeIs(1)) << join_errors(report.errors);
    EXPECT_THAT(report.errors[0].to_string(), HasSubstr(message));
    EXPECT_THAT(report.errors[0].to_string(), HasSubstr("/baton.toml:6:17: "));
  }
  static void expect_warning(const CertificateReport& report, const std::string& message) {
    EXPECT_THAT(report.errors, IsEmpty()) << join_errors(report.errors);
    ASSERT_THAT(report.warnings, SizeIs(1)) << join_errors(report.warnings);
    EXPECT_THAT(report.warnings[0].message, HasSubstr(message));
    EXPECT_THAT(warning_lines(report)[0], HasSubstr("/baton.toml:6:17: warning: the "));
  }

  test::TempDir folder_;
  MadeCertificate root_;
  MadeCertificate between_;
};

TEST_F(CertificateCheckTest, GoodOnesAreToldOf) {
  const MadeCertificate ecdsa = make_certificate(
      {.names = "DNS:example.com,DNS:*.example.com,IP:192.0.2.1", .key = "P-384"}, &between_);
  const MadeCertificate rsa = make_certificate({.key = "RSA2048"}, &root_);
  const MadeCertificate edwards = make_certificate({.key = "ED25519"}, &root_);
  write("rsa.pem", rsa.pem());
  write("rsa.key", rsa.key_pem());
  write("ed.pem", edwards.pem());
  write("ed.key", edwards.key_pem());
  write("chain.pem", ecdsa.pem() + between_.pem() + root_.pem());
  write("key.pem", ecdsa.key_pem());
  write("ca.pem", root_.pem());
  const CertificateReport report = check(
      "certificates = [{ chain = \"chain.pem\", key = \"key.pem\" }, { chain = \"rsa.pem\", key = "
      "\"rsa.key\" }, "
      "{ chain = \"ed.pem\", key = \"ed.key\" }]\nclient_ca = \"ca.pem\"\nclient_auth = \"require\"\n");
  EXPECT_THAT(report.errors, IsEmpty()) << join_errors(report.errors);
  EXPECT_THAT(report.warnings, IsEmpty()) << join_errors(report.warnings);
  ASSERT_THAT(report.certificates, SizeIs(3));
  EXPECT_THAT(report.certificates[0].file, HasSubstr("/chain.pem"));
  EXPECT_THAT(report.certificates[0].names, ElementsAre("example.com", "*.example.com", "192.0.2.1"));
  EXPECT_EQ(report.certificates[0].key_type, "ECDSA P-384");
  EXPECT_NEAR(static_cast<double>(report.certificates[0].not_after),
              static_cast<double>(std::time(nullptr) + 90 * kDay), 60);
  EXPECT_EQ(report.certificates[1].key_type, "RSA 2048");
  EXPECT_EQ(report.certificates[2].key_type, "Ed25519");
}

TEST_F(CertificateCheckTest, WithoutCertificatesNothingIsChecked) {
  const auto loaded =
      load_config(folder_.write("baton.toml", "[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\n"));
  ASSERT_TRUE(loaded.config);
  EXPECT_THAT(check_certificates(*loaded.config, std::chrono::milliseconds(0)).errors, IsEmpty());
}

TEST_F(CertificateCheckTest, FilesThatAreNotWhatTheyShouldBe) {
  const MadeCertificate leaf = make_certificate({}, &root_);
  const std::string chain = leaf.pem();
  const std::string key = leaf.key_pem();
  expect_error(check_pair("", key), "/chain.pem has no certificate; expected PEM");
  expect_error(check_pair(key, key), "/chain.pem has no certificate");
  expect_error(check_pair(leaf.der(), key), "is not PEM but DER; convert it with: openssl x509 -inform DER");
  expect_error(check_pair(chain + chain.substr(0, 100) + "\n", key), "certificate 2 in it cannot be read");
  expect_error(check_pair(chain, ""), "/key.pem has no private key; expected PEM");
  expect_error(check_pair(chain, chain), "/key.pem has no private key");
  expect_error(check_pair(chain, leaf.key_pem("secret")),
               "/key.pem is encrypted, and nobody is there to type");
  expect_error(check_pair(chain, key.substr(0, 60) + "\n-----END PRIVATE KEY-----\n"),
               "/key.pem cannot be read");
}

// As `openssl ecparam -genkey` writes it.
TEST_F(CertificateCheckTest, ParametersBeforeAKeyDoNoHarm) {
  const MadeCertificate leaf = make_certificate({}, &root_);
  const std::string parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  EXPECT_THAT(check_pair(leaf.pem(), parameters + leaf.key_pem()).errors, IsEmpty());
}

TEST_F(CertificateCheckTest, AFileThatThisUserMayNotRead) {
  const MadeCertificate leaf = make_certificate({}, &root_);
  write("chain.pem", leaf.pem());
  ::chmod(write("key.pem", leaf.key_pem()).c_str(), 0);
  const CertificateReport report = check(site());
  if (::geteuid() == 0) {  // who may read everything
    EXPECT_THAT(report.errors, IsEmpty());
  } else {
    expect_error(report,
                 "/key.pem: Permission denied; give it to a group that this user is in, such as ssl-cert");
  }
}

TEST_F(CertificateCheckTest, AFileThatHasGone) {
  const MadeCertificate leaf = make_certificate({}, &root_);
  write("chain.pem", leaf.pem());
  const std::string key = write("key.pem", leaf.key_pem());
  const auto loaded = load_config(
      folder_.write("baton.toml", "[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\n\n\n" + site()));
  ASSERT_TRUE(loaded.config);
  ::unlink(key.c_str());
  expect_error(check_certificates(*loaded.config),
               "cannot read the key " + key + ": No such file or directory");
}

TEST_F(CertificateCheckTest, ChainsInAnotherOrder) {
  const MadeCertificate leaf = make_certificate({}, &between_);
  const MadeCertificate other = make_certificate({}, &between_);
  expect_error(check_pair(leaf.pem(), other.key_pem()),
               "/key.pem does not belong to the certificate in " + (folder_.path() / "chain.pem").string());
  expect_error(check_pair(between_.pem() + leaf.pem(), leaf.key_pem()),
               "is in the wrong order: the certificate of the key is number 2 in it");
  expect_error(check_pair(leaf.pem() + root_.pem(), leaf.key_pem()),
               "is broken: certificate 1 in it (CN = example.com) is not issued by the next one (CN = root)");
  expect_error(check_pair(leaf.pem() + between_.pem() + other.pem(), leaf.key_pem()),
               "certificate 2 in it (CN = between) is not issued by the next one (CN = example.com)");
}

// The same name, another key: only the signature tells.
TEST_F(CertificateCheckTest, AnIssuerOfTheSameNameIsNotTheIssuer) {
  const MadeCertificate forged =
      make_certificate({.subject = "between", .names = "", .authority = true}, &root_);
  const MadeCertificate leaf = make_certificate({}, &between_);
  expect_error(check_pair(leaf.pem() + forged.pem(), leaf.key_pem()), "is not issued by the next one");
}

TEST_F(CertificateCheckTest, TimesThatAreOver) {
  expect_error(check_leaf({.from = -3 * kDay, .until = -2 * kDay}), "the certificate has expired on ");
  expect_error(check_leaf({.from = 2 * kDay}), "and this machine's clock says ");
  expect_warning(check_leaf({.until = 13 * kDay + 3'600}), ", in 13 days; renew it, then reload");
  EXPECT_THAT(check_leaf({.until = 14 * kDay + 60}).warnings, IsEmpty());
  const MadeCertificate old = make_certificate(
      {.subject = "old", .names = "", .from = -3 * kDay, .until = -2 * kDay, .authority = true}, &root_);
  const MadeCertificate leaf = make_certificate({}, &old);
  expect_warning(check_pair(leaf.pem() + old.pem(), leaf.key_pem()),
                 "certificate 2 in it (CN = old) has expired on");
}

TEST_F(CertificateCheckTest, KeysThatAreNotSupported) {
  expect_error(check_leaf({.key = "RSA1024"}),
               "RSA 1024 is too short to be safe; expected at least 2048 bits");
  expect_error(check_leaf({.key = "secp256k1"}),
               "its curve is not supported; expected P-256, P-384 or P-521");
  expect_error(check_leaf({.key = "ED448"}), "keys of type ED448 are not supported");
}

TEST_F(CertificateCheckTest, TwoOfOneTypeInASite) {
  const MadeCertificate first = make_certificate({}, &root_);
  const MadeCertificate second = make_certificate({.key = "P-384"}, &root_);
  write("chain.pem", first.pem());
  write("key.pem", first.key_pem());
  write("2.pem", second.pem());
  write("2.key", second.key_pem());
  const CertificateReport report = check(
      "certificates = [{ chain = \"chain.pem\", key = \"key.pem\" },\n{ chain = \"2.pem\", key = \"2.key\" "
      "}]\n");
  ASSERT_THAT(report.errors, SizeIs(1));
  EXPECT_THAT(report.errors[0].to_string(), HasSubstr(":7:1: "));
  EXPECT_THAT(report.errors[0].message, HasSubstr("already has a certificate with a key of the type ECDSA"));
}

TEST_F(CertificateCheckTest, AFileOfCasWithoutAny) {
  const MadeCertificate leaf = make_certificate({}, &root_);
  write("chain.pem", leaf.pem());
  write("key.pem", leaf.key_pem());
  write("ca.pem", "nothing\n");
  const CertificateReport report = check(site() + "client_ca = \"ca.pem\"\nclient_auth = \"optional\"\n");
  ASSERT_THAT(report.errors, SizeIs(1));
  EXPECT_THAT(report.errors[0].to_string(), HasSubstr(":4:1: the file of CAs "));
  EXPECT_THAT(report.errors[0].message, HasSubstr("/ca.pem has no certificate"));
}

TEST_F(CertificateCheckTest, OcspResponses) {
  const MadeCertificate leaf = make_certificate({}, &between_);
  const MadeCertificate other = make_certificate({}, &between_);
  const std::string chain = leaf.pem() + between_.pem();
  const auto staple = [&](const std::string& der) {
    write("staple.der", der);
    return check_pair(chain, leaf.key_pem(), ", ocsp = \"staple.der\"");
  };
  EXPECT_THAT(staple(test::make_staple(leaf, between_, kDay)).errors, IsEmpty());
  EXPECT_THAT(staple(test::make_staple(leaf, between_, kDay)).warnings, IsEmpty());
  expect_error(staple("no response"), "/staple.der is none; expected one in DER form");
  expect_error(staple(test::make_staple(leaf, between_, kDay) + "x"), "is none; expected one in DER form");
  expect_error(staple(test::make_staple(other, between_, kDay)),
               "is about another certificate than CN = example.com");
  expect_error(staple(test::make_staple(leaf, root_, kDay)), "is about another certificate");
  expect_error(staple(std::string("\x30\x03\x0a\x01\x06", 5)), "is an answer without a result: unauthorized");
  expect_warning(staple(test::make_staple(leaf, between_, -3'600)), "/staple.der has expired on ");
  expect_warning(staple(test::make_staple(leaf, between_, kDay, true)),
                 "says that the certificate is revoked");
}

TEST_F(CertificateCheckTest, AKeyThatEverybodyCanRead) {
  const MadeCertificate leaf = make_certificate({}, &root_);
  write("chain.pem", leaf.pem());
  ::chmod(write("key.pem", leaf.key_pem()).c_str(), 0644);
  expect_warning(check(site()), "/key.pem can be read by everybody on this machine; chmod o-r it");
}

TEST_F(CertificateCheckTest, HostsThatTheCertificateIsNotFor) {
  expect_warning(check_leaf({.names = "DNS:www.example.com"}),
                 "is not for example.com; it is for www.example.com");
  // Browsers have not looked at common names for years.
  expect_warning(check_leaf({.names = ""}), "is not for example.com; it is for example.com");
  EXPECT_THAT(check_leaf({.names = "DNS:EXAMPLE.com"}).warnings, IsEmpty());
}

TEST_F(CertificateCheckTest, HostsOfEveryForm) {
  const MadeCertificate leaf =
      make_certificate({.names = "DNS:*.example.org,IP:192.0.2.1,IP:2001:db8::1"}, &root_);
  write("chain.pem", leaf.pem());
  write("key.pem", leaf.key_pem());
  const auto left = [&](const std::string& hosts) {
    const auto loaded = load_config(folder_.write(
        "baton.toml", "[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\nhosts = [" + hosts + "]\n" + site()));
    EXPECT_TRUE(loaded.config);
    return check_certificates(*loaded.config).warnings.size();
  };
  EXPECT_EQ(left("\"*.example.org\", \"a.example.org\", \"192.0.2.1\", \"[2001:db8::1]\""), 0U);
  EXPECT_EQ(left("\"example.org\""), 1U);
  EXPECT_EQ(left("\"a.b.example.org\""), 1U);
  EXPECT_EQ(left("\"192.0.2.2\""), 1U);
  EXPECT_EQ(left(""), 0U);
}

TEST_F(CertificateCheckTest, AProcessThatTakesTooLongIsGivenUp) {
  const MadeCertificate leaf = make_certificate({}, &root_);
  write("chain.pem", leaf.pem());
  write("key.pem", leaf.key_pem());
  const auto loaded =
      load_config(folder_.write("baton.toml", "[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\n" + site()));
  ASSERT_TRUE(loaded.config);
  const CertificateReport report = check_certificates(*loaded.config, std::chrono::milliseconds(0));
  ASSERT_THAT(report.errors, SizeIs(1));
  EXPECT_THAT(report.errors[0].message, HasSubstr("reading their files takes more than"));
}

}  // namespace
}  // namespace baton
