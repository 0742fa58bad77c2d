// The sites' certificates and keys, and the rules by which their handshakes go.
//
// For keyholder processes only: a process that has one of these has private keys in its memory.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/config.h"
#include "common/config/host_table.h"
#include "common/shared/ticket_keys.h"
#include "worker/tls/certificate.h"
#include "worker/tls/openssl.h"

namespace baton::tls {

// One handshake, as OpenSSL's callbacks see it: what they go by, and what they find out. It belongs to the one who
// makes the SSL object and must outlive that.
struct Conversation {
  std::int64_t now = 0;                 // seconds since 1970: the handshake's time, the same in a replay
  std::uint64_t ticket_generation = 0;  // TicketKeys::generation(), likewise

  std::string server_name;                  // what the client asked for, in lower case; empty: it named none
  int alert = -1;                           // that was sent (RFC 8446 6.2); -1: none
  std::vector<std::uint8_t> client_secret;  // 1.3: the first traffic secrets of application data
  std::vector<std::uint8_t> server_secret;

  Conversation() = default;
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  ~Conversation();  // wipes the secrets
};

class Credentials {
 public:
  // Reads all certificates and keys, and calls install_random(). `tickets` must outlive this; it may be null if
  // TlsConfig::session_tickets is off. Throws std::runtime_error that names file and reason. A certificate that has
  // expired is taken: a keyholder that takes the place of one that died has to be able to start.
  Credentials(const Config& config, const TicketKeys* tickets);
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  // For the start and for a reload: throws std::runtime_error that names a certificate which is not valid at `now`, in
  // seconds since 1970.
  void require_valid(std::int64_t now) const;

  // A server's SSL object without BIOs. The conversation's time and ticket generation are set.
  [[nodiscard]] SslPtr connect(Conversation& conversation) const;

  // TicketKeys::generation(), or 0 without tickets.
  [[nodiscard]] std::uint64_t ticket_generation() const {
    return tickets_ != nullptr ? tickets_->generation() : 0;
  }

 private:
  struct Site {
    SslContextPtr context;
    int verify_mode = SSL_VERIFY_NONE;
    std::vector<Certificate> certificates;
  };
  friend struct Callbacks;

  [[nodiscard]] SslContextPtr make_context(const TlsConfig& config);
  void add_site(const SiteConfig& config, const TlsConfig& tls);

  const TicketKeys* tickets_;
  bool refuse_unknown_names_;
  std::vector<std::unique_ptr<Site>> sites_;
  HostTable<const Site*> by_host_;
  const Site* default_ = nullptr;
  CipherPtr ticket_cipher_;  // OpenSSL would look it up by name each time
};

}  // namespace baton::tls
