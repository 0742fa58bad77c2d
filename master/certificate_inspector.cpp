#include "master/certificate_inspector.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/privileges.h"
#include "common/base/unique_fd.h"
#include "master/certificate_facts.h"

namespace baton {

namespace {

using Chain = std::vector<X509Ptr>;

constexpr std::int64_t kDay = 24L * 60 * 60;
constexpr std::int64_t kSoon = 14 * kDay;

// Notes that OpenSSL has asked for a password, and gives none.
int no_password(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

class Inspector {
 public:
  explicit Inspector(const Config& config) : config_(config), now_(std::time(nullptr)) {}

  CertificateReport run() && {
    for (const SiteConfig& site : config_.sites) {
      std::vector<std::string> families;
      for (const CertificateConfig& one : site.certificates) {
        at_ = {config_.file, one.line, one.column, ""};
        look_at(site, one, families);
      }
      at_ = {config_.file, site.line, site.column, ""};
      if (!site.client_ca.empty()) (void)read_chain(site.client_ca, "the file of CAs");
    }
    return std::move(report_);
  }

 private:
  void fail(std::string message) { add(report_.errors, std::move(message)); }
  void warn(std::string message) { add(report_.warnings, std::move(message)); }
  void add(std::vector<ConfigError>& to, std::string message) const {
    to.push_back(at_);
    to.back().message = std::move(message);
  }

  void look_at(const SiteConfig& site, const CertificateConfig& config, std::vector<std::string>& families) {
    const auto chain = read_chain(config.chain, "the chain");
    const KeyPtr key = read_key(config.key);
    if (!chain) return;
    X509* const leaf = chain->front().get();
    EVP_PKEY* const public_key = ::X509_get0_pubkey(leaf);
    if (public_key == nullptr)
      return fail(fmt::format("the chain {}: the key in the certificate cannot be read: {}", config.chain,
                              tls::take_error()));
    const KeyKind kind = kind_of(public_key);
    if (!kind.problem.empty()) return fail(fmt::format("the chain {}: {}", config.chain, kind.problem));
    if (std::find(families.begin(), families.end(), kind.family) != families.end()) {
      fail(fmt::format(
          "the chain {}: the site already has a certificate with a key of the type {}; leave one out",
          config.chain, kind.family));
    }
    families.push_back(kind.family);
    if (key && fits(*chain, key.get(), config)) try_out(*chain, key.get(), config);
    check_order(*chain, config.chain);
    check_times(*chain, config.chain);
    check_hosts(site, leaf, config.chain);
    if (!config.ocsp.empty()) check_staple(*chain, config.ocsp);
    report_.certificates.push_back(
        {config.chain, names_of(leaf), kind.text, unix_time(::X509_get0_notAfter(leaf))});
  }

  // Returns nothing, and reports it, if the file cannot be read. `mode`: its permissions.
  std::optional<std::string> read_file(const std::string& file, std::string_view what,
                                       mode_t* mode = nullptr) {
    constexpr std::size_t kMost = 1 << 20;
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) return refuse(file, what, errno);
    if (!S_ISREG(status.st_mode)) {
      fail(fmt::format("{} {} is not a file", what, file));
      return std::nullopt;
    }
    if (mode != nullptr) *mode = status.st_mode;
    std::string text(kMost + 1, '\0');
    const ssize_t n = ::read(fd.get(), text.data(), text.size());
    if (n < 0) return refuse(file, what, errno);
    text.resize(static_cast<std::size_t>(n));
    if (text.size() <= kMost) return text;
    fail(fmt::format("{} {} is larger than 1 MiB", what, file));
    return std::nullopt;
  }

  std::optional<std::string> refuse(const std::string& file, std::string_view what, int error) {
    const std::string_view remedy =
        error == EACCES
            ? "; give it to a group that this user is in, such as ssl-cert, with mode 0640 (its folders "
              "with 0750), or use systemd's LoadCredential="
            : "";
    fail(fmt::format("the user {} cannot read {} {}: {}{}", name_of_user(::geteuid()), what, file,
                     std::strerror(error), remedy));
    return std::nullopt;
  }

  // All certificates of a PEM file, at least one; nothing, and reports it, if there is none or one is damaged.
  std::optional<Chain> read_chain(const std::string& file, std::string_view what) {
    const auto text = read_file(file, what);
    if (!text) return std::nullopt;
    const BioPtr bio = bio_of(*text);
    Chain chain;
    while (X509* one = ::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) chain.emplace_back(one);
    const bool at_end = ERR_GET_REASON(::ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    const std::string reason = tls::take_error();
    if (at_end && !chain.empty()) return chain;
    if (at_end && text->starts_with('\x30')) {
      fail(fmt::format("{} {} is not PEM but DER; convert it with: openssl x509 -inform DER", what, file));
    } else if (at_end) {
      fail(fmt::format("{} {} has no certificate; expected PEM: -----BEGIN CERTIFICATE-----", what, file));
    } else {
      fail(fmt::format("{} {}: certificate {} in it cannot be read: {}", what, file, chain.size() + 1,
                       reason));
    }
    return std::nullopt;
  }

  KeyPtr read_key(const std::string& file) {
    mode_t mode = 0;
    const auto text = read_file(file, "the key", &mode);
    if (!text) return nullptr;
    bool encrypted = false;
    KeyPtr key(::PEM_read_bio_PrivateKey(bio_of(*text).get(), nullptr, no_password, &encrypted));
    const std::string reason = tls::take_error();
    const bool is_der = text->starts_with('\x30');
    const bool is_pem = text->find("PRIVATE KEY-----") != std::string::npos;
    if (key && (mode & S_IROTH) != 0)
      warn(fmt::format("the key {} can be read by everybody on this machine; chmod o-r it", file));
    if (key) return key;
    if (encrypted) {
      fail(fmt::format(
          "the key {} is encrypted, and nobody is there to type its password when the server starts; "
          "decrypt it with: openssl pkey",
          file));
    } else if (is_der) {
      fail(fmt::format("the key {} is not PEM but DER; convert it with: openssl pkey -inform DER", file));
    } else if (!is_pem) {
      fail(fmt::format("the key {} has no private key; expected PEM: -----BEGIN PRIVATE KEY-----", file));
    } else {
      fail(fmt::format("the key {} cannot be read: {}", file, reason));
    }
    return nullptr;
  }

  bool fits(const Chain& chain, EVP_PKEY* key, const CertificateConfig& config) {
    const auto belongs = [key](const X509Ptr& one) { return ::X509_check_private_key(one.get(), key) == 1; };
    const auto found = std::find_if(chain.begin(), chain.end(), belongs);
    ::ERR_clear_error();
    if (found == chain.begin()) return true;
    if (found == chain.end()) {
      fail(fmt::format("the key {} does not belong to the certificate in {} ({})", config.key, config.chain,
                       subject_of(chain.front().get())));
    } else {
      fail(fmt::format(
          "the chain {} is in the wrong order: the certificate of the key is number {} in it; expected it "
          "first, then those between it and the root",
          config.chain, found - chain.begin() + 1));
      wrong_order_ = true;
    }
    return false;
  }

  // Whatever else OpenSSL does not like about it.
  void try_out(const Chain& chain, EVP_PKEY* key, const CertificateConfig& config) {
    const tls::SslContextPtr context(::SSL_CTX_new(::TLS_server_method()));
    bool good = context && ::SSL_CTX_use_certificate(context.get(), chain.front().get()) == 1 &&
                ::SSL_CTX_use_PrivateKey(context.get(), key) == 1;
    for (std::size_t i = 1; good && i < chain.size(); ++i)
      good = SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) == 1;
    if (!good)
      fail(fmt::format("the chain {}: OpenSSL does not take it: {}", config.chain, tls::take_error()));
  }

  void check_order(const Chain& chain, const std::string& file) {
    if (std::exchange(wrong_order_, false)) return;
    for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
      if (issued(chain[i + 1].get(), chain[i].get())) continue;
      ::ERR_clear_error();
      return fail(
          fmt::format("the chain {} is broken: certificate {} in it ({}) is not issued by the next one ({}); "
                      "expected the site's "
                      "own first, and each followed by the one that has issued it",
                      file, i + 1, subject_of(chain[i].get()), subject_of(chain[i + 1].get())));
    }
  }

