#include "worker/tls/callbacks.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "common/http/chars.h"

namespace baton::tls {

namespace {

// The protocols spoken over TLS (RFC 7301), the preferred one first, each behind its length.
constexpr std::string_view kProtocols = "\x08http/1.1";

// Far beyond any replay: OpenSSL's own clock shall never be what makes a session too old.
constexpr long kNever = 30L * 24 * 3'600;

Conversation& conversation_of(const SSL* ssl) {
  return *static_cast<Conversation*>(SSL_get_app_data(ssl));
}

// Takes `bytes` bytes (1 or 2) of a number off the front.
std::optional<std::size_t> take_number(std::string_view& from, std::size_t bytes) {
  if (from.size() < bytes) return {};
  std::size_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(from[i]);
  from.remove_prefix(bytes);
  return value;
}

// The host_name of a server_name extension (RFC 6066 3). Empty if there is none, or if the extension is damaged: then
// OpenSSL ends the handshake when it comes to read it.
std::string_view host_name(SSL* ssl) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (::SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1) return {};
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto list = take_number(rest, 2);
  const auto type = take_number(rest, 1);
  const auto length = take_number(rest, 2);
  if (!list || type != TLSEXT_NAMETYPE_host_name || !length || *length > rest.size()) return {};
  return rest.substr(0, *length);
}

// SSL_CTX_set_tlsext_servername_callback() and SSL_CTX_set_tlsext_status_cb() are macros with a cast of C's kind.
template <typename Function>
void set_callback(SSL_CTX* context, int which, Function* function) {
  ::SSL_CTX_callback_ctrl(context, which, reinterpret_cast<void (*)()>(function));
}

int nibble(char c) {
  return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

}  // namespace

void Callbacks::install(SSL_CTX* context, const Credentials& credentials, bool tickets) {
  void* const self = const_cast<Credentials*>(&credentials);  // OpenSSL's type; only read
  SSL_CTX_set_app_data(context, self);
  ::SSL_CTX_set_client_hello_cb(context, choose_site, self);
  set_callback(context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB, confirm_name);
  SSL_CTX_set_tlsext_servername_arg(context, self);
  ::SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  set_callback(context, SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB, staple);
  SSL_CTX_set_tlsext_status_arg(context, self);
  ::SSL_CTX_set_keylog_callback(context, note_secret);
  ::SSL_CTX_set_info_callback(context, note_alert);
  if (!tickets) return;
  ::SSL_CTX_set_tlsext_ticket_key_evp_cb(context, use_ticket_key);
  ::SSL_CTX_set_session_ticket_cb(context, date_ticket, judge_ticket, nullptr);
}

// This comes before OpenSSL looks at a ticket. So a ticket is judged by the rules of the site that the client names now
// (session_id_context), never by those of the default site. For a second ClientHello, it is called again.
int Callbacks::choose_site(SSL* ssl, int* alert, void* credentials) {
  const auto& self = *static_cast<const Credentials*>(credentials);
  const std::string_view name = host_name(ssl);
  conversation_of(ssl).server_name = http::lower_case(name);
  const Credentials::Site* site = self.default_;
  if (!name.empty()) {
    if (const auto* found = self.by_host_.find(name); found != nullptr) {
      site = *found;
    } else if (self.refuse_unknown_names_) {
      *alert = SSL_AD_UNRECOGNIZED_NAME;
      return SSL_CLIENT_HELLO_ERROR;
    }
  }
  ::SSL_set_SSL_CTX(ssl, site->context.get());  // also its session_id_context
  ::SSL_set_verify(ssl, site->verify_mode, nullptr);
  return SSL_CLIENT_HELLO_SUCCESS;
}

int Callbacks::confirm_name(SSL* ssl, int* /*alert*/, void* credentials) {
  const auto& self = *static_cast<const Credentials*>(credentials);
  const bool known = self.by_host_.find(conversation_of(ssl).server_name) != nullptr;
  return known ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

int Callbacks::choose_protocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                               const unsigned char* in, unsigned in_size, void* /*unused*/) {
  std::string_view ours = kProtocols;
  while (const auto size = take_number(ours, 1)) {
    const std::string_view wanted = ours.substr(0, *size);
    ours.remove_prefix(*size);
    std::string_view theirs(reinterpret_cast<const char*>(in), in_size);
    while (const auto length = take_number(theirs, 1)) {
      const std::string_view one = theirs.substr(0, *length);
      if (one == wanted) {
        *out = reinterpret_cast<const unsigned char*>(one.data());
        *out_size = static_cast<unsigned char>(one.size());
        return SSL_TLSEXT_ERR_OK;
      }
      theirs.remove_prefix(one.size());
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;  // no_application_protocol
}

int Callbacks::staple(SSL* ssl, void* credentials) {
  const auto& self = *static_cast<const Credentials*>(credentials);
  const X509* chosen = ::SSL_get_certificate(ssl);
  for (const auto& site : self.sites_) {
    for (const Certificate& one : site->certificates) {
      if (one.leaf.get() != chosen || one.staple.empty()) continue;
      if (conversation_of(ssl).now >= one.staple_expires) return SSL_TLSEXT_ERR_NOACK;
      auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(one.staple.data(), one.staple.size()));
      if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
      SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(one.staple.size()));
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_NOACK;
}

// Returns as OpenSSL wants it: -1 error, 0 no such key, 1 use the ticket, 2 use it and send a new one.
int Callbacks::use_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                              EVP_MAC_CTX* mac, int encrypt) {
  const auto& self = *static_cast<const Credentials*>(SSL_CTX_get_app_data(::SSL_get_SSL_CTX(ssl)));
  const std::uint64_t generation = conversation_of(ssl).ticket_generation;
  std::optional<TicketKeys::Found> key;
  if (encrypt != 0) {
    key = self.tickets_->current(generation);
    std::copy(std::begin(key->set.name), std::end(key->set.name), name);
    if (::RAND_bytes(iv, 16) != 1) return -1;
  } else {
    key = self.tickets_->find(generation, std::span<const std::uint8_t, 16>(name, 16));
    if (!key) return 0;
  }
  char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 3> params{
      ::OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->set.hmac, sizeof key->set.hmac),
      ::OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), ::OSSL_PARAM_construct_end()};
  const bool ready =
      ::EVP_CipherInit_ex2(cipher, self.ticket_cipher_.get(), key->set.aes, iv, encrypt, nullptr) == 1 &&
      ::EVP_MAC_CTX_set_params(mac, params.data()) == 1;
  const bool current = key->current;
  ::OPENSSL_cleanse(&*key, sizeof *key);
  if (!ready) return -1;
  // With 1.3 a client uses a ticket once. With 1 it would get no new one.
  return encrypt == 0 && (!current || ::SSL_version(ssl) == TLS1_3_VERSION) ? 2 : 1;
}

