#include "master/symbolizer.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <boost/interprocess/anonymous_shared_memory.hpp>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "common/base/printable.h"
#include "common/base/privileges.h"
#include "common/shared/scoreboard.h"
#include "master/module_symbols.h"
#include "master/spawner.h"

#define BACKWARD_HAS_DW 1
#include <backward.hpp>

namespace baton {

namespace {

constexpr std::size_t kTextBytes = 480;
constexpr std::size_t kMaxKnown = 10'000;
constexpr unsigned kPatienceSeconds = 20;  // for a machine without a free processor

// The process that looks up writes this; the master reads it when that has ended. Empty text: not found.
struct Result {
  char texts[CrashRecord::kMaxFrames][kTextBytes] = {};
};

using Key = std::pair<std::uint64_t, std::uint64_t>;

// A return address may lie just behind the calling function, if the call was its last instruction because the
// callee never returns. So the address before it is looked up.
std::uint64_t lookup_address(const Symbolizer::Backtrace& backtrace, std::size_t frame) {
  return backtrace[frame].address - (frame == 0 ? 0 : 1);
}

Key key_of(const Symbolizer::Backtrace& backtrace, std::size_t frame) {
  const auto& image = backtrace[frame].image;
  return {image ? image->number() : 0, lookup_address(backtrace, frame)};
}

bool can_be_looked_up(const Symbolizer::Frame& frame) {
  return frame.object.empty() || frame.image != nullptr;
}

std::string place(const backward::ResolvedTrace::SourceLoc& source) {
  std::string_view file = source.filename;
  if (file.starts_with("./")) file.remove_prefix(2);
  return fmt::format("{}:{}", file, source.line);
}

std::string look_up(backward::TraceResolver& resolver, std::uint64_t address) {
  const backward::Trace trace(std::bit_cast<void*>(address), 0);
  const backward::ResolvedTrace found = resolver.resolve(backward::ResolvedTrace(trace));
  if (found.object_function.empty()) return "";
  std::string text = found.object_function;
  if (!found.source.filename.empty()) text += " at " + place(found.source);
  // Of the calls of functions that are inlined into one another, only the last is in the function itself.
  if (!found.inliners.empty()) text += ", inlined at " + place(found.inliners.back());
  return text;
}

// To be called while the descriptors of the images are still open.
std::map<std::uint64_t, ModuleSymbols> map_images(const Symbolizer::Backtrace& backtrace) {
  std::map<std::uint64_t, ModuleSymbols> modules;
  for (const Symbolizer::Frame& frame : backtrace) {
    if (frame.image) modules.try_emplace(frame.image->number(), *frame.image);
  }
  return modules;
}

[[noreturn]] void run_lookup(const Symbolizer::Backtrace& backtrace, Result& result) {
  auto modules = map_images(backtrace);
  // First, this process gets a descriptor table of its own, which the kernel does not even fill in: otherwise
  // the clients' connections would be open in here as well.
  if (::close_range(3, ~0U, CLOSE_RANGE_UNSHARE) != 0 || !drop_capabilities()) ::_exit(1);
  ::prctl(PR_SET_NAME, "baton: names");
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::alarm(kPatienceSeconds);
  ::unsetenv("DEBUGINFOD_URLS");  // else elfutils asks servers for debugging information that is not here
  backward::TraceResolver resolver;
  // At its first use libdw reads /proc/self/auxv, which belongs to root if the process is not dumpable.
  ::prctl(PR_SET_DUMPABLE, 1L, 0L, 0L, 0L);
  look_up(resolver, 1);
  restrict_process();
  for (std::size_t i = 0; i < std::min(backtrace.size(), CrashRecord::kMaxFrames); ++i) {
    const Symbolizer::Frame& frame = backtrace[i];
    if (!can_be_looked_up(frame)) continue;
    const std::uint64_t address = lookup_address(backtrace, i);
    const std::string text =
        frame.image ? modules.at(frame.image->number()).look_up(address) : look_up(resolver, address);
    std::memcpy(result.texts[i], text.data(), std::min(text.size(), kTextBytes - 1));
  }
  ::_exit(0);
}

// Returns what the dynamic linker knows, which takes no time and is enough for addr2line(1).
std::string roughly(const Symbolizer::Frame& frame, std::uint64_t address) {
  if (!frame.object.empty()) return fmt::format("{}+{:#x}", frame.object, address);
  Dl_info info{};
  if (::dladdr(std::bit_cast<void*>(address), &info) == 0 || info.dli_fname == nullptr) {
    return fmt::format("{:#x}", address);
  }
  const std::string_view path = info.dli_fname;
  return fmt::format("{}+{:#x}", path.substr(path.rfind('/') + 1),
                     address - reinterpret_cast<std::uint64_t>(info.dli_fbase));
}

}  // namespace

Symbolizer::~Symbolizer() {
  stop();
}

bool Symbolizer::knows(const Backtrace& backtrace) const {
  for (std::size_t i = 0; i < backtrace.size(); ++i) {
    if (can_be_looked_up(backtrace[i]) && !known_.contains(key_of(backtrace, i))) return false;
  }
  return true;
}

bool Symbolizer::start(const Backtrace& backtrace, std::uint64_t now_ns) {
  if (child_ > 0 || backtrace.empty() || now_ns - last_start_ns_ < kIntervalNs) return false;
  try {
    result_ = boost::interprocess::anonymous_shared_memory(sizeof(Result));
  } catch (const boost::interprocess::interprocess_exception&) {
    return false;
  }
  auto* result = new (result_.get_address()) Result;
  child_ = spawn_worker([&] { run_lookup(backtrace, *result); });
  if (child_ < 0) return false;
  asked_ = backtrace;
  last_start_ns_ = now_ns;
  return true;
}

bool Symbolizer::busy() {
  if (child_ <= 0) return false;
  if (::waitpid(child_, nullptr, WNOHANG) == 0) return true;
  child_ = -1;
  take_result();
  return false;
}

void Symbolizer::take_result() {
  if (known_.size() > kMaxKnown) known_.clear();
  const auto& result = *static_cast<const Result*>(result_.get_address());
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    if (!can_be_looked_up(asked_[i])) continue;
    std::string text;
    if (i < CrashRecord::kMaxFrames) text = text_of(result.texts[i]);
    // What was not found once will not be found the next time either.
    if (text.empty()) {
      text = roughly(asked_[i], lookup_address(asked_, i));
    } else if (!asked_[i].object.empty()) {
      text.insert(0, asked_[i].object + ": ");
    }
    known_.insert_or_assign(key_of(asked_, i), std::move(text));
  }
  asked_.clear();  // and with it the images
  result_ = {};
}

void Symbolizer::stop() {
  if (child_ <= 0) return;
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
  child_ = -1;
  asked_.clear();
  result_ = {};
}

std::vector<std::string> Symbolizer::describe(const Backtrace& backtrace) const {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < backtrace.size(); ++i) {
    const auto found = known_.find(key_of(backtrace, i));
    const bool known = can_be_looked_up(backtrace[i]) && found != known_.end();
    texts.push_back(known ? found->second : roughly(backtrace[i], lookup_address(backtrace, i)));
  }
  return texts;
}

}  // namespace baton
