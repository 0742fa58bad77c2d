#include "worker/tls/credentials.h"

#include <openssl/err.h>
#include <openssl/sha.h>

#include <array>
#include <stdexcept>
#include <utility>

#include "worker/tls/callbacks.h"
#include "worker/tls/random.h"

namespace baton::tls {

namespace {

// Mozilla's "intermediate" profile, without DHE.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kSuites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:P-256:P-384";

// SSL_OP_NO_TICKET aside.
constexpr std::uint64_t kOptions = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;

void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what + ": " + take_error());
}

const char* or_default(const std::string& text, const char* other) {
  return text.empty() ? other : text.c_str();
}

// Whether the record layer can go on with the cipher, and the key exchange is one that a stolen key does not undo.
bool allowed(const SSL_CIPHER* cipher) {
  const int aead = ::SSL_CIPHER_get_cipher_nid(cipher);
  const int exchange = ::SSL_CIPHER_get_kx_nid(cipher);
  return (aead == NID_aes_128_gcm || aead == NID_aes_256_gcm || aead == NID_chacha20_poly1305) &&
         (exchange == NID_kx_ecdhe || exchange == NID_kx_any);
}

void require_allowed(SSL_CTX* context) {
  const STACK_OF(SSL_CIPHER)* ciphers = ::SSL_CTX_get_ciphers(context);
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* one = sk_SSL_CIPHER_value(ciphers, i);
    if (allowed(one)) continue;
    throw std::runtime_error(std::string("TLS cipher ") + ::SSL_CIPHER_get_name(one) +
                             " is not supported: use ECDHE with AES-GCM or ChaCha20-Poly1305");
  }
}

void use(SSL_CTX* context, const Certificate& certificate) {
  STACK_OF(X509)* chain = sk_X509_new_null();
  for (const X509Ptr& one : certificate.chain) sk_X509_push(chain, one.get());
  constexpr int kKeepFirst = 0;
  const int ok =
      ::SSL_CTX_use_cert_and_key(context, certificate.leaf.get(), certificate.key.get(), chain, kKeepFirst);
  sk_X509_free(chain);
  if (ok == 1) return;
  if (ERR_GET_REASON(::ERR_peek_last_error()) == SSL_R_NOT_REPLACING_CERTIFICATE) {
    ::ERR_clear_error();
    throw std::runtime_error(certificate.file + ": the site has another certificate for this kind of key");
  }
  throw std::runtime_error(certificate.file + ": " + take_error());
}

void trust(SSL_CTX* context, const std::string& pem, const std::string& file) {
  for (const X509Ptr& one : parse_certificates(pem, file)) {
    require(::X509_STORE_add_cert(::SSL_CTX_get_cert_store(context), one.get()) == 1 &&
                ::SSL_CTX_add_client_CA(context, one.get()) == 1,
            file);
  }
}

int verify_mode(SiteConfig::ClientAuth wanted) {
  switch (wanted) {
    case SiteConfig::ClientAuth::kNone: return SSL_VERIFY_NONE;
    case SiteConfig::ClientAuth::kOptional: return SSL_VERIFY_PEER;
    case SiteConfig::ClientAuth::kRequire: return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  std::abort();
}

// A session is resumed only where this is the same: at the same site, with the same rules for client certificates.
void set_session_context(SSL_CTX* context, const SiteConfig& site, const std::string& client_ca) {
  std::string rules = std::to_string(static_cast<int>(site.client_auth)) + '\n' + client_ca + '\n';
  for (const std::string& host : site.hosts) rules += host + '\n';
  std::array<unsigned char, SSL_MAX_SID_CTX_LENGTH> digest{};
  static_assert(SSL_MAX_SID_CTX_LENGTH == SHA256_DIGEST_LENGTH);
  unsigned size = 0;
  require(::EVP_Digest(rules.data(), rules.size(), digest.data(), &size, ::EVP_sha256(), nullptr) == 1 &&
              ::SSL_CTX_set_session_id_context(context, digest.data(), size) == 1,
          "session context");
}

}  // namespace

