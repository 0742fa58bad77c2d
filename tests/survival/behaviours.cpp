#include "tests/survival/behaviours.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include "tests/support/bulk.h"
#include "tests/support/certificates.h"
#include "tests/support/modules.h"
#include "tests/support/multipart.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"

namespace baton::test {

namespace {

constexpr std::size_t kUploadBytes = 300'000;
constexpr int kListed = 4'000;  // so many names that their page does not fit a socket
constexpr int kPipelined = 12;

const ByteRanges& wide_ranges() {
  static const ByteRanges ranges{{5, 1'300'004}, {4'000'000, 5'299'999}, {9'000'000, 10'299'999}};
  return ranges;
}

using Arm = std::function<void()>;

// One client and what it has seen so far.
class Visit {
 public:
  // `narrow`: the server soon has to wait for this client.
  Visit(const Server& server, std::size_t listener, bool narrow)
      : server_(server),
        client_(narrow && listener != 1 ? connect_narrow(server.port(listener), 1'400, server.host(listener))
                                        : server.connect(listener)) {
    if (narrow && listener == 2) client_ = std::move(client_).over_tls();
  }

  Client& client() { return client_; }
  Seen seen;

  void ask(const std::string& method, const std::string& path, const std::string& fields = "") {
    targets_.push_back(path + SurvivalSite::unique_query());
    client_.send(method + " " + targets_.back() + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
  }

  // The answer to the oldest request that is still open. `right`: whether it is the one due.
  template <typename Right>
  void receive(Right right, bool to_head = false) {
    const std::string target = targets_.at(answered_);
    Response response = client_.receive(to_head);
    while (skip_interim_ && response.status == 100) response = client_.receive(to_head);
    ++answered_;
    seen.targets.push_back(target);
    if (response.status == 500 || response.status == 504) {
      ++seen.failed;
    } else {
      EXPECT_TRUE(right(response)) << target << " got " << response.head;
    }
  }

  // Interim responses that come before the next answer.
  void skip_interim() { skip_interim_ = true; }

  // Until the server has handed the connection back, or ended it.
  void settle() {
    EXPECT_TRUE(wait_until(
        [&] { return count_armed(server_, Phase::kHead) > SurvivalSite::kNeighbours || heard(); }));
  }
  // Until the server waits for the socket to drain, has answered or has ended the connection.
  void await_parked() {
    EXPECT_TRUE(wait_until([&] { return count_armed(server_, Phase::kParked) > 0 || heard(); }));
  }
  // The same for a response that streams: its beginning is heard long before the rest has to wait.
  void await_stream_parked() {
    EXPECT_TRUE(wait_until([&] {
      return count_armed(server_, Phase::kParked) > 0 ||
             count_connections(server_) <= SurvivalSite::kNeighbours;
    }));
  }
  // The same for more of a body. After a death the phase may be that of the head still, which is in the
  // spool.
  void await_body() {
    EXPECT_TRUE(wait_until([&] {
      return armed_slot(
                 [](const Slot& slot) { return slot.phase == Phase::kBody || slot.spool_bytes > 0; }) ||
             heard();
    }));
  }
  // The same for a head of which so many bytes have been sent.
  void await_partial_head(std::size_t bytes) {
    EXPECT_TRUE(wait_until([&] {
      return armed_slot([bytes](const Slot& slot) { return slot.peeked + slot.spool_bytes >= bytes; }) ||
             heard();
    }));
  }

  // Over TLS: the record with the request, which the caller sends.
  std::string sealed(const std::string& method, const std::string& path) {
    targets_.push_back(path + SurvivalSite::unique_query());
    client_.tls().write(method + " " + targets_.back() + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return client_.tls().take();
  }
  // Until the server waits for the rest of a record.
  void await_mark() {
    EXPECT_TRUE(wait_until([&] { return marked_socket() >= 0 || heard(); }));
  }
  // Makes the server's socket readable at any byte, behind its back.
  void lower_mark() {
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, server_.pid(), 0)));
    const UniqueFd socket(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), marked_socket(), 0)));
    const int one = 1;
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one), 0);
  }
  // Until the server has moved what came of the record out of the socket.
  void await_kept() {
    EXPECT_TRUE(wait_until([&] { return has_record_file() || heard(); }));
  }

  // The connection goes on as if nothing had happened.
  void go_on() {
    ask("GET", "/hello");
    receive([](const Response& response) { return response.status == 200 && response.body == "hello"; });
  }

 private:
  template <typename Predicate>
  [[nodiscard]] bool armed_slot(Predicate predicate) const {
    const ConnectionTable table = server_.segment().connections();
    for (int fd = 0; fd <= server_.header().highest_fd.load(); ++fd) {
      if (table.claim(fd).armed() && predicate(table.at(fd))) return true;
    }
    return false;
  }
  // The socket in the server whose SO_RCVLOWAT is more than 1; -1: none.
  [[nodiscard]] int marked_socket() const {
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, server_.pid(), 0)));
    const ConnectionTable table = server_.segment().connections();
    for (int fd = 0; fd <= server_.header().highest_fd.load(); ++fd) {
      if (!table.claim(fd).armed()) continue;
      const UniqueFd socket(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
      int mark = 0;
      socklen_t size = sizeof mark;
      if (::getsockopt(socket.get(), SOL_SOCKET, SO_RCVLOWAT, &mark, &size) == 0 && mark > 1) return fd;
    }
    return -1;
  }
  [[nodiscard]] bool has_record_file() const {
    const auto folder = std::filesystem::path("/proc") / std::to_string(server_.pid()) / "fd";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::error_code closed_meanwhile;
      if (std::filesystem::read_symlink(entry.path(), closed_meanwhile)
              .string()
              .starts_with("/memfd:baton-record"))
        return true;
    }
    return false;
  }
  [[nodiscard]] bool heard() const { return client_.readable_within(std::chrono::milliseconds(0)); }

  const Server& server_;
  Client client_;
  std::vector<std::string> targets_;
  std::size_t answered_ = 0;
  bool skip_interim_ = false;
};

