// From code addresses to the names of functions and places in the source.
#pragma once

#include <sys/types.h>

#include <boost/interprocess/mapped_region.hpp>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace baton {

// Looking up a backtrace in the debugging information took 15 to 30 ms for the first address in our own code,
// 90 ms for the first in libc and about 1 ms for each further one (release build with -g): the master cannot
// stand still for that. So a short-lived process does it, which shares no descriptor but 0 to 2, and what it
// finds is remembered, because a crash seldom comes alone. An address means the same here as in every process
// cloned from this one; what only such a process has loaded stays a number.
class Symbolizer {
 public:
  static constexpr std::uint64_t kIntervalNs = 1'000'000'000;  // between two lookups

  // The first is where a signal struck, the others are return addresses.
  using Backtrace = std::vector<std::uint64_t>;

  Symbolizer() = default;
  Symbolizer(const Symbolizer&) = delete;
  Symbolizer& operator=(const Symbolizer&) = delete;
  ~Symbolizer();  // ends a lookup in progress

  // Whether describe() can name everything in it that can be named at all.
  [[nodiscard]] bool knows(const Backtrace& backtrace) const;

  // Begins to look it up. False when another lookup is in progress, or was begun within the last second, or
  // there is no process to be had.
  bool start(const Backtrace& backtrace, std::uint64_t now_ns);
  // Whether one is in progress. Takes over its result when it has ended; call it on SIGCHLD.
  bool busy();
  // Ends it without a result, because this process is about to become another program.
  void stop();

  // One text a frame, "baton::run_worker(...) at worker/worker.cpp:80"; where nothing better is known
  // "baton+0x4c048" or "0x7f...".
  [[nodiscard]] std::vector<std::string> describe(const Backtrace& backtrace) const;

 private:
  void take_result();

  std::unordered_map<std::uint64_t, std::string> known_;
  pid_t child_ = -1;
  boost::interprocess::mapped_region result_;  // while a lookup is in progress
  Backtrace asked_;
  std::uint64_t last_start_ns_ = 0;
};

}  // namespace baton