Conversation::~Conversation() {
  ::OPENSSL_cleanse(client_secret.data(), client_secret.size());
  ::OPENSSL_cleanse(server_secret.data(), server_secret.size());
}

Credentials::Credentials(const Config& config, const TicketKeys* tickets)
    : tickets_(config.tls.session_tickets ? tickets : nullptr),
      refuse_unknown_names_(config.tls.unknown_name == TlsConfig::UnknownName::kRefuse),
      ticket_cipher_(::EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)) {
  install_random();
  for (const SiteConfig& site : config.sites) {
    if (!site.certificates.empty()) add_site(site, config.tls);
  }
  if (sites_.empty()) throw std::runtime_error(config.file + ": no site has a certificate");
  if (default_ == nullptr) default_ = sites_.front().get();
}

void Credentials::add_site(const SiteConfig& config, const TlsConfig& tls) {
  auto site = std::make_unique<Site>();
  site->context = make_context(tls);
  for (const CertificateConfig& one : config.certificates) {
    site->certificates.push_back(Certificate::load(one));
    use(site->context.get(), site->certificates.back());
  }
  site->verify_mode = verify_mode(config.client_auth);
  std::string client_ca;
  if (site->verify_mode != SSL_VERIFY_NONE) {
    client_ca = read_small_file(config.client_ca);
    trust(site->context.get(), client_ca, config.client_ca);
  }
  set_session_context(site->context.get(), config, client_ca);
  for (const std::string& host : config.hosts) by_host_.add(host, site.get());
  if (config.hosts.empty()) default_ = site.get();
  sites_.push_back(std::move(site));
}

SslContextPtr Credentials::make_context(const TlsConfig& config) {
  SslContextPtr made(::SSL_CTX_new(::TLS_server_method()));
  SSL_CTX* context = made.get();
  require(context != nullptr, "SSL_CTX_new");
  const int lowest = config.tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  const int highest = config.tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  if (lowest > highest) throw std::runtime_error("TLS: neither version 1.2 nor 1.3 is on");
  require(SSL_CTX_set_min_proto_version(context, lowest) == 1 &&
              SSL_CTX_set_max_proto_version(context, highest) == 1,
          "TLS versions");
  const auto set = [context](auto setter, const char* name, const std::string& text, const char* other) {
    require(setter(context, or_default(text, other)) == 1, std::string("TLS ") + name + " '" + text + "'");
  };
  set(::SSL_CTX_set_cipher_list, "ciphers", config.ciphers, kCiphers);
  set(::SSL_CTX_set_ciphersuites, "suites", config.suites, kSuites);
  set([](SSL_CTX* one, const char* groups) { return SSL_CTX_set1_groups_list(one, groups); }, "groups",
      config.groups, kGroups);
  require_allowed(context);
  ::SSL_CTX_set_options(context, kOptions | (tickets_ == nullptr ? SSL_OP_NO_TICKET : 0));
  if (tickets_ == nullptr) ::SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_max_early_data(context, 0);
  Callbacks::install(context, *this, tickets_ != nullptr);
  return made;
}

void Credentials::require_valid(std::int64_t now) const {
  for (const auto& site : sites_) {
    for (const Certificate& one : site->certificates) {
      if (now < unix_time(*::X509_get0_notBefore(one.leaf.get()))) {
        throw std::runtime_error(one.file + ": the certificate is not valid yet");
      }
      if (now > unix_time(*::X509_get0_notAfter(one.leaf.get()))) {
        throw std::runtime_error(one.file + ": the certificate has expired");
      }
    }
  }
}

SslPtr Credentials::connect(Conversation& conversation) const {
  SslPtr ssl(::SSL_new(default_->context.get()));
  if (!ssl) return ssl;
  SSL_set_app_data(ssl.get(), &conversation);
  ::X509_VERIFY_PARAM_set_time(::SSL_get0_param(ssl.get()), conversation.now);
  ::SSL_set_accept_state(ssl.get());
  return ssl;
}

}  // namespace baton::tls
