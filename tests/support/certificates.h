// Certificates that are made when a test runs.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace baton::test {

struct CertificateFiles {
  std::string chain;  // PEM
  std::string key;    // PEM
};

class TestCa {
 public:
  enum class Kind { kEcdsa, kRsa, kEcdsa384 };
  struct Leaf {
    std::string subject = "localhost";    // its common name
    std::vector<std::string> names = {};  // DNS names; empty: the subject
    Kind kind = Kind::kEcdsa;
    long valid_from = -3'600;  // in seconds from now
    long valid_until = 24L * 3'600;
  };

  explicit TestCa(const std::string& subject = "baton test CA");

  // The CA's own certificate in PEM format.
  [[nodiscard]] std::string pem() const;
  // Writes `name`.pem and `name`.key into the folder.
  [[nodiscard]] CertificateFiles issue(const TempDir& dir, const std::string& name, const Leaf& leaf) const;
  // An OCSP response that says "good" of this certificate: DER. `next` in seconds from now.
  [[nodiscard]] std::string staple(const CertificateFiles& files, long next) const;

 private:
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
};

// A private key; those of the same kind are made once for each process and kind.
std::shared_ptr<EVP_PKEY> test_key(TestCa::Kind kind);

}  // namespace baton::test
