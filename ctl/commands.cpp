#include "ctl/commands.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "common/base/printable.h"
#include "common/base/unique_fd.h"
#include "common/shared/shm_owner.h"
#include "common/stats/stats_json.h"
#include "ctl/views.h"

namespace baton::ctl {

namespace {

constexpr std::chrono::seconds kReloadPatience{60};
constexpr std::chrono::seconds kUpgradePatience{90};  // may have to wait for a reload

// A failure whose message is printed as it is.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Failure not_running(const std::string& config_file) {
  std::error_code ignored;
  const bool exists = std::filesystem::exists(config_file, ignored);
  return Failure("no server is running with " + config_file +
                 (exists ? "; start one with: baton -c " + config_file
                         : ", and there is no such file; name the one it was started with: -c FILE"));
}

Segment find_server(const std::string& config_file) {
  const std::string name = Segment::name_for(config_file);
  const UniqueFd probe(::shm_open(name.c_str(), O_RDONLY | O_CLOEXEC, 0));
  if (!probe && errno == ENOENT) throw not_running(config_file);
  if (!probe && errno == EACCES) {
    throw Failure("no permission to look at the server of " + config_file +
                  ": it runs as another user; repeat this as that user or as root");
  }
  try {
    Segment segment = Segment::attach(name, users_of_file(config_file));
    // A master that was killed leaves its segment behind.
    if (!master_alive(segment.header())) throw not_running(config_file);
    if (!segment.master_proven()) {
      throw Failure("/dev/shm/" + name + " names pid " + std::to_string(segment.header().master_pid.load()) +
                    ", which is not the server that made it: nothing is done; if no server runs, remove it");
    }
    return segment;
  } catch (const Failure&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw Failure("cannot look at the server of " + config_file + ": " + error.what());
  }
}

int run(const std::function<int()>& command) {
  try {
    return command();
  } catch (const Failure& failure) {
    std::fprintf(stderr, "batonctl: %s\n", failure.what());
    return kExitFailed;
  }
}

// The message comes from shared memory, and has a line for each error.
std::string printable_lines(std::string_view message) {
  std::string text;
  for (std::size_t at = 0; at <= message.size();) {
    const std::size_t end = std::min(message.find('\n', at), message.size());
    text += (at == 0 ? "" : "\n") + printable(message.substr(at, end - at));
    at = end + 1;
  }
  return text;
}

int report(const Outcome& outcome) {
  const std::string message = printable_lines(outcome.message);
  if (outcome.ok) {
    std::printf("%s\n", message.c_str());
    return kExitOk;
  }
  std::fprintf(stderr, "batonctl: %s\n", message.c_str());
  return kExitFailed;
}

Display display_of_stdout() {
  Display display;
  if (::isatty(STDOUT_FILENO) == 0) return display;
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) display.width = window.ws_col;
  const char* no_color = std::getenv("NO_COLOR");
  display.styled = no_color == nullptr || *no_color == '\0';
  return display;
}

std::string json_of(Subject subject, const Snapshot& snapshot, int indent) {
  switch (subject) {
    case Subject::kStats: return dump(stats_json(snapshot), indent) + '\n';
    case Subject::kWorkers: return dump(workers_json(snapshot), indent) + '\n';
    case Subject::kConnections: break;
  }
  return dump(connections_json(snapshot), indent) + '\n';
}

std::string view_of(Subject subject, const Snapshot& now, const Snapshot* before) {
  const Display display = display_of_stdout();
  switch (subject) {
    case Subject::kStats: return stats_view(now, before, display);
    case Subject::kWorkers: return workers_view(now, before, display);
    case Subject::kConnections: break;
  }
  return connections_view(now, before, display);
}

Snapshot look(const Segment& segment, Subject subject) {
  return take_snapshot(
      segment, subject == Subject::kConnections ? SnapshotDetail::kConnections : SnapshotDetail::kSummary);
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// Writes over the screen from its top, and erases the rest of each old line and all lines below. So the
// screen is never blank between two pictures, and does not flicker.
std::string as_screen(const std::string& text) {
  std::string screen = "\x1b[H";
  for (const char c : text) {
    if (c == '\n') screen += "\x1b[K";
    screen += c;
  }
  return screen + "\x1b[J";
}

// Turns SIGINT and SIGTERM into the end of a pause, so that the terminal is left in order.
class Pause {
 public:
  Pause() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &signals_, nullptr);
  }
  // Returns false if a signal came.
  [[nodiscard]] bool wait(std::chrono::milliseconds time) const {
    const timespec limit{time.count() / 1000, time.count() % 1000 * 1'000'000};
    return ::sigtimedwait(&signals_, nullptr, &limit) < 0;
  }

 private:
  sigset_t signals_{};
};

int watch(Subject subject, const ShowOptions& options, const Segment& segment) {
  const Pause pause;
  const bool screen = !options.json && ::isatty(STDOUT_FILENO) != 0;
  if (screen) print("\x1b[2J");
  std::optional<Snapshot> before;
  do {
    if (!master_alive(segment.header())) throw Failure("the server has ended");
    Snapshot now = look(segment, subject);
    if (options.json) {
      print(json_of(subject, now, -1));
    } else {
      const std::string text = view_of(subject, now, before ? &*before : nullptr);
      print(screen ? as_screen(text) : text + '\n');
    }
    before = std::move(now);
  } while (std::ferror(stdout) == 0 && pause.wait(*options.watch));
  return kExitOk;
}

}  // namespace

int show(Subject subject, const ShowOptions& options) {
  return run([&] {
    const Segment segment = find_server(options.config_file);
    if (options.watch) return watch(subject, options, segment);
    const Snapshot now = look(segment, subject);
    print(options.json ? json_of(subject, now, 2) : view_of(subject, now, nullptr));
    return kExitOk;
  });
}

int reload(const std::string& config_file) {
  return run([&] { return report(reload(find_server(config_file), kReloadPatience)); });
}

int upgrade(const std::string& config_file) {
  return run([&] { return report(upgrade(find_server(config_file), kUpgradePatience)); });
}

int stop(const std::string& config_file, Stop how, std::chrono::seconds patience) {
  return run([&] { return report(stop(find_server(config_file), how, patience)); });
}

int reopen(const std::string& config_file) {
  return run([&] { return report(reopen(find_server(config_file))); });
}

std::string default_config_file() {
  if (const char* named = std::getenv("BATON_CONFIG"); named != nullptr && *named != '\0') return named;
  const std::string nearby = "conf/baton.toml";
  std::error_code ignored;
  return std::filesystem::exists(nearby, ignored) ? nearby : "/etc/baton/baton.toml";
}

}  // namespace baton::ctl
