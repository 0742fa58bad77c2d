// What a [[site]] says of TLS.
#include <array>

#include "common/config/sections.h"

namespace baton {
namespace {

CertificateConfig read_certificate(const TomlValue& table, const ConfigContext& context) {
  TableReader reader{table, "certificates", context.errors};
  CertificateConfig certificate;
  certificate.line = table.at.line;
  certificate.column = table.at.column;
  if (const auto chain = reader.required_string("chain"))
    certificate.chain = context.existing_file(*chain, "chain", "the chain");
  if (const auto key = reader.required_string("key"))
    certificate.key = context.existing_file(*key, "key", "the key");
  if (const auto ocsp = reader.string("ocsp"); ocsp && !ocsp->value.empty())
    certificate.ocsp = context.existing_file(*ocsp, "ocsp", "the OCSP response");
  reader.finish();
  return certificate;
}

void read_certificates(TableReader& reader, const ConfigContext& context, SiteConfig& site) {
  constexpr std::string_view kKey = "certificates";
  constexpr std::string_view kOne = "{ chain = \"...\", key = \"...\" }";
  const TomlValue* value = reader.find(kKey);
  if (value == nullptr) return;
  if (value->array() == nullptr) {
    reader.fail_type(kKey, *value, "an array of " + std::string{kOne});
    site.certificates.emplace_back();  // so that it is not also reported as missing
    return;
  }
  for (const TomlValue& element : *value->array()) {
    if (element.table() == nullptr) reader.fail_type(kKey, element, kOne);
    site.certificates.push_back(element.table() != nullptr ? read_certificate(element, context)
                                                           : CertificateConfig{});
  }
}

void read_client_auth(TableReader& reader, const ConfigContext& context, SiteConfig& site) {
  using ClientAuth = SiteConfig::ClientAuth;
  constexpr std::array<ClientAuth, 3> kChoices{ClientAuth::kNone, ClientAuth::kOptional,
                                               ClientAuth::kRequire};
  const auto authority = reader.string("client_ca");
  const bool named = authority && !authority->value.empty();
  if (named) site.client_ca = context.existing_file(*authority, "client_ca", "the file of CAs");
  const auto choice = reader.one_of("client_auth", {"none", "optional", "require"});
  if (choice) site.client_auth = kChoices[*choice];
  const TomlValue* auth = reader.find("client_auth");
  if (site.client_auth != ClientAuth::kNone && !named) {
    reader.fail(auth->at,
                "'client_auth' without 'client_ca'; add the file of the CAs whose clients may come in");
  } else if (named && site.client_auth == ClientAuth::kNone && (choice || auth == nullptr)) {
    reader.fail(authority->at,
                "'client_ca' without 'client_auth': no client would be asked for a certificate; "
                "add client_auth = \"require\" or \"optional\"");
  }
}

}  // namespace

void read_site_tls(TableReader& reader, const ConfigContext& context, SiteConfig& site) {
  read_certificates(reader, context, site);
  read_client_auth(reader, context, site);
  site.redirect_to_https = reader.boolean("redirect_to_https").value_or(false);
}

}  // namespace baton
