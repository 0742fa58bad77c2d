// The configuration: what a file may contain, the defaults, and how errors in a file are reported.
// conf/baton.toml shows every option with its default. Relative paths start in the file's folder.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/base/limits.h"
#include "common/base/privileges.h"

namespace baton {

// In the file a Duration is "500ms", "10s", "2m" or "1h", from 1ms to 24h.

constexpr std::uint32_t kMaxConnections = 1'000'000;
constexpr std::uint32_t kMaxReserve = 1'000;
constexpr std::uint32_t kMaxRetries = 10;
constexpr std::uint32_t kMaxHeaderFields = 1'000;  // a search for one field goes over all of them
constexpr std::uint64_t kMaxBodyBytes = std::uint64_t{1} << 40;

struct ServerConfig {
  std::string name = "baton";  // shown by batonctl and in logs; [A-Za-z0-9._-]{1,63}
  std::uint32_t workers = 0;   // 1..kMaxWorkersPerGeneration; load_config() resolves "auto" (the CPU count)
  std::uint32_t max_connections = 10'000;  // 1..kMaxConnections
  Account account;                         // `user` and `group`; load_config() resolves the numbers
  std::string pid_file;                    // empty: none; otherwise absolute
  Duration shutdown_timeout{10'000};       // after SIGTERM: how long requests in hand may take
  std::string spool_dir = "/var/tmp";      // absolute; for bodies above limits.spool_memory
};

struct LogConfig {
  enum class AccessFormat : std::uint8_t { kCombined, kJson };
  std::string error = "stderr";  // "stderr" or an absolute path
  std::string level = "info";    // trace, debug, info, warn, error
  std::string access = "off";    // "off", "stdout" or an absolute path
  AccessFormat access_format = AccessFormat::kCombined;
};

struct TimeoutConfig {
  Duration header{10'000};      // from the first byte of a request head to its last, however the bytes arrive
  Duration keep_alive{60'000};  // idle between requests
  Duration body{30'000};        // without enough progress of a request body
  Duration send{30'000};        // without enough progress of a response
  Duration handler{30'000};     // one run of a module's handler
};

struct LimitConfig {
  std::uint32_t header_bytes = 16'384;   // request line and all fields; 1,024..65,536
  std::uint32_t header_fields = 100;     // more: 431; 1..kMaxHeaderFields
  std::uint64_t body_bytes = 1'048'576;  // more: 413; 0..1 TiB
  // A larger body, of a request for a module or of a module's response, goes to a file in server.spool_dir.
  // In bytes; 0..1 GiB.
  std::uint64_t spool_memory = 64 << 10;
  // The limits for all such bodies together, and for the heads and responses that wait with them; 0..1 PiB.
  // Above spool_memory_total they go to files. Above spool_disk_total requests get 503. Nothing: see
  // master/spool_limits.h.
  std::optional<std::uint64_t> spool_memory_total;
  std::optional<std::uint64_t> spool_disk_total;
  // How many bytes are kept for a client that takes less than is streamed to it. At this limit its handler
  // waits. 64 KiB..1 TiB.
  std::uint64_t stream_backlog = 64 << 20;
  std::uint32_t requests_per_connection = 0;  // 0: no limit
  std::uint64_t requests_per_worker = 0;      // 0: no limit; a worker that reaches it is replaced
  std::uint64_t worker_memory = 0;            // bytes resident, 1 MiB..1 TiB; 0: no limit
  std::uint32_t connections_per_address = 0;  // 0: no limit; 1..kMaxConnections; IPv6 by /64
  // How many workers slow handlers may occupy; a handler counts as slow until it is known to be quick.
  // 1..kMaxWorkersPerGeneration. Nothing: see module_workers().
  std::optional<std::uint32_t> module_workers;
  std::uint32_t retries = 1;  // for an idempotent request whose worker died; 0..kMaxRetries
};

// What TLS listeners speak. The defaults are the profile "intermediate" of Mozilla's guidelines, version 5.7
// (https://ssl-config.mozilla.org/guidelines/5.7.json), without its three ciphers with DHE.
struct TlsConfig {
  enum class UnknownName : std::uint8_t { kDefault, kRefuse };

  static constexpr std::uint32_t kMostHandshakes = 100'000;

  bool tls12 = true;  // of `versions`; at least one of the two
  bool tls13 = true;
  // For 1.2, as SSL_CTX_set_cipher_list(3) takes it: AEADs with ECDHE only. Not empty if `tls12`.
  std::string ciphers =
      "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
      "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
  // For 1.3, as SSL_CTX_set_ciphersuites(3) takes it. Not empty if `tls13`.
  std::string suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
  std::string groups = "X25519:P-256:P-384";  // as SSL_CTX_set1_groups_list(3) takes it; not empty
  bool session_tickets = true;
  // Processes that do handshakes, where a listener has TLS: 1..kMaxKeyholders. load_config() resolves "auto".
  std::uint32_t keyholders = 0;
  // How many handshakes may be under way at a time, in all: 1..kMostHandshakes. load_config() resolves "auto".
  std::uint32_t handshakes = 0;
  // A client that names no site: the default site's certificate, or the alert unrecognized_name.
  UnknownName unknown_name = UnknownName::kDefault;
};

// A certificate and its key. A site may have several, of different kinds (ECDSA and RSA).
struct CertificateConfig {
  std::string chain;                   // absolute; PEM, the site's own certificate first
  std::string key;                     // absolute; PEM
  std::string ocsp;                    // absolute; an OCSP response to staple, DER; empty: none
  std::uint32_t line = 0, column = 0;  // its place in the file
};

struct ListenConfig {
  Address address;
  std::string text;           // as written
  int backlog = 511;          // 1..65,535; the kernel caps it at net.core.somaxconn
  std::uint32_t reserve = 0;  // how many connections it may have beyond max_connections; 0..kMaxReserve
  bool tls = false;
  bool redirect_to_https = false;      // answers every request with a redirect, except ACME challenges
  std::uint32_t line = 0, column = 0;  // its place in the file, for messages about bind()
};

struct HeaderLine {
  std::string name;
  std::string value;
};

// The part of the request's path after the route's path is looked up below the root. With "/files/" and the
// root /srv/pub, /files/a.txt is /srv/pub/a.txt.
struct StaticConfig {
  std::string root;                              // absolute; an existing directory
  std::vector<std::string> index{"index.html"};  // tried in order for a path that ends in '/'
  bool listing = false;
  std::string cache_control;   // empty: no Cache-Control field
  bool precompressed = false;  // look for .br and .gz siblings
  // Served with 200 where nothing is found: a path below the root, without a leading slash. Empty: 404.
  std::string fallback;
};

struct RedirectConfig {
  std::string to;    // a path or http(s) URI with {host}, {authority} and {uri} (docs/serving.md)
  int status = 302;  // 301, 302, 303, 307 or 308

  // Whether it leads to the host that the request names.
  [[nodiscard]] bool needs_host() const {
    return to.find("{host}") != std::string::npos || to.find("{authority}") != std::string::npos;
  }
};

struct RespondConfig {
  int status = 200;  // 200..599
  std::string body;
  std::string type = "text/plain; charset=utf-8";
};

struct StatusConfig {};  // status = true: the statistics as JSON or a page

// A handler module (sdk/baton/abi.h). What one of its handlers declares for itself takes precedence over
// these values.
struct ModuleConfig {
  std::string file;                       // absolute; an existing regular file
  std::string config = "{}";              // passed to the module, as JSON
  std::optional<Duration> timeout;        // for one run of a handler; nothing: timeouts.handler
  std::optional<std::uint64_t> max_body;  // nothing: limits.body_bytes
  std::uint32_t max_concurrency = 0;      // workers in one handler at a time, 0..64; 0: no limit
  std::optional<std::uint32_t> retries;   // nothing: limits.retries
};

struct RouteConfig {
  std::string path;  // a prefix of whole segments: "/a" and "/a/" match /a, /a/ and /a/b, never /ab
  std::variant<StaticConfig, RedirectConfig, RespondConfig, StatusConfig, ModuleConfig> action;
  std::vector<HeaderLine> headers;  // in file order; added to every response of the route, errors included
  std::vector<Network> allow;       // empty: everybody
  std::vector<Network> deny;        // wins over allow
};

struct SiteConfig {
  enum class ClientAuth : std::uint8_t { kNone, kOptional, kRequire };

  std::vector<std::string> hosts;   // lower case; "*.example.org": any deeper name; empty: the default site
  std::vector<RouteConfig> routes;  // the longest matching path wins; no two match the same requests
  std::vector<CertificateConfig> certificates;  // at least one if a listener has TLS
  std::string client_ca;                        // absolute; PEM: whose certificates clients may have
  ClientAuth client_auth = ClientAuth::kNone;
  bool redirect_to_https = false;      // as for a listener, for requests without TLS
  std::uint32_t line = 0, column = 0;  // its place in the file
};

// A dictionary that the handlers of all workers share (common/dict/shared_dict.h).
struct DictConfig {
  static constexpr std::size_t kMost = 64;
  static constexpr std::int64_t kMinBytes = 64 << 10;
  static constexpr std::int64_t kMaxBytes = std::int64_t{4} << 30;

  std::string name;         // [A-Za-z0-9._-]{1,63}, no two alike
  std::uint64_t bytes = 0;  // of its memory, kMinBytes..kMaxBytes
};

struct Config {
  std::string file;  // absolute path of the file
  ServerConfig server;
  LogConfig log;
  TimeoutConfig timeouts;
  LimitConfig limits;
  std::vector<ListenConfig> listen;  // at least one
  std::vector<SiteConfig> sites;     // at least one
  std::vector<DictConfig> dicts;
  TlsConfig tls;

  [[nodiscard]] bool any_tls() const {
    return std::any_of(listen.begin(), listen.end(), [](const ListenConfig& one) { return one.tls; });
  }
  // Where `redirect_to_https` leads: 443 if a listener with TLS has that port, else the first one's port. 0: no
  // listener has TLS, or the kernel is to choose its port.
  [[nodiscard]] std::uint16_t https_port() const;
};

// max_connections and the largest reserve of a listener together.
std::uint32_t most_connections(const Config& config);

// limits.module_workers, but at most all workers. If it is not set: all workers except one, or the only
// one.
std::uint32_t module_workers(const Config& config);

struct ConfigError {
  std::string file;
  std::uint32_t line = 0;  // 1-based; 0: the whole file (it cannot be read)
  std::uint32_t column = 0;
  std::string message;  // what is wrong, what was expected

  [[nodiscard]] std::string to_string() const;  // "file:line:column: message"
};

// One error per line.
std::string join_errors(const std::vector<ConfigError>& errors);

struct ConfigResult {
  std::optional<Config> config;     // set exactly when errors is empty
  std::vector<ConfigError> errors;  // every error in the file, in file order
};

// Reads and validates `file` (at most 1 MiB). Opens nothing except this file. Checks that roots and parent
// folders exist, that files of TLS are files, and that user and group are known. Throws nothing.
ConfigResult load_config(const std::string& file);

}  // namespace baton
