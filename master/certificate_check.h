// Checks whether the certificates of a configuration can be used. `baton -t` needs this, a start, a reload, and a
// program that is to take over in an upgrade.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/config/config.h"

namespace baton {

// How long the files of all certificates may take to be read and checked.
constexpr std::chrono::milliseconds kCertificatePatience{10'000};

// What people want to know of a certificate in use.
struct CertificateInfo {
  std::string file;                // of its chain
  std::vector<std::string> names;  // DNS names and IP addresses, or else its common name
  std::string key_type;            // such as "RSA 2048", "ECDSA P-256" or "Ed25519"
  std::int64_t not_after = 0;      // until when it is good, in seconds since 1970
};

struct CertificateReport {
  std::vector<ConfigError> errors;            // why it cannot be used
  std::vector<ConfigError> warnings;          // what to see to soon, or what not every client will like
  std::vector<CertificateInfo> certificates;  // in file order; if there are no errors, all
};

// Reads the certificates, keys, OCSP responses and CAs of all sites as this process's user. Does so in a process
// of its own, which ends before this function returns: no private key is ever in this process's memory, which
// workers inherit. The calling process must have one thread only. Throws nothing; a process that cannot be
// started, or takes longer than `patience`, is an error in the report.
CertificateReport check_certificates(const Config& config,
                                     std::chrono::milliseconds patience = kCertificatePatience);

// The same for a generation that is about to start: returns what is to be known of the certificates, and logs
// the warnings. Throws std::runtime_error with all errors, one a line, if there are any.
std::vector<CertificateInfo> good_certificates(const Config& config);

// One line for each warning: "FILE:LINE:COLUMN: warning: MESSAGE".
std::vector<std::string> warning_lines(const CertificateReport& report);

}  // namespace baton
