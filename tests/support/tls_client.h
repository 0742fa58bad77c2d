// A TLS client of OpenSSL without a socket: bytes are given to it and taken from it.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace baton::test {

using SessionPtr = std::shared_ptr<SSL_SESSION>;

class TlsClient {
 public:
  // Where a text is empty, OpenSSL's default holds.
  struct Options {
    int min_version = TLS1_2_VERSION;
    int max_version = TLS1_3_VERSION;
    std::string ciphers;  // for 1.2
    std::string suites;   // for 1.3
    std::string groups;   // the first one is that of the key share
    std::string server_name;
    std::vector<std::string> protocols;  // ALPN
    std::string certificate, key;        // files in PEM format
    std::string ca;                      // a file: the server's certificate is checked by it
    int max_fragment = 0;                // TLSEXT_max_fragment_length_512 and so on
    bool wants_staple = false;
    SessionPtr session;      // to resume
    std::string early_data;  // sent whether the session allows it or not
  };
  enum class State { kHandshaking, kOpen, kFailed };

  explicit TlsClient(const Options& options);
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  ~TlsClient();

  // Goes on with the handshake as far as what was given allows.
  State advance();
  [[nodiscard]] State state() const { return state_; }
  void give(std::string_view from_server);
  // What goes to the server, since the last call.
  std::string take();

  // After the handshake. False, or nothing: see error().
  bool write(std::string_view plain);
  // All plaintext of what was given. Takes up tickets and key updates, too.
  std::string read();

  // Of the latest failure; empty: none.
  [[nodiscard]] const std::string& error() const { return error_; }
  // Those for which a ticket came, the latest last. With 1.3, one has to read() first.
  [[nodiscard]] const std::vector<SessionPtr>& sessions() const { return sessions_; }
  // The session as it is now. With 1.2, its ticket may be newer than those in sessions().
  [[nodiscard]] SessionPtr session() const { return {::SSL_get1_session(ssl_.get()), ::SSL_SESSION_free}; }
  [[nodiscard]] bool resumed() const { return ::SSL_session_reused(ssl_.get()) != 0; }
  // The common name in the server's certificate.
  [[nodiscard]] std::string server_subject() const;
  [[nodiscard]] std::string staple() const;
  [[nodiscard]] std::string protocol() const;
  // For what else a test wants to know or do.
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }

 private:
  static int keep_session(SSL* ssl, SSL_SESSION* session);
  void note_error();

  std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&::SSL_free)> ssl_;
  State state_ = State::kHandshaking;
  std::string early_data_;
  std::string error_;
  std::vector<SessionPtr> sessions_;
};

}  // namespace baton::test
