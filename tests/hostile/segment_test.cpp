// A worker that has gone wrong can write anything anywhere in the segment. Here that is done to a running
// server from outside: random words, under traffic, reloads, upgrades and deaths. Whatever becomes of its
// workers, the master crashes never, harms no process but its own, and ends when it is told to.
//
// HOSTILE_SECONDS (0: HOSTILE_ROUNDS, or 60) says how long, HOSTILE_SEED does the same writes again. In a
// build with sanitizers (make fuzz) the master's memory is watched as well.
#include "common/shared/segment.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>

#include "common/dict/object.h"
#include "master/exit_status.h"
#include "tests/support/server.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::AnyOf;

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// A process that nothing may happen to: it leads a group of its own.
class Decoy {
 public:
  Decoy() : pid_(::fork()) {
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::setpgid(0, 0);
      while (true) ::pause();
    }
    ::setpgid(pid_, pid_);
  }
  Decoy(const Decoy&) = delete;
  Decoy& operator=(const Decoy&) = delete;
  ~Decoy() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool unharmed() const { return ::waitpid(pid_, nullptr, WNOHANG | WUNTRACED) == 0; }

 private:
  pid_t pid_;
};

class HostileSegment : public testing::Test {
 protected:
  HostileSegment() {
    folder_.write("root/small", "small");
    folder_.write("root/large", std::string(4 << 20, 'x'));
    folder_.write("baton.toml",
                  "[server]\nworkers = 3\nmax_connections = 200\nshutdown_timeout = \"1s\"\n"
                  "[log]\naccess = \"access.log\"\n"
                  "[timeouts]\nheader = \"1s\"\nkeep_alive = \"1s\"\nsend = \"1s\"\nhandler = \"1s\"\n"
                  "[[listen]]\naddress = \"unix:socket\"\n"
                  "[[listen]]\naddress = \"127.0.0.1:0\"\n"
                  "[[dict]]\nname = \"words\"\nsize = \"1MiB\"\n"
                  "[[site]]\n[[site.route]]\npath = \"/\"\nstatic = { root = \"root\", listing = true }\n"
                  "[[site.route]]\npath = \"/status\"\nstatus = true\n");
    ::chmod(folder_.path().c_str(), 0755);
  }
  ~HostileSegment() override {
    for (const int client : clients_) ::close(client);
    if (memory_ != nullptr) ::munmap(memory_, bytes_);
    ::shm_unlink(("/" + name_).c_str());
    remove_dicts_of(name_);
  }

  [[nodiscard]] std::string file() const { return (folder_.path() / "baton.toml").string(); }
  [[nodiscard]] std::string log() const { return folder_.read("stderr.txt"); }

  void start() {
    name_ = Segment::name_for(file());
    master_ = ::fork();
    if (master_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::geteuid() == 0) ::setenv("BATON_USER", "root", 0);
      const int out = ::open((folder_.path() / "stderr.txt").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
      ::dup2(out, STDOUT_FILENO);
      ::dup2(out, STDERR_FILENO);
      const std::string program = baton_binary();
      ::execl(program.c_str(), program.c_str(), "-c", file().c_str(), nullptr);
      ::_exit(127);
    }
    ASSERT_TRUE(wait_until([this] { return map() || ended(); })) << log();
    ASSERT_FALSE(ended()) << log();
    ++starts_;
  }