bool is_hello(const Response& response) {
  return response.status == 200 && response.body == "hello";
}

template <std::uint64_t kBytes>
bool is_file(const Response& response) {
  return response.status == 200 && response.body.size() == kBytes && matches_pattern(response.body, 0);
}

template <typename Do>
void note_end(Visit& visit, Do what_it_does) {
  try {
    what_it_does();
  } catch (const std::runtime_error& ended) {
    const std::string what = ended.what();
    EXPECT_NE(what.find("the connection ended"), std::string::npos) << what;
    visit.seen.cut = true;
  }
}

// -- the behaviours

void kept(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("GET", "/hello");
  visit.receive(is_hello);
  visit.go_on();
}

void fresh(Visit& visit, const SurvivalSite&, const Arm&) {
  visit.ask("GET", "/hello");
  visit.receive(is_hello);
  visit.go_on();
}

// Two clients that are there when a worker looks: one burst accepts both.
Seen together(const Server& server, const SurvivalSite&, std::size_t listener, const Arm& arm) {
  std::vector<std::unique_ptr<Visit>> visits;
  {
    std::vector<std::unique_ptr<Stopped>> stopped;
    for (const pid_t worker : server.workers()) stopped.push_back(std::make_unique<Stopped>(worker));
    for (int i = 0; i < 2; ++i) visits.push_back(std::make_unique<Visit>(server, listener, false));
    arm();
  }
  Seen seen;
  for (const auto& visit : visits) {
    note_end(*visit, [&] { visit->go_on(); });
    seen.cut = seen.cut || visit->seen.cut;
    seen.failed += visit->seen.failed;
    seen.targets.insert(seen.targets.end(), visit->seen.targets.begin(), visit->seen.targets.end());
  }
  return seen;
}

