// What a site shows and proves: a certificate with its chain, key and OCSP response, read from files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "worker/tls/openssl.h"

namespace baton::tls {

// Reads a whole file, at most 1 MiB. Throws std::runtime_error that names the file and the reason.
std::string read_small_file(const std::string& file);

// All certificates in `pem`, in order. Throws std::runtime_error if there is none or one is damaged; `file` is for
// the message.
std::vector<X509Ptr> parse_certificates(const std::string& pem, const std::string& file);

// Seconds since 1970.
std::int64_t unix_time(const ASN1_TIME& time);

struct Certificate {
  std::string file;
  X509Ptr leaf;
  std::vector<X509Ptr> chain;  // without the leaf
  KeyPtr key;
  std::string staple;               // DER; empty: none
  std::int64_t staple_expires = 0;  // in seconds since 1970: not to be shown from then on

  // Throws std::runtime_error that names file and reason.
  static Certificate load(const CertificateConfig& config);
};

}  // namespace baton::tls