// Before a ticket is encrypted. OpenSSL has put the time of its clock in it, which a replay would not put there. A 1.2
// session that is resumed keeps the time at which it began.
int Callbacks::date_ticket(SSL* ssl, void* /*unused*/) {
  SSL_SESSION* session = ::SSL_get_session(ssl);
  if (::SSL_version(ssl) == TLS1_3_VERSION || ::SSL_session_reused(ssl) == 0) {
    ::SSL_SESSION_set_time(session, conversation_of(ssl).now);
  }
  ::SSL_SESSION_set_timeout(session, kTicketLifetimeSeconds);
  return 1;
}

// Before OpenSSL compares a ticket's age with its clock. The handshake's own time decides instead.
SSL_TICKET_RETURN Callbacks::judge_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char* /*name*/,
                                          std::size_t /*name_size*/, SSL_TICKET_STATUS status,
                                          void* /*unused*/) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  const std::int64_t age = conversation_of(ssl).now - ::SSL_SESSION_get_time(session);
  if (age > kTicketLifetimeSeconds) return SSL_TICKET_RETURN_IGNORE_RENEW;
  ::SSL_SESSION_set_timeout(session, kNever);
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

// A line is "LABEL client_random secret", the latter two in hexadecimal digits (NSS key log format).
void Callbacks::note_secret(const SSL* ssl, const char* line) {
  const std::string_view text = line;
  Conversation& conversation = conversation_of(ssl);
  std::vector<std::uint8_t>* secret = nullptr;
  if (text.starts_with("CLIENT_TRAFFIC_SECRET_0 ")) secret = &conversation.client_secret;
  if (text.starts_with("SERVER_TRAFFIC_SECRET_0 ")) secret = &conversation.server_secret;
  if (secret == nullptr) return;
  const std::string_view digits = text.substr(text.rfind(' ') + 1);
  secret->clear();
  secret->reserve(digits.size() / 2);
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    secret->push_back(static_cast<std::uint8_t>(nibble(digits[i]) << 4 | nibble(digits[i + 1])));
  }
}

void Callbacks::note_alert(const SSL* ssl, int where, int value) {
  if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT) conversation_of(ssl).alert = value & 0xff;
}

}  // namespace baton::tls
