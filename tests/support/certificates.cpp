#include "tests/support/certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <map>
#include <stdexcept>

namespace baton::test {

namespace {

void require(bool holds) {
  if (!holds) throw std::runtime_error("OpenSSL cannot make a test certificate");
}

std::shared_ptr<EVP_PKEY> make_key(TestCa::Kind kind) {
  EVP_PKEY* key = nullptr;
  switch (kind) {
    case TestCa::Kind::kEcdsa: key = EVP_EC_gen("P-256"); break;
    case TestCa::Kind::kEcdsa384: key = EVP_EC_gen("P-384"); break;
    case TestCa::Kind::kRsa: key = EVP_RSA_gen(2048); break;
  }
  require(key != nullptr);
  return {key, ::EVP_PKEY_free};
}

void extend(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* one = ::X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  require(one != nullptr && ::X509_add_ext(certificate, one, -1) == 1);
  ::X509_EXTENSION_free(one);
}

std::shared_ptr<X509> make(const std::string& subject, EVP_PKEY* key, X509_NAME* issuer, long from,
                           long until) {
  static std::atomic<long> serial{1};
  std::shared_ptr<X509> made(::X509_new(), ::X509_free);
  X509* one = made.get();
  ::X509_set_version(one, X509_VERSION_3);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(one), serial++);
  ::X509_gmtime_adj(X509_getm_notBefore(one), from);
  ::X509_gmtime_adj(X509_getm_notAfter(one), until);
  X509_NAME* name = ::X509_get_subject_name(one);
  const auto* text = reinterpret_cast<const unsigned char*>(subject.c_str());
  ::X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0);
  ::X509_set_issuer_name(one, issuer != nullptr ? issuer : name);
  require(::X509_set_pubkey(one, key) == 1);
  return made;
}

template <typename Write>
std::string written(Write write) {
  const std::unique_ptr<BIO, decltype(&::BIO_free)> bio(::BIO_new(::BIO_s_mem()), ::BIO_free);
  require(write(bio.get()) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string pem_of(X509* certificate) {
  return written([&](BIO* bio) { return ::PEM_write_bio_X509(bio, certificate); });
}

}  // namespace

std::shared_ptr<EVP_PKEY> test_key(TestCa::Kind kind) {
  static std::map<TestCa::Kind, std::shared_ptr<EVP_PKEY>> made;
  auto& key = made[kind];
  if (!key) key = make_key(kind);
  return key;
}

TestCa::TestCa(const std::string& subject) : key_(make_key(Kind::kEcdsa)) {
  certificate_ = make(subject, key_.get(), nullptr, -3'600, 365L * 24 * 3'600);
  extend(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  require(::X509_sign(certificate_.get(), key_.get(), ::EVP_sha256()) > 0);
}

std::string TestCa::pem() const {
  return pem_of(certificate_.get());
}

CertificateFiles TestCa::issue(const TempDir& dir, const std::string& name, const Leaf& leaf) const {
  const auto key = test_key(leaf.kind);
  const auto made = make(leaf.subject, key.get(), ::X509_get_subject_name(certificate_.get()),
                         leaf.valid_from, leaf.valid_until);
  std::string names;
  for (const std::string& one : leaf.names.empty() ? std::vector{leaf.subject} : leaf.names) {
    names += (names.empty() ? "DNS:" : ",DNS:") + one;
  }
  extend(made.get(), NID_subject_alt_name, names);
  require(::X509_sign(made.get(), key_.get(), ::EVP_sha256()) > 0);
  const std::string key_pem = written([&](BIO* bio) {
    return ::PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  return {dir.write(name + ".pem", pem_of(made.get()) + pem()), dir.write(name + ".key", key_pem)};
}

std::string TestCa::staple(const CertificateFiles& files, long next) const {
  const std::unique_ptr<BIO, decltype(&::BIO_free)> bio(::BIO_new_file(files.chain.c_str(), "r"), ::BIO_free);
  const std::shared_ptr<X509> leaf(::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), ::X509_free);
  require(leaf != nullptr);
  OCSP_CERTID* id = ::OCSP_cert_to_id(::EVP_sha1(), leaf.get(), certificate_.get());
  ASN1_TIME* from = ::X509_gmtime_adj(nullptr, -3'600);
  ASN1_TIME* until = ::X509_gmtime_adj(nullptr, next);
  OCSP_BASICRESP* basic = ::OCSP_BASICRESP_new();
  ASN1_TIME* from_general = ::ASN1_TIME_to_generalizedtime(from, nullptr);
  ASN1_TIME* until_general = ::ASN1_TIME_to_generalizedtime(until, nullptr);
  require(::OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, nullptr, from_general,
                                   until_general) != nullptr);
  require(::OCSP_basic_sign(basic, certificate_.get(), key_.get(), ::EVP_sha256(), nullptr, 0) == 1);
  OCSP_RESPONSE* response = ::OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
  std::string der = written([&](BIO* out) { return i2d_OCSP_RESPONSE_bio(out, response); });
  ::OCSP_RESPONSE_free(response);
  ::OCSP_BASICRESP_free(basic);
  ::OCSP_CERTID_free(id);
  for (ASN1_TIME* one : {from, until, from_general, until_general}) ::ASN1_TIME_free(one);
  return der;
}

}  // namespace baton::test
