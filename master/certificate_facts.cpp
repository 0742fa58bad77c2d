#include "master/certificate_facts.h"

#include <algorithm>
#include <ctime>
#include <optional>

#include "common/base/printable.h"

namespace baton {

namespace {

// "P-256" of "prime256v1"; nothing for a curve that is not supported.
std::optional<std::string> curve_of(EVP_PKEY* key) {
  char name[64];
  std::size_t size = 0;
  if (::EVP_PKEY_get_group_name(key, name, sizeof name, &size) != 1) return std::nullopt;
  const std::string_view group(name, size);
  if (group == "prime256v1") return "P-256";
  if (group == "secp384r1") return "P-384";
  if (group == "secp521r1") return "P-521";
  return std::nullopt;
}

}  // namespace

std::string utc_date(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  char text[40];
  if (::gmtime_r(&time, &parts) == nullptr) return std::to_string(seconds);
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts)};
}

std::int64_t unix_time(const ASN1_TIME* time) {
  std::tm parts{};
  return ::ASN1_TIME_to_tm(time, &parts) == 1 ? ::timegm(&parts) : 0;
}

BioPtr bio_of(std::string_view text) {
  return BioPtr(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string subject_of(X509* certificate) {
  const BioPtr bio(::BIO_new(::BIO_s_mem()));
  ::X509_NAME_print_ex(bio.get(), ::X509_get_subject_name(certificate), 0,
                       XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return printable({text, static_cast<std::size_t>(size)});
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  const NamesPtr all(
      static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    const BioPtr bio(::BIO_new(::BIO_s_mem()));
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    ::GENERAL_NAME_print(bio.get(), const_cast<GENERAL_NAME*>(name));
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    const std::string_view printed(text, static_cast<std::size_t>(size));  // "DNS:example.com"
    names.push_back(printable(printed.substr(std::min(printed.find(':') + 1, printed.size()))));
  }
  char common[256];
  if (names.empty() && ::X509_NAME_get_text_by_NID(::X509_get_subject_name(certificate), NID_commonName,
                                                   common, sizeof common) > 0) {
    names.push_back(printable(common));
  }
  return names;
}

KeyKind kind_of(EVP_PKEY* key) {
  constexpr int kFewestBits = 2'048;
  switch (::EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: {
      const int bits = ::EVP_PKEY_get_bits(key);
      const std::string text = "RSA " + std::to_string(bits);
      if (bits >= kFewestBits) return {"RSA", text, ""};
      return {"RSA", text, text + " is too short to be safe; expected at least 2048 bits"};
    }
    case EVP_PKEY_EC:
      if (const auto curve = curve_of(key)) return {"ECDSA", "ECDSA " + *curve, ""};
      return {"ECDSA", "ECDSA", "its curve is not supported; expected P-256, P-384 or P-521"};
    case EVP_PKEY_ED25519: return {"Ed25519", "Ed25519", ""};
    default: {
      const char* const name = ::EVP_PKEY_get0_type_name(key);
      const std::string text = name != nullptr ? name : "unknown";
      return {text, text, "keys of type " + text + " are not supported; expected RSA, ECDSA or Ed25519"};
    }
  }
}

bool issued(X509* issuer, X509* subject) {
  return ::X509_check_issued(issuer, subject) == X509_V_OK &&
         ::X509_verify(subject, ::X509_get0_pubkey(issuer)) == 1;
}

bool covers(X509* certificate, const std::string& host) {
  constexpr unsigned kFlags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
  if (host.starts_with('['))
    return ::X509_check_ip_asc(certificate, host.substr(1, host.size() - 2).c_str(), kFlags) == 1;
  if (::X509_check_ip_asc(certificate, host.c_str(), kFlags) == 1) return true;
  const std::string name = host.starts_with("*.") ? "any" + host.substr(1) : host;
  return ::X509_check_host(certificate, name.c_str(), name.size(), kFlags, nullptr) == 1;
}

}  // namespace baton
