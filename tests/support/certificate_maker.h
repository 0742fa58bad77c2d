// Certificates for tests of what is wrong with certificates: of any key, time and issuer.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace baton::test {

struct MadeCertificate {
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;

  [[nodiscard]] std::string pem() const;
  [[nodiscard]] std::string der() const;
  [[nodiscard]] std::string key_pem(const std::string& password = "") const;
};

struct CertificateWish {
  std::string subject = "example.com";    // its common name
  std::string names = "DNS:example.com";  // as subjectAltName in OpenSSL's configuration; empty: none
  std::string key = "P-256";              // or another curve, "RSA1024", "RSA2048", "ED25519", "ED448"
  long from = -3'600;                     // in seconds from now
  long until = 90L * 24 * 3'600;          // the same
  bool authority = false;                 // may issue others
};

// Signed by `issuer`; without one, by itself. Keys of one type are made anew each time. Throws
// std::runtime_error.
MadeCertificate make_certificate(const CertificateWish& wish, const MadeCertificate* issuer = nullptr);

// An OCSP response of `issuer` in DER form, good until so many seconds from now.
std::string make_staple(const MadeCertificate& about, const MadeCertificate& issuer, long until,
                        bool revoked = false);

}  // namespace baton::test
