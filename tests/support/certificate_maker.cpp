#include "tests/support/certificate_maker.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace baton::test {

namespace {

void require(bool holds) {
  if (!holds) throw std::runtime_error("OpenSSL cannot make a certificate for a test");
}

template <typename Write>
std::string written(Write write) {
  const std::unique_ptr<BIO, decltype(&::BIO_free)> bio(::BIO_new(::BIO_s_mem()), ::BIO_free);
  require(write(bio.get()) > 0);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::shared_ptr<EVP_PKEY> make_key(const std::string& type) {
  EVP_PKEY* key = nullptr;
  if (type.starts_with("RSA")) {
    key = EVP_RSA_gen(static_cast<unsigned>(std::stoi(type.substr(3))));
  } else if (type.starts_with("ED")) {
    key = ::EVP_PKEY_Q_keygen(nullptr, nullptr, type.c_str());
  } else {
    key = EVP_EC_gen(type.c_str());
  }
  require(key != nullptr);
  return {key, ::EVP_PKEY_free};
}

void extend(X509* certificate, int what, const std::string& value) {
  X509_EXTENSION* one = ::X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
  require(one != nullptr && ::X509_add_ext(certificate, one, -1) == 1);
  ::X509_EXTENSION_free(one);
}

}  // namespace

std::string MadeCertificate::pem() const {
  return written([this](BIO* bio) { return ::PEM_write_bio_X509(bio, certificate.get()); });
}

std::string MadeCertificate::der() const {
  return written([this](BIO* bio) { return ::i2d_X509_bio(bio, certificate.get()); });
}

std::string MadeCertificate::key_pem(const std::string& password) const {
  return written([&](BIO* bio) {
    return ::PEM_write_bio_PKCS8PrivateKey(bio, key.get(), password.empty() ? nullptr : ::EVP_aes_128_cbc(),
                                           password.empty() ? nullptr : password.data(),
                                           static_cast<int>(password.size()), nullptr, nullptr);
  });
}

MadeCertificate make_certificate(const CertificateWish& wish, const MadeCertificate* issuer) {
  static long serial = 1'000;
  MadeCertificate made{{::X509_new(), ::X509_free}, make_key(wish.key)};
  X509* const one = made.certificate.get();
  ::X509_set_version(one, X509_VERSION_3);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(one), ++serial);
  ::X509_gmtime_adj(X509_getm_notBefore(one), wish.from);
  ::X509_gmtime_adj(X509_getm_notAfter(one), wish.until);
  ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(one), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(wish.subject.c_str()), -1, -1, 0);
  const MadeCertificate& by = issuer != nullptr ? *issuer : made;
  ::X509_set_issuer_name(one, ::X509_get_subject_name(by.certificate.get()));
  require(::X509_set_pubkey(one, made.key.get()) == 1);
  if (wish.authority) extend(one, NID_basic_constraints, "critical,CA:TRUE");
  if (!wish.names.empty()) extend(one, NID_subject_alt_name, wish.names);
  const bool hashes_itself = ::EVP_PKEY_get_base_id(by.key.get()) == EVP_PKEY_ED25519 ||
                             ::EVP_PKEY_get_base_id(by.key.get()) == EVP_PKEY_ED448;
  require(::X509_sign(one, by.key.get(), hashes_itself ? nullptr : ::EVP_sha256()) > 0);
  return made;
}

std::string make_staple(const MadeCertificate& about, const MadeCertificate& issuer, long until,
                        bool revoked) {
  const auto time = [](long seconds) {
    return std::shared_ptr<ASN1_TIME>(::ASN1_GENERALIZEDTIME_adj(nullptr, ::time(nullptr), 0, seconds),
                                      ::ASN1_TIME_free);
  };
  const std::shared_ptr<OCSP_CERTID> id(
      ::OCSP_cert_to_id(::EVP_sha1(), about.certificate.get(), issuer.certificate.get()), ::OCSP_CERTID_free);
  const std::shared_ptr<OCSP_BASICRESP> basic(::OCSP_BASICRESP_new(), ::OCSP_BASICRESP_free);
  const int status = revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD;
  const auto begin = time(-7'200);
  const auto end = time(until);
  require(::OCSP_basic_add1_status(basic.get(), id.get(), status, OCSP_REVOKED_STATUS_NOSTATUS, begin.get(),
                                   begin.get(), end.get()) != nullptr);
  require(::OCSP_basic_sign(basic.get(), issuer.certificate.get(), issuer.key.get(), ::EVP_sha256(), nullptr,
                            0) == 1);
  const std::shared_ptr<OCSP_RESPONSE> response(
      ::OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()), ::OCSP_RESPONSE_free);
  return written([&](BIO* bio) { return i2d_OCSP_RESPONSE_bio(bio, response.get()); });
}

}  // namespace baton::test