  void check_times(const Chain& chain, const std::string& file) {
    X509* const leaf = chain.front().get();
    const std::int64_t from = unix_time(::X509_get0_notBefore(leaf));
    const std::int64_t until = unix_time(::X509_get0_notAfter(leaf));
    if (now_ < from) {
      fail(fmt::format(
          "the chain {}: the certificate is good only from {} on, and this machine's clock says {}", file,
          utc_date(from), utc_date(now_)));
    } else if (now_ > until) {
      fail(fmt::format("the chain {}: the certificate has expired on {}; this machine's clock says {}", file,
                       utc_date(until), utc_date(now_)));
    } else if (until - now_ < kSoon) {
      warn(fmt::format("the chain {}: the certificate expires on {}, in {} days; renew it, then reload", file,
                       utc_date(until), (until - now_) / kDay));
    }
    for (std::size_t i = 1; i < chain.size(); ++i) {
      const std::int64_t end = unix_time(::X509_get0_notAfter(chain[i].get()));
      if (now_ > end)
        warn(fmt::format("the chain {}: certificate {} in it ({}) has expired on {}", file, i + 1,
                         subject_of(chain[i].get()), utc_date(end)));
    }
  }

  void check_hosts(const SiteConfig& site, X509* leaf, const std::string& file) {
    std::vector<std::string> left;
    for (const std::string& host : site.hosts)
      if (!covers(leaf, host)) left.push_back(host);
    ::ERR_clear_error();
    if (left.empty()) return;
    warn(fmt::format("the chain {}: the certificate is not for {}; it is for {}", file, fmt::join(left, ", "),
                     fmt::join(names_of(leaf), ", ")));
  }