void file(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("GET", "/files/file");
  visit.receive(is_file<SurvivalSite::kFileBytes>);
  visit.go_on();
}

void uncached(Visit& visit, const SurvivalSite& site, const Arm& arm) {
  visit.go_on();
  const std::string target = site.fresh_file();
  visit.settle();
  arm();
  visit.ask("GET", target);
  visit.receive(is_file<SurvivalSite::kSmallBytes>);
  visit.go_on();
}

// The old tree goes on being served for up to a second.
void moved(Visit& visit, const SurvivalSite& site, const Arm& arm) {
  visit.go_on();
  const std::string version = site.move_root();
  visit.settle();
  arm();
  EXPECT_TRUE(wait_until([&] {
    bool arrived = false;
    visit.ask("GET", "/moving/version");
    visit.receive([&](const Response& response) {
      arrived = response.body == version;
      return response.status == 200;
    });
    return arrived;
  }));
  visit.go_on();
}

void head(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("HEAD", "/files/big");
  visit.receive(
      [](const Response& response) {
        return response.status == 200 &&
               response.field("content-length") == std::to_string(SurvivalSite::kBigBytes);
      },
      true);
  visit.go_on();
}

void pipelined(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  for (int i = 0; i < kPipelined; ++i)
    visit.ask("GET", i % 3 == 0 ? "/files/file" : i % 3 == 1 ? "/hello" : "/files/small");
  for (int i = 0; i < kPipelined; ++i) {
    visit.receive(i % 3 == 0   ? is_file<SurvivalSite::kFileBytes>
                  : i % 3 == 1 ? is_hello
                               : is_file<SurvivalSite::kSmallBytes>);
  }
  visit.go_on();
}

void halves(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.client().send("GET /hello HTTP/1.1\r\nHo");
  visit.await_partial_head(23);
  visit.client().send("st: x\r\nX-A: ");
  visit.await_partial_head(35);
  visit.client().send("b\r\n\r\n");
  EXPECT_TRUE(is_hello(visit.client().receive()));
  visit.go_on();
}

// Reads only when the server waits for it, so that parking is not left to chance.
void download(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("GET", "/files/big");
  visit.await_parked();
  visit.receive(is_file<SurvivalSite::kBigBytes>);
  visit.go_on();
}

void ranges(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("GET", "/files/big", "Range: " + range_field(wide_ranges()) + "\r\n");
  visit.await_parked();
  visit.receive([](const Response& response) {
    return response.status == 206 && is_multipart_of(response.body, response.field("content-type"),
                                                     wide_ranges(), SurvivalSite::kBigBytes);
  });
  visit.go_on();
}

void listing(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("GET", "/files/many/", "Accept: application/json\r\n");
  visit.await_parked();
  visit.receive([](const Response& response) {
    const nlohmann::json page = nlohmann::json::parse(response.body, nullptr, false);
    const nlohmann::json& entries = page.is_object() && page.contains("entries") ? page["entries"] : page;
    return response.status == 200 && entries.size() == kListed;
  });
  visit.go_on();
}

void put(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  const std::string body(kUploadBytes, 'b');
  visit.ask("PUT", "/hello", "Content-Length: " + std::to_string(kUploadBytes) + "\r\n");
  visit.await_body();
  visit.client().send(body.substr(0, kUploadBytes / 3));
  visit.await_body();
  visit.client().send(body.substr(kUploadBytes / 3));
  visit.receive(is_hello);
  visit.go_on();
}

std::string chunk(std::size_t size) {
  char line[32];
  std::snprintf(line, sizeof line, "%zx\r\n", size);
  return line + std::string(size, 'c') + "\r\n";
}

