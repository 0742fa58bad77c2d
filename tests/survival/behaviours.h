// What a client does while its worker is killed, and whether it got what was due: the columns of the table in
// docs/survival.md.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/support/server.h"

namespace baton::test {

// The site that the behaviours need, with a TCP listener (0), a Unix one (1) and one with TLS (2), two workers, two
// keyholders and an access log.
class SurvivalSite {
 public:
  static constexpr std::uint64_t kBigBytes = 20U << 20;
  static constexpr std::uint64_t kFileBytes = 100'000;
  static constexpr std::uint64_t kSmallBytes = 3'000;
  // Idle connections that the test keeps open beside the behaviour's own.
  static constexpr std::size_t kNeighbours = 3;

  SurvivalSite();
  SurvivalSite(const SurvivalSite&) = delete;
  SurvivalSite& operator=(const SurvivalSite&) = delete;

  [[nodiscard]] const TempDir& folder() const { return folder_; }
  [[nodiscard]] std::string config() const;
  // The target of a small file that no request has asked for yet.
  [[nodiscard]] std::string fresh_file() const;
  // Points the root of /moving/ at another folder; what /moving/version answers there.
  std::string move_root() const;
  // A query that no other request has: the request's line in the access log is known by it.
  [[nodiscard]] static std::string unique_query();

 private:
  TempDir folder_;
};

// What came of it.
struct Seen {
  bool cut = false;                  // the server ended the connection before everything due had come
  int failed = 0;                    // answers 500 or 504 instead of the one due
  std::vector<std::string> targets;  // those that were answered
};

// One client's doings on a connection of its own; `arm` is called when the connection is where its next step
// is to be the fatal one. Bytes that are not those due fail the test, but not a connection that ends too
// early.
struct Behaviour {
  const char* name;
  std::size_t listener;
  Seen (*run)(const Server&, const SurvivalSite&, std::size_t listener, const std::function<void()>& arm);
};

// All of them, by name: "kept", "fresh", "together", "file", "uncached", "moved", "head", "pipelined",
// "halves", "download", "ranges", "listing", "put", "chunked", "post", "closing", "refused", and of a module
// "module", "module-put", "module-chunked", "module-post", "module-large", "module-stream", "module-late";
// each also with "-unix" and "-tls". With "-tls" only: "expect", "key-update", "record-halves".
const std::vector<Behaviour>& behaviours();

}  // namespace baton::test