  void check_staple(const Chain& chain, const std::string& file) {
    const auto text = read_file(file, "the OCSP response");
    if (!text) return;
    const auto* at = reinterpret_cast<const unsigned char*>(text->data());
    const auto* const end = at + text->size();
    const tls::OcspResponsePtr response(::d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(text->size())));
    ::ERR_clear_error();
    if (!response || at != end)
      return fail(fmt::format("the OCSP response {} is none; expected one in DER form", file));
    if (const int status = ::OCSP_response_status(response.get());
        status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
      return fail(fmt::format("the OCSP response {} is an answer without a result: {}", file,
                              ::OCSP_response_status_str(status)));
    }
    const tls::OcspBasicPtr basic(::OCSP_response_get1_basic(response.get()));
    OCSP_SINGLERESP* const single = basic ? find_in(basic.get(), chain) : nullptr;
    ::ERR_clear_error();
    if (single == nullptr) {
      return fail(fmt::format("the OCSP response {} is about another certificate than {}", file,
                              subject_of(chain.front().get())));
    }
    ASN1_GENERALIZEDTIME* next = nullptr;
    const int status = ::OCSP_single_get0_status(single, nullptr, nullptr, nullptr, &next);
    if (status == V_OCSP_CERTSTATUS_REVOKED)
      warn(fmt::format("the OCSP response {} says that the certificate is revoked; replace the certificate",
                       file));
    if (next != nullptr && unix_time(next) < now_) {
      warn(fmt::format("the OCSP response {} has expired on {}; fetch a new one, then reload", file,
                       utc_date(unix_time(next))));
    }
  }

  // The part of the response that is about the site's certificate. Where the chain has no issuer, the serial number
  // decides.
  static OCSP_SINGLERESP* find_in(OCSP_BASICRESP* basic, const Chain& chain) {
    X509* const leaf = chain.front().get();
    for (int i = 0; i < ::OCSP_resp_count(basic); ++i) {
      OCSP_SINGLERESP* const single = ::OCSP_resp_get0(basic, i);
      auto* const id = const_cast<OCSP_CERTID*>(::OCSP_SINGLERESP_get0_id(single));
      ASN1_OBJECT* digest = nullptr;
      ASN1_INTEGER* serial = nullptr;
      ::OCSP_id_get0_info(nullptr, &digest, nullptr, &serial, id);
      if (::ASN1_INTEGER_cmp(serial, ::X509_get_serialNumber(leaf)) != 0) continue;
      const EVP_MD* const hash = EVP_get_digestbyobj(digest);
      if (chain.size() < 2 || hash == nullptr) return single;
      const IdPtr own(::OCSP_cert_to_id(hash, leaf, chain[1].get()));
      if (own && ::OCSP_id_cmp(own.get(), id) == 0) return single;
    }
    return nullptr;
  }

  const Config& config_;
  std::int64_t now_;
  ConfigError at_;
  CertificateReport report_;
  bool wrong_order_ = false;  // told already
};

}  // namespace

CertificateReport inspect_certificates(const Config& config) {
  return Inspector(config).run();
}

}  // namespace baton