void chunked(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("PUT", "/hello", "Transfer-Encoding: chunked\r\n");
  visit.await_body();
  visit.client().send(chunk(70'000) + chunk(10) + chunk(50'000).substr(0, 20'000));
  visit.await_body();
  visit.client().send(chunk(50'000).substr(20'000) + chunk(1));
  visit.await_body();
  visit.client().send("0\r\n\r\n");
  visit.receive(is_hello);
  visit.go_on();
}

void post(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("POST", "/hello", "Content-Length: 4\r\n");
  visit.client().send("body");
  visit.receive(is_hello);
  visit.go_on();
}

void closing(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("GET", "/hello", "Connection: close\r\n");
  visit.receive(is_hello);
  EXPECT_TRUE(visit.client().closed());
}

void expect(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("PUT", "/hello", "Content-Length: 4\r\nExpect: 100-continue\r\n");
  // A worker that dies when it has sent this leaves it to the next one, which sends it again.
  visit.client().send(visit.client().receive().status == 100 ? "body" : "");
  visit.skip_interim();
  visit.receive(is_hello);
  visit.go_on();
}

// The server's answer comes under a new key, too, because the client asks for one.
void key_update(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  ASSERT_EQ(::SSL_key_update(visit.client().tls().ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
  visit.ask("GET", "/files/file");
  visit.receive(is_file<SurvivalSite::kFileBytes>);
  visit.go_on();
}

// The answer is the last one, and there is input behind it that nobody will read.
void refused(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("GET", "/hello", "No field\r\n");
  visit.client().send(std::string(10'000, 'x'));
  visit.receive([](const Response& response) { return response.status == 400; });
  visit.client().shutdown_write();
  EXPECT_TRUE(visit.client().closed());
}

// The second half of a record comes after the kernel has woken a worker for the first, as it does when it is short of
// memory for the socket.
void record_halves(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  const std::string request = visit.sealed("GET", "/files/file");
  visit.client().send_raw(std::string_view(request).substr(0, 30));
  visit.await_mark();
  arm();
  visit.lower_mark();
  visit.client().send_raw(std::string_view(request).substr(30, 10));
  visit.await_kept();
  visit.client().send_raw(std::string_view(request).substr(40));
  visit.receive(is_file<SurvivalSite::kFileBytes>);
  visit.go_on();
}

// -- those of a module

constexpr std::size_t kUploaded = 300'000;  // more than SurvivalSite::config() lets a body have in memory

std::string uploaded() {
  return written(kUploaded);
}

bool is_uploaded(const Response& response) {
  return response.status == 200 && response.body == uploaded();
}

void module(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("GET", "/module/limited/x");
  visit.receive(
      [](const Response& response) { return response.status == 200 && response.body == "through"; });
  visit.go_on();
}

void module_put(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("PUT", "/module/echo", "Content-Length: " + std::to_string(kUploaded) + "\r\n");
  visit.await_body();
  visit.client().send(uploaded().substr(0, kUploaded / 3));
  visit.await_body();
  visit.client().send(uploaded().substr(kUploaded / 3));
  visit.receive(is_uploaded);
  visit.go_on();
}

void module_chunked(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("PUT", "/module/echo", "Transfer-Encoding: chunked\r\n");
  visit.await_body();
  std::string coded;
  for (std::size_t at = 0; at < kUploaded; at += 30'000)
    coded += "7530\r\n" + uploaded().substr(at, 30'000) + "\r\n";
  visit.client().send(coded.substr(0, coded.size() / 2));
  visit.await_body();
  visit.client().send(coded.substr(coded.size() / 2) + "0\r\n\r\n");
  visit.receive(is_uploaded);
  visit.go_on();
}

void module_post(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("POST", "/module/echo", "Content-Length: 4\r\n");
  visit.client().send("body");
  visit.receive([](const Response& response) { return response.body == "body"; });
  visit.go_on();
}

constexpr std::size_t kMade = 5'000'000;

// Large, and generated: set aside in a file, then parked.
void module_large(Visit& visit, const SurvivalSite&, const Arm& arm) {
  visit.go_on();
  visit.settle();
  arm();
  visit.ask("GET", "/module/write/5000000/50000");
  visit.await_parked();
  visit.receive(
      [](const Response& response) { return response.status == 200 && response.body == written(kMade); });
  visit.go_on();
}

void stream(Visit& visit, const Arm& arm, const std::string& path, const std::string& due) {
  visit.go_on();
  visit.settle();
  arm();
  const std::string target = path + SurvivalSite::unique_query();
  visit.client().send("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
  visit.await_stream_parked();
  const std::string head = read_head(visit.client());
  EXPECT_EQ(head.substr(0, 12), "HTTP/1.1 200") << target;
  EXPECT_TRUE(read_chunked(visit.client()) == due) << target;
  visit.seen.targets.push_back(target);
  visit.go_on();
}

void module_stream(Visit& visit, const SurvivalSite&, const Arm& arm) {
  stream(visit, arm, "/module/stream/5000000/50000", written(kMade));
}

// What was gathered before it began to stream is in a file.
void module_late(Visit& visit, const SurvivalSite&, const Arm& arm) {
  stream(visit, arm, "/module/late-stream/5000000", written(kMade) + "end");
}

template <void (*kDo)(Visit&, const SurvivalSite&, const Arm&)>
Seen run(const Server& server, const SurvivalSite& site, std::size_t listener, const Arm& arm) {
  // Accepting is part of what a new connection does; the others arm when theirs is there.
  if constexpr (kDo == fresh) arm();
  Visit visit(server, listener,
              kDo == download || kDo == ranges || kDo == listing || kDo == module_large ||
                  kDo == module_stream || kDo == module_late);
  note_end(visit, [&] { kDo(visit, site, arm); });
  return visit.seen;
}

}  // namespace

SurvivalSite::SurvivalSite() {
  std::filesystem::create_directory(folder_.path() / "spool");
  folder_.write("open-x", "");
  write_pattern(folder_, "root/big", kBigBytes);
  write_pattern(folder_, "root/file", kFileBytes);
  write_pattern(folder_, "root/small", kSmallBytes);
  (void)TestCa().issue(folder_, "certificate", {});
  for (int i = 0; i < kListed; ++i)
    folder_.write("root/many/" + std::to_string(i) + std::string(190, 'n'), "");
  move_root();
}

std::string SurvivalSite::config() const {
  return "[server]\nworkers = 2\nspool_dir = \"spool\"\n[limits]\nspool_memory = \"100K\"\n"
         "[log]\naccess = \"access.log\"\n"
         "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\naddress = \"unix:" +
         (folder_.path() / "socket").string() +
         "\"\n[[listen]]\naddress = \"127.0.0.2:0\"\ntls = true\n"
         "[tls]\nkeyholders = 2\n"
         "[[site]]\ncertificates = [{ chain = \"certificate.pem\", key = \"certificate.key\" }]\n"
         "[[site.route]]\npath = \"/hello\"\nrespond = { body = \"hello\" }\n"
         "[[site.route]]\npath = \"/files/\"\nstatic = { root = \"root\", listing = true }\n"
         "[[site.route]]\npath = \"/moving/\"\nstatic = { root = \"moving\" }\n" +
         module_route("/module/", module_file("good"));
}

std::string SurvivalSite::fresh_file() const {
  static std::atomic<int> files{0};
  const std::string name = "fresh" + std::to_string(files++);
  write_pattern(folder_, "root/" + name, kSmallBytes);
  return "/files/" + name;
}

std::string SurvivalSite::move_root() const {
  static std::atomic<int> moves{0};
  const std::string version = "version" + std::to_string(moves++);
  folder_.write(version + "/version", version);
  std::filesystem::create_directory_symlink(version, folder_.path() / "moving.new");
  std::filesystem::rename(folder_.path() / "moving.new", folder_.path() / "moving");
  return version;
}

std::string SurvivalSite::unique_query() {
  static std::atomic<int> queries{0};
  return "?q=" + std::to_string(queries++) + ".";
}

const std::vector<Behaviour>& behaviours() {
  static const std::vector<Behaviour> all{
      {"kept", 0, run<kept>},
      {"kept-unix", 1, run<kept>},
      {"kept-tls", 2, run<kept>},
      {"fresh", 0, run<fresh>},
      {"fresh-unix", 1, run<fresh>},
      {"fresh-tls", 2, run<fresh>},
      {"together", 0, together},
      {"together-unix", 1, together},
      {"together-tls", 2, together},
      {"file", 0, run<file>},
      {"file-unix", 1, run<file>},
      {"file-tls", 2, run<file>},
      {"uncached", 0, run<uncached>},
      {"uncached-unix", 1, run<uncached>},
      {"uncached-tls", 2, run<uncached>},
      {"moved", 0, run<moved>},
      {"moved-unix", 1, run<moved>},
      {"moved-tls", 2, run<moved>},
      {"head", 0, run<head>},
      {"head-unix", 1, run<head>},
      {"head-tls", 2, run<head>},
      {"pipelined", 0, run<pipelined>},
      {"pipelined-unix", 1, run<pipelined>},
      {"pipelined-tls", 2, run<pipelined>},
      {"halves", 0, run<halves>},
      {"halves-unix", 1, run<halves>},
      {"halves-tls", 2, run<halves>},
      {"download", 0, run<download>},
      {"download-unix", 1, run<download>},
      {"download-tls", 2, run<download>},
      {"ranges", 0, run<ranges>},
      {"ranges-unix", 1, run<ranges>},
      {"ranges-tls", 2, run<ranges>},
      {"listing", 0, run<listing>},
      {"listing-unix", 1, run<listing>},
      {"listing-tls", 2, run<listing>},
      {"put", 0, run<put>},
      {"put-unix", 1, run<put>},
      {"put-tls", 2, run<put>},
      {"chunked", 0, run<chunked>},
      {"chunked-unix", 1, run<chunked>},
      {"chunked-tls", 2, run<chunked>},
      {"post", 0, run<post>},
      {"post-unix", 1, run<post>},
      {"post-tls", 2, run<post>},
      {"closing", 0, run<closing>},
      {"closing-unix", 1, run<closing>},
      {"closing-tls", 2, run<closing>},
      {"refused", 0, run<refused>},
      {"refused-unix", 1, run<refused>},
      {"refused-tls", 2, run<refused>},
      {"module", 0, run<module>},
      {"module-unix", 1, run<module>},
      {"module-tls", 2, run<module>},
      {"module-put", 0, run<module_put>},
      {"module-put-unix", 1, run<module_put>},
      {"module-put-tls", 2, run<module_put>},
      {"module-chunked", 0, run<module_chunked>},
      {"module-chunked-unix", 1, run<module_chunked>},
      {"module-chunked-tls", 2, run<module_chunked>},
      {"module-post", 0, run<module_post>},
      {"module-post-unix", 1, run<module_post>},
      {"module-post-tls", 2, run<module_post>},
      {"module-large", 0, run<module_large>},
      {"module-large-unix", 1, run<module_large>},
      {"module-large-tls", 2, run<module_large>},
      {"module-stream", 0, run<module_stream>},
      {"module-stream-unix", 1, run<module_stream>},
      {"module-stream-tls", 2, run<module_stream>},
      {"module-late", 0, run<module_late>},
      {"module-late-unix", 1, run<module_late>},
      {"module-late-tls", 2, run<module_late>},
      {"expect-tls", 2, run<expect>},
      {"key-update-tls", 2, run<key_update>},
      {"record-halves-tls", 2, run<record_halves>},
  };
  return all;
}

}  // namespace baton::test
