// The [tls] table, and what listeners and sites have to agree on.
#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "common/base/address_overlap.h"
#include "common/config/nearest_name.h"
#include "common/config/sections.h"

namespace baton {
namespace {

// OpenSSL's names of what worker/tls can encrypt with. Both lists are in the order of Mozilla's profile.
constexpr std::array<std::string_view, 6> kCiphers{
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",   "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",   "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"};
constexpr std::array<std::string_view, 3> kSuites{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                                  "TLS_CHACHA20_POLY1305_SHA256"};

struct GroupName {
  std::string_view other;  // as other programs write it
  std::string_view ours;
};
constexpr std::array<std::string_view, 4> kGroups{"X25519", "P-256", "P-384", "P-521"};
constexpr std::array<GroupName, 5> kOtherGroupNames{{{"x25519", "X25519"},
                                                     {"prime256v1", "P-256"},
                                                     {"secp256r1", "P-256"},
                                                     {"secp384r1", "P-384"},
                                                     {"secp521r1", "P-521"}}};

template <typename Names>
bool has(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

template <typename Names>
std::string list(const Names& names) {
  std::string text;
  for (const std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string{name};
  return text;
}

void append(std::string& names, std::string_view name) {
  if (!names.empty()) names += ':';
  names += name;
}

bool begins_with_any(std::string_view name, std::initializer_list<std::string_view> starts) {
  return std::ranges::any_of(starts, [name](std::string_view start) { return name.starts_with(start); });
}

// A slip of the hand in one of our names: what was meant.
std::optional<std::string_view> meant(std::string_view name) {
  constexpr std::size_t kSlips = 2;
  std::vector<std::string_view> all(kCiphers.begin(), kCiphers.end());
  all.insert(all.end(), kSuites.begin(), kSuites.end());
  const auto nearest = nearest_name(name, all);
  return nearest && edit_distance(name, *nearest) <= kSlips ? nearest : std::nullopt;
}

// Why a cipher is not accepted.
std::string refusal(std::string_view name) {
  if (name.find_first_of(":!+@") != std::string_view::npos)
    return "is more than one name; expected one cipher in each string";
  if (name.find("CCM") != std::string_view::npos) return "uses CCM, which is not offered; take GCM";
  if (name.starts_with("DHE-"))
    return "uses DHE for the key exchange, which is slow and often weak; take one with ECDHE";
  if (begins_with_any(name,
                      {"AES", "CAMELLIA", "ARIA", "DES-", "SEED", "IDEA", "RC4", "NULL-", "TLS_RSA_"})) {
    return "uses RSA for the key exchange: whoever gets the key later can read all that was recorded; "
           "take one with ECDHE";
  }
  if (const auto nearest = meant(name)) return "is not known; did you mean '" + std::string{*nearest} + "'?";
  if (name.starts_with("TLS_ECDHE_")) return "is not OpenSSL's name; expected one of " + list(kCiphers);
  if (name.starts_with("ECDHE-")) {
    return "is not an AEAD with AES-GCM or ChaCha20 (ciphers in CBC mode have been broken time and again); "
           "expected one of " +
           list(kCiphers);
  }
  return "is not accepted; expected one of " + list(kCiphers) + " for TLS 1.2, or " + list(kSuites) +
         " for TLS 1.3";
}

// Returns the place of "1.2" in the list.
std::optional<SourcePosition> read_versions(TableReader& reader, TlsConfig& tls) {
  const auto versions = reader.strings("versions");
  if (!versions) return std::nullopt;
  std::optional<SourcePosition> old;
  tls.tls12 = tls.tls13 = false;
  for (const auto& [version, at] : *versions) {
    if (version == "1.2") {
      tls.tls12 = true;
      old = at;
    } else if (version == "1.3") {
      tls.tls13 = true;
    } else if (version == "1.0" || version == "1.1") {
      reader.fail(at, "'versions' has '" + version +
                          "', which nobody should use any more (RFC 8996); expected \"1.2\" or \"1.3\"");
    } else {
      reader.fail(at, "'versions' has '" + version + "'; expected \"1.2\" or \"1.3\"");
    }
  }
  if (reader.find("versions")->array()->empty())
    reader.fail(reader.find("versions")->at, "'versions' is empty; expected \"1.2\", \"1.3\" or both");
  return old;
}

void read_cipher_list(TableReader& reader, TlsConfig& tls) {
  const auto names = reader.strings("ciphers");
  if (!names) return;
  bool good = true;
  std::vector<std::string_view> seen;
  tls.ciphers.clear();
  tls.suites.clear();
  for (const auto& [name, at] : *names) {
    const bool known = has(kCiphers, name) || has(kSuites, name);
    if (!known) {
      reader.fail(at, "'ciphers': '" + name + "' " + refusal(name));
    } else if (has(seen, name)) {
      reader.fail(at, "'ciphers' has '" + name + "' twice");
    } else {
      append(has(kSuites, name) ? tls.suites : tls.ciphers, name);
    }
    good = good && known && !has(seen, name);
    seen.push_back(name);
  }
  if (!good || names->size() != reader.find("ciphers")->array()->size()) return;
  const auto lacks = [&](std::string_view version, std::string_view example) {
    reader.fail(reader.find("ciphers")->at,
                "'ciphers' has none for TLS " + std::string{version} + "; add one, such as " +
                    std::string{example} + ", or leave \"" + std::string{version} + "\" out of 'versions'");
  };
  if (tls.tls12 && tls.ciphers.empty()) lacks("1.2", kCiphers[0]);
  if (tls.tls13 && tls.suites.empty()) lacks("1.3", kSuites[0]);
}

// `old`: the place where the file asks for TLS 1.2.
void read_ciphers(TableReader& reader, TlsConfig& tls, std::optional<SourcePosition> old) {
  const TomlValue* value = reader.find("ciphers");
  if (value == nullptr || value->array() != nullptr) return read_cipher_list(reader, tls);
  if (value->string() == nullptr)
    return reader.fail_type("ciphers", *value, "\"intermediate\", \"modern\" or an array of names");
  if (*value->string() == "modern") {
    if (old)
      reader.fail(
          *old, "'versions' has \"1.2\", but 'ciphers' is \"modern\", which means TLS 1.3 only; change one");
    tls.tls12 = false;
  } else if (*value->string() != "intermediate") {
    reader.fail(value->at, "'ciphers' is '" + *value->string() +
                               "'; expected \"intermediate\", \"modern\" or an array of names");
  }
}

void read_groups(TableReader& reader, TlsConfig& tls) {
  const auto names = reader.strings("groups");
  if (!names) return;
  std::vector<std::string_view> seen;
  tls.groups.clear();
  for (const auto& [name, at] : *names) {
    const auto* other = std::ranges::find(kOtherGroupNames, name, &GroupName::other);
    if (other != kOtherGroupNames.end()) {
      reader.fail(at, "'groups' has '" + name + "'; write it as \"" + std::string{other->ours} + "\"");
    } else if (!has(kGroups, name)) {
      reader.fail(at, "'groups' has '" + name + "'; expected some of " + list(kGroups));
    } else if (has(seen, name)) {
      reader.fail(at, "'groups' has '" + name + "' twice");
    }
    append(tls.groups, name);
    seen.push_back(name);
  }
  if (reader.find("groups")->array()->empty())
    reader.fail(reader.find("groups")->at, "'groups' is empty; expected some of " + list(kGroups));
}

// Handshakes are done by the CPU, so more processes than CPUs would only wait for each other. One that waits
// for a file, or has died, must not stop all handshakes.
std::uint32_t automatic_keyholders() {
  constexpr std::uint32_t kFewest = 2;
  return std::clamp(usable_cpus(), kFewest, kMaxKeyholders);
}

// A handshake costs about a millisecond of CPU, so a keyholder needs about a second for so many: clients wait
// that long, and seldom longer. OpenSSL needs about 50 KiB for each, so this is 50 MiB of a keyholder's memory.
constexpr std::uint32_t kHandshakesOfOne = 1'024;

}  // namespace

void read_tls(TableReader& root, const ConfigContext& context, TlsConfig& tls) {
  static const TomlValue kNone{TomlValue::Table{}, {}};
  const TomlValue* table = root.table("tls");
  TableReader reader{table != nullptr ? *table : kNone, "[tls]", context.errors};
  const auto old = read_versions(reader, tls);
  read_ciphers(reader, tls, old);
  read_groups(reader, tls);
  tls.session_tickets = reader.boolean("session_tickets").value_or(tls.session_tickets);
  tls.keyholders = static_cast<std::uint32_t>(
      reader.integer_or_auto("keyholders", 1, kMaxKeyholders).value_or(automatic_keyholders()));
  tls.handshakes =
      static_cast<std::uint32_t>(reader.integer_or_auto("handshakes", 1, TlsConfig::kMostHandshakes)
                                     .value_or(std::int64_t{tls.keyholders} * kHandshakesOfOne));
  if (const auto choice = reader.one_of("unknown_name", {"default", "refuse"}))
    tls.unknown_name = *choice == 0 ? TlsConfig::UnknownName::kDefault : TlsConfig::UnknownName::kRefuse;
  reader.finish();
}

void check_tls(const ConfigContext& context, const Config& config) {
  const auto tls = std::ranges::find(config.listen, true, &ListenConfig::tls);
  const bool any = tls != config.listen.end();
  const auto check_redirect = [&](SourcePosition at) {
    if (!any) {
      context.errors.add(
          at, "'redirect_to_https' leads nowhere: no listener has TLS; add a [[listen]] with tls = true");
    } else if (!tls->address.is_unix() && config.https_port() == 0) {
      context.errors.add(at, "'redirect_to_https' cannot lead to '" + tls->text +
                                 "', whose port the system chooses; give that listener a port");
    }
  };
  for (const ListenConfig& listen : config.listen)
    if (listen.redirect_to_https && !listen.tls) check_redirect({listen.line, listen.column});
  for (const SiteConfig& site : config.sites) {
    if (site.redirect_to_https) check_redirect({site.line, site.column});
    if (!any || !site.certificates.empty()) continue;
    context.errors.add({site.line, site.column},
                       "this [[site]] has no certificate, which it needs for the listener '" + tls->text +
                           "' at " + context.errors.place({tls->line, tls->column}) +
                           "; add certificates = [{ chain = \"...\", key = \"...\" }]");
  }
}

}  // namespace baton
