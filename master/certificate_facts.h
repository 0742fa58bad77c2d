// What OpenSSL knows of a certificate and its key, in the words of this program. For the process that checks them
// (master/certificate_check.h).
#pragma once

#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "worker/tls/openssl.h"

namespace baton {

using tls::BioPtr;
using tls::KeyPtr;
using tls::X509Ptr;
using IdPtr = std::unique_ptr<OCSP_CERTID, tls::FreeWith<::OCSP_CERTID_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, tls::FreeWith<::GENERAL_NAMES_free>>;

// Of seconds since 1970: "2026-11-27 12:00:00 UTC".
std::string utc_date(std::int64_t seconds);
// In seconds since 1970.
std::int64_t unix_time(const ASN1_TIME* time);

// Reads from `text`, which must outlive it.
BioPtr bio_of(std::string_view text);

// "CN = example.com".
std::string subject_of(X509* certificate);
// DNS names and IP addresses; without any, the common name.
std::vector<std::string> names_of(X509* certificate);
// Whether it is good for a host as in SiteConfig::hosts. Of the names that "*.example.org" stands for, one that a
// wildcard can cover is enough.
bool covers(X509* certificate, const std::string& host);

struct KeyKind {
  std::string family;   // of which a site may have one: "RSA"
  std::string text;     // "RSA 2048"
  std::string problem;  // why it cannot be used; empty: nothing
};
KeyKind kind_of(EVP_PKEY* key);

// Whether the one has signed the other.
bool issued(X509* issuer, X509* subject);

}  // namespace baton
