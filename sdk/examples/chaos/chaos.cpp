// chaos: everything that a handler should not do, one route each; and /good, which goes on all the while.
//
// Routes that end their worker say `.retries = 0`, so that one request ends one worker. Without that, a GET
// is begun once again in another worker before it is given up.
#include <baton/module.h>
#include <endian.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using baton::Options;
using baton::Request;
using baton::Response;
using namespace baton::literals;

namespace {

constexpr Options kOnce{.retries = 0};
constexpr Options kHangs{.timeout = 1s, .retries = 0};

void sleep_as_asked(const Request& q) {
  std::this_thread::sleep_for(
      std::chrono::milliseconds(std::clamp(q.query<int>("ms").value_or(1000), 0, 60'000)));
}

void loop_for_ever() {
  volatile bool over = false;
  while (!over) {
  }
}

void write_to_null() {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 42;  // NOLINT(clang-analyzer-core.NullDereference): what it is for
}

// Ends with a zero, which no caller has; the compiler cannot know, and makes no loop of it.
int recurse(volatile int* outer) {
  volatile int here[256] = {*outer};
  return here[0] == 0 ? 0 : recurse(here) + here[0];
}

// NOLINTBEGIN(performance-no-int-to-ptr): wild pointers are made of numbers

// Anywhere in the address space of a process.
[[noreturn]] void write_anywhere() {
  std::mt19937_64 random{std::random_device{}()};
  for (;;) *reinterpret_cast<volatile char*>(random() >> 17) = 'x';
}

// The memory that all workers share, the connections of everybody, if it is protected from us: a key stands
// beside it then. Null if it is not, and writing there would be more than a demonstration.
volatile char* find_protected_memory() {
  std::ifstream maps("/proc/self/smaps");
  volatile char* shared = nullptr;
  for (std::string line; std::getline(maps, line);) {
    const bool begins = line.find('-') < line.find(' ');  // "7f00-7fff rw-s ... /dev/shm/baton-x"
    if (begins && line.find(" rw-s ") != std::string::npos && line.find("/dev/shm/") != std::string::npos)
      shared = reinterpret_cast<volatile char*>(std::stoull(line, nullptr, 16));
    else if (begins)
      shared = nullptr;
    const bool key = line.rfind("ProtectionKey:", 0) == 0;
    if (shared != nullptr && key && line.find_first_of("123456789") != std::string::npos) return shared;
  }
  return nullptr;
}

// NOLINTEND(performance-no-int-to-ptr)

// The number at every fourth byte is a multiple of the place, modulo 2^32, low byte first: who reads it sees
// each byte that is wrong, missing or twice there.
void write_pattern(Response& r, std::uint32_t mebibytes) {
  constexpr std::uint32_t kNumbers = 1 << 16;
  std::vector<std::uint32_t> numbers(kNumbers);
  for (std::uint32_t i = 0; i < mebibytes * 4; ++i) {
    for (std::uint32_t k = 0; k < kNumbers; ++k) numbers[k] = htole32((i * kNumbers + k) * 2654435761U);
    r.write({reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof numbers[0]});
  }
}

std::vector<std::unique_ptr<std::vector<char>>> leaked;

}  // namespace

BATON_MODULE(m) {
  m.get("/good", [](auto&, auto& r) { r.text("good\n"); });

  // Blocking is allowed: it takes this one worker. Where a route is slow, say how many workers it may have.
  m.get("/slow", [](const Request& q, Response& r) {
    sleep_as_asked(q);
    r.text("slow\n");
  });
  m.get("/slow-but-polite", {.max_concurrency = 1}, [](const Request& q, Response& r) {
    sleep_as_asked(q);
    r.text("slow\n");
  });

  m.get("/segfault", kOnce, [](auto&, auto&) { write_to_null(); });
  m.get("/abort", kOnce, [](auto&, auto&) { std::abort(); });
  m.get("/exit", kOnce, [](auto&, auto&) { std::exit(3); });
  m.get("/stack-overflow", kOnce, [](auto&, Response& r) {
    volatile int start = 1;
    r.text(std::to_string(recurse(&start)));
  });
  m.get("/loop", kHangs, [](auto&, auto&) { loop_for_ever(); });
  m.get("/stop", kHangs, [](auto&, auto&) { raise(SIGSTOP); });

  // Begins to stream, so that the client has seen a status, and then crashes: the connection ends.
  m.get("/half", kOnce, [](auto&, Response& r) {
    r.write("the first half\n").flush();
    write_to_null();
  });

  // Has done something when it crashes; a POST is never begun again.
  m.post("/segfault", [](auto&, auto&) { write_to_null(); });

  m.get("/throw", [](const Request& q, auto&) {
    if (const auto status = q.query<int>("status")) throw baton::HttpError(*status, "thrown");
    throw std::runtime_error("only the log knows why");
  });
  m.get("/throw-anything", [](auto&, auto&) { throw 42; });

  m.get("/leak", [](const Request& q, Response& r) {
    const auto bytes = static_cast<std::size_t>(std::clamp(q.query<int>("mib").value_or(16), 1, 256)) << 20;
    leaked.push_back(std::make_unique<std::vector<char>>(bytes, 'x'));
    r.text("leaked\n");
  });

  // Descriptors that are not ours, were there any: in this thread's table there are none.
  m.get("/close-fds", [](auto&, Response& r) {
    int closed = 0;
    for (int fd = 0; fd < 4096; ++fd) closed += close(fd) == 0 ? 1 : 0;
    r.text("closed " + std::to_string(closed) + "\n");
  });

  m.get("/wild-write", kOnce, [](auto&, auto&) { write_anywhere(); });
  m.get("/wild-write/shared", kOnce, [](auto&, auto&) {
    volatile char* const memory = find_protected_memory();
    if (memory == nullptr) throw baton::HttpError(501, "nothing protects shared memory from us here");
    *memory = static_cast<char>(~*memory);
  });

  // Without ?ms, the child forgets that it is one, and returns from the handler as its parent does.
  m.get("/fork", [](const Request& q, Response& r) {
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("fork");
    if (child == 0 && q.query("ms")) {
      sleep_as_asked(q);
      _exit(0);
    }
    r.text("forked\n");
  });

  // A thread that crashes the worker in the middle of somebody else's request.
  m.get("/late-segfault", [](const Request& q, Response& r) {
    const int ms = std::clamp(q.query<int>("ms").value_or(10), 0, 1000);
    std::thread([ms] {
      std::this_thread::sleep_for(std::chrono::milliseconds(ms));
      write_to_null();
    }).detach();
    r.text("soon\n");
  });

  // For the welcome page of the demo site: a large body, byte by byte predictable, and a reload. The route is
  // to be open to those alone who may have that (conf/baton.toml).
  m.get("/download", [](const Request& q, Response& r) {
    r.header("Content-Type", "application/octet-stream").header("Cache-Control", "no-store");
    write_pattern(r, static_cast<std::uint32_t>(std::clamp(q.query<int>("mib").value_or(64), 1, 1024)));
  });
  m.post("/reload", [](auto&, Response& r) {
    if (kill(getppid(), SIGHUP) != 0)
      throw baton::HttpError(501, "the workers run as another user than the master, and may not signal it");
    r.status(202).text("the master has been asked to reload\n");
  });
}
