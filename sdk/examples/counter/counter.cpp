// counter: what several workers count together, in a SharedDict. The numbers outlive workers, reloads and
// upgrades, but not a restart of the server.
//
//     curl http://127.0.0.1:8080/                        how often this was asked for, and by which worker
//     curl -X POST "http://127.0.0.1:8080/apples?by=3"   counts
//     curl http://127.0.0.1:8080/apples                  404 until somebody has counted
//     curl -X DELETE http://127.0.0.1:8080/apples
//     curl -c jar -b jar http://127.0.0.1:8080/session   a session of this client's own, for half an hour
#include <baton/module.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

using baton::Request;
using baton::Response;
using baton::SharedDict;

namespace {

constexpr std::string_view kCookie = "counter_session";
constexpr std::size_t kIdBytes = 16;

std::string key(const Request& q) {
  const std::string_view name = q.param("name");
  if (name.size() > 64) throw baton::HttpError(422, "a counter's name has up to 64 bytes");
  return "counter:" + std::string(name);
}

// 128 bits that nobody can guess, in hexadecimal.
std::string new_session_id() {
  std::array<unsigned char, kIdBytes> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id;
  for (const unsigned char byte : bytes) {
    id += kDigits[byte >> 4];
    id += kDigits[byte & 15];
  }
  return id;
}

}  // namespace

BATON_MODULE(m) {
  auto dict = std::make_shared<SharedDict>();
  m.on_worker_start(
      [dict](const baton::Config& c) { *dict = SharedDict::open(c.string("dict", "counters")); });

  m.get("/", [dict](const Request&, Response& r) {
    r.json({{"visits", dict->increment("visits")}, {"worker", getpid()}, {"entries", dict->count()}});
  });

  // A visitor without a session gets one; only ids that we gave out are sessions.
  m.get("/session", [dict](const Request& q, Response& r) {
    std::string id(q.cookie(kCookie).value_or(""));
    if (id.size() != kIdBytes * 2 || !dict->get("session:" + id)) {
      id = new_session_id();
      dict->set("session:" + id, "0", 30min);
      r.set_cookie(kCookie, id, {.max_age = 30min});
    }
    r.json({{"visits", dict->increment("session:" + id, 1, 0, 30min)}});
  });

  m.get("/:name", [dict](const Request& q, Response& r) {
    const auto value = dict->get(key(q));
    if (!value) throw baton::HttpError(404, "nobody has counted that yet");
    r.json({{"value", std::stoll(*value)}});
  });

  m.post("/:name", [dict](const Request& q, Response& r) {
    r.json({{"value", dict->increment(key(q), q.query<std::int32_t>("by").value_or(1))}});
  });

  m.del("/:name", [dict](const Request& q, Response& r) {
    if (!dict->remove(key(q))) throw baton::HttpError(404, "nobody has counted that yet");
    r.status(204);
  });
}