  // As a worker has it.
  bool map() {
    if (memory_ != nullptr) ::munmap(memory_, bytes_);
    memory_ = nullptr;
    const UniqueFd object(::shm_open(("/" + name_).c_str(), O_RDWR | O_CLOEXEC, 0));
    struct stat status {};
    if (!object || ::fstat(object.get(), &status) != 0 || status.st_size < kLeastBytes) return false;
    bytes_ = static_cast<std::size_t>(status.st_size);
    void* const memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, object.get(), 0);
    if (memory == MAP_FAILED) return false;
    memory_ = static_cast<unsigned char*>(memory);
    auto& header = *reinterpret_cast<SegmentHeader*>(memory_);
    return header.master_pid.load() == master_ && header.state.load() == MasterState::kServing;
  }

  // Whether the master has: then how it did is in `end_`.
  bool ended() {
    if (master_ <= 0 || ::waitpid(master_, &end_, WNOHANG) != master_) return master_ <= 0;
    master_ = -1;
    return true;
  }

  std::uint64_t any() { return random_(); }
  std::uint64_t below(std::uint64_t end) { return random_() % end; }

  // No small numbers as whole words: a worker would take one for a descriptor and close it, which is what
  // sharing a table means, and not what is asked here.
  std::uint64_t value() {
    switch (below(6)) {
      case 0: return static_cast<std::uint64_t>(decoy_.pid()) * 0x1'0000'0001;
      case 1: return ~std::uint64_t{0};
      case 2: return 0x7fff'ffff'7fff'ffff;
      case 3: return 0x8000'0000'8000'0000;
      default: return any();
    }
  }

  // Half of it where the words are that decide most.
  std::size_t place() {
    constexpr std::size_t kHeader = sizeof(SegmentHeader);
    constexpr std::size_t kEntries = 12 * sizeof(WorkerEntry);
    const std::size_t first = (kHeader + 4095) / 4096 * 4096;
    const std::size_t slots = (first + sizeof(WorkerEntry) * kMaxScoreboardEntries + 4095) / 4096 * 4096;
    switch (below(4)) {
      case 0: return below(kHeader);
      case 1: return first + below(kEntries);
      case 2: return slots + below(128 * sizeof(Slot));
      default: return below(bytes_);
    }
  }

  void scribble(std::uint64_t words) {
    for (std::uint64_t i = 0; i < words; ++i) {
      const std::uint64_t word = value();
      const std::size_t width = std::size_t{1} << below(4);
      const std::size_t at = place() / width * width;
      if (at + width <= bytes_) std::memcpy(memory_ + at, &word, width);
    }
  }

  void visit() {
    if (clients_.size() > 20) {
      const auto client = clients_.begin() + static_cast<std::ptrdiff_t>(below(clients_.size()));
      ::close(*client);
      clients_.erase(client);
    }
    const Address address = *Address::parse("unix:" + (folder_.path() / "socket").string());
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    clients_.push_back(client);
    if (::connect(client, address.data(), address.size()) != 0) return;
    static constexpr const char* kRequests[] = {
        "GET /small HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /large HTTP/1.1\r\nHost: a\r\nRange: bytes=1-2,5-900000,1000000-1999999\r\n\r\n",
        "GET /small HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /large HTTP/1.1\r\nHost: "
        "a\r\n\r\n",
        "GET /status HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /small HTT"};
    const char* const request = kRequests[below(std::size(kRequests))];
    ::send(client, request, std::strlen(request), MSG_NOSIGNAL);
    char bytes[4096];
    for (const int old : clients_) {
      if (below(4) == 0) static_cast<void>(::recv(old, bytes, sizeof bytes, MSG_DONTWAIT));
    }
  }

  [[nodiscard]] std::vector<pid_t> children() const {
    const std::string pid = std::to_string(master_);
    std::ifstream list("/proc/" + pid + "/task/" + pid + "/children");
    std::vector<pid_t> pids;
    for (pid_t child = 0; list >> child;) pids.push_back(child);
    return pids;
  }

  void disturb() {
    constexpr int kDeaths[] = {SIGKILL, SIGSEGV, SIGABRT};
    switch (below(24)) {
      case 0: ::kill(master_, SIGHUP); break;
      case 1: ::kill(master_, SIGUSR1); break;
      case 2: ::kill(master_, SIGUSR2); break;
      case 3: look_with_batonctl(); break;
      case 4:
      case 5:
        if (const auto pids = children(); !pids.empty())
          ::kill(pids[below(pids.size())], kDeaths[below(std::size(kDeaths))]);
        break;
      default: break;
    }
  }

  // It may fail, and not crash.
  void look_with_batonctl() {
    static constexpr const char* kCommands[] = {"stats", "workers", "connections"};
    const Finished done =
        run_program({batonctl_binary(), "-c", file(), kCommands[below(std::size(kCommands))]});
    EXPECT_THAT(done.status, AnyOf(0, 1)) << done.err;
  }

  // A master that was told apart from its own descriptors ends, and is started again by whoever supervises
  // it.
  void start_again_if_given_up() {
    if (!ended()) return;
    ASSERT_TRUE(WIFEXITED(end_) && WEXITSTATUS(end_) == ExitStatus::kDamaged) << end_ << "\n" << log();
    start();
  }

  [[nodiscard]] std::size_t count(const std::string& text) const {
    const std::string all = log();
    std::size_t found = 0;
    for (std::size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) ++found;
    return found;
  }

  void expect_no_report_of_the_master() {
    std::istringstream lines(log());
    for (std::string line; std::getline(lines, line);) {
      if (line.find("==" + std::to_string(master_) + "==") != std::string::npos) ADD_FAILURE() << line;
    }
  }

  TempDir folder_;
  std::string name_;
  Decoy decoy_;
  std::mt19937_64 random_;
  pid_t master_ = -1;
  int end_ = 0;
  int starts_ = 0;
  unsigned char* memory_ = nullptr;
  std::size_t bytes_ = 0;
  std::vector<int> clients_;
  static constexpr off_t kLeastBytes = 1 << 20;
};

TEST_F(HostileSegment, TheMasterOutlivesWhatAWorkerMayWrite) {
  const std::uint64_t seed = number_of("HOSTILE_SEED", std::random_device{}());
  const std::uint64_t rounds = number_of("HOSTILE_ROUNDS", 60);
  const auto end = steady_clock::now() + seconds(number_of("HOSTILE_SECONDS", 0));
  std::printf("HOSTILE_SEED=%llu\n", static_cast<unsigned long long>(seed));
  random_.seed(seed);
  ASSERT_NO_FATAL_FAILURE(start());
  for (std::uint64_t round = 0; round < rounds || steady_clock::now() < end; ++round) {
    for (int i = 0; i < 5; ++i) visit();
    scribble(std::uint64_t{1} << below(9));
    disturb();
    ::usleep(static_cast<useconds_t>(below(20'000)));
    ASSERT_NO_FATAL_FAILURE(start_again_if_given_up()) << "round " << round;
    ASSERT_TRUE(decoy_.unharmed()) << "round " << round;
  }
  expect_no_report_of_the_master();
  EXPECT_THAT(log(), testing::HasSubstr("the shared memory is damaged"));
  std::printf("%d starts, %zu reloads, %zu upgrades, %zu deaths\n", starts_, count("reloaded: "),
              count(" upgraded from "), count(" requests; "));
  ::kill(master_, SIGTERM);
  ASSERT_TRUE(wait_until([this] { return ended(); })) << "it does not end: " << log();
  EXPECT_TRUE(WIFEXITED(end_)) << end_ << log();
  EXPECT_THAT(WEXITSTATUS(end_), AnyOf(ExitStatus::kFinished, ExitStatus::kCutOff, ExitStatus::kDamaged))
      << log();
  EXPECT_TRUE(decoy_.unharmed());
}

}  // namespace
}  // namespace baton::test
