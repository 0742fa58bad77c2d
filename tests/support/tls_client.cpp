#include "tests/support/tls_client.h"

#include <openssl/err.h>

#include <stdexcept>

namespace baton::test {

namespace {

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(std::string("TLS client: ") + what);
}

std::string alpn_list(const std::vector<std::string>& protocols) {
  std::string list;
  for (const std::string& one : protocols) {
    list += static_cast<char>(one.size());
    list += one;
  }
  return list;
}

const unsigned char* bytes_of(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

TlsClient::TlsClient(const Options& options)
    : context_(::SSL_CTX_new(::TLS_client_method()), ::SSL_CTX_free),
      ssl_(nullptr, ::SSL_free),
      early_data_(options.early_data) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, options.min_version);
  SSL_CTX_set_max_proto_version(context, options.max_version);
  if (!options.ciphers.empty())
    require(::SSL_CTX_set_cipher_list(context, options.ciphers.c_str()) == 1, "ciphers");
  if (!options.suites.empty())
    require(::SSL_CTX_set_ciphersuites(context, options.suites.c_str()) == 1, "suites");
  if (!options.groups.empty())
    require(SSL_CTX_set1_groups_list(context, options.groups.c_str()) == 1, "groups");
  if (!options.certificate.empty()) {
    require(::SSL_CTX_use_certificate_chain_file(context, options.certificate.c_str()) == 1 &&
                ::SSL_CTX_use_PrivateKey_file(context, options.key.c_str(), SSL_FILETYPE_PEM) == 1,
            "certificate");
  }
  if (!options.ca.empty()) {
    require(::SSL_CTX_load_verify_file(context, options.ca.c_str()) == 1, "ca");
    ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  ::SSL_CTX_sess_set_new_cb(context, keep_session);
  ssl_.reset(::SSL_new(context));
  SSL* ssl = ssl_.get();
  SSL_set_app_data(ssl, this);
  if (!options.server_name.empty()) {
    // SSL_set_tlsext_host_name() is a macro with a cast of C's kind. The name is only read.
    ::SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
               const_cast<char*>(options.server_name.c_str()));
    if (!options.ca.empty()) ::SSL_set1_host(ssl, options.server_name.c_str());
  }
  const std::string protocols = alpn_list(options.protocols);
  if (!protocols.empty())
    ::SSL_set_alpn_protos(ssl, bytes_of(protocols), static_cast<unsigned>(protocols.size()));
  if (options.max_fragment != 0) {
    ::SSL_set_tlsext_max_fragment_length(ssl, static_cast<std::uint8_t>(options.max_fragment));
  }
  if (options.wants_staple) SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
  if (options.session) {
    // OpenSSL drops a session of 1.3 once it was used.
    const SessionPtr copy(::SSL_SESSION_dup(options.session.get()), ::SSL_SESSION_free);
    if (!early_data_.empty()) ::SSL_SESSION_set_max_early_data(copy.get(), 16'384);
    ::SSL_set_session(ssl, copy.get());
  }
  BIO* in = ::BIO_new(::BIO_s_mem());
  BIO_set_mem_eof_return(in, -1);
  ::SSL_set_bio(ssl, in, ::BIO_new(::BIO_s_mem()));
  ::SSL_set_connect_state(ssl);
}

TlsClient::~TlsClient() {
  // Otherwise OpenSSL takes the connection for a broken one, and would not offer its session again.
  ::SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

int TlsClient::keep_session(SSL* ssl, SSL_SESSION* session) {
  static_cast<TlsClient*>(SSL_get_app_data(ssl))->sessions_.emplace_back(session, ::SSL_SESSION_free);
  return 1;
}

void TlsClient::note_error() {
  const char* reason = ::ERR_reason_error_string(::ERR_peek_last_error());
  error_ = reason != nullptr ? reason : "closed";
  ::ERR_clear_error();
}

TlsClient::State TlsClient::advance() {
  if (state_ != State::kHandshaking) return state_;
  ::ERR_clear_error();
  if (!early_data_.empty()) {
    std::size_t sent = 0;
    ::SSL_write_early_data(ssl_.get(), early_data_.data(), early_data_.size(), &sent);
    early_data_.clear();
    return state_;
  }
  const int result = ::SSL_do_handshake(ssl_.get());
  if (result == 1) return state_ = State::kOpen;
  if (::SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return state_;
  note_error();
  return state_ = State::kFailed;
}

void TlsClient::give(std::string_view from_server) {
  if (from_server.empty()) return;
  ::BIO_write(::SSL_get_rbio(ssl_.get()), from_server.data(), static_cast<int>(from_server.size()));
}

std::string TlsClient::take() {
  BIO* out = ::SSL_get_wbio(ssl_.get());
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out, &bytes);
  std::string taken(bytes, static_cast<std::size_t>(size));
  static_cast<void>(BIO_reset(out));
  return taken;
}

bool TlsClient::write(std::string_view plain) {
  ::ERR_clear_error();
  if (::SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size())) == static_cast<int>(plain.size()))
    return true;
  note_error();
  return false;
}

std::string TlsClient::read() {
  std::string plain;
  char buffer[16'384];
  for (;;) {
    ::ERR_clear_error();
    const int n = ::SSL_read(ssl_.get(), buffer, sizeof buffer);
    if (n > 0) {
      plain.append(buffer, static_cast<std::size_t>(n));
      continue;
    }
    if (::SSL_get_error(ssl_.get(), n) != SSL_ERROR_WANT_READ) note_error();
    return plain;
  }
}

std::string TlsClient::server_subject() const {
  X509* certificate = ::SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr) return {};
  char name[256] = {};
  ::X509_NAME_get_text_by_NID(::X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  return name;
}

std::string TlsClient::staple() const {
  const unsigned char* response = nullptr;
  const long size = SSL_get_tlsext_status_ocsp_resp(ssl_.get(), &response);
  return size > 0 ? std::string(reinterpret_cast<const char*>(response), static_cast<std::size_t>(size))
                  : std::string{};
}

std::string TlsClient::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  ::SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

}  // namespace baton::test
