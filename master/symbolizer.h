// Translates code addresses to the names of functions and source lines.
#pragma once

#include <sys/types.h>

#include <boost/interprocess/mapped_region.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "worker/route/module_image.h"

namespace baton {

// Looking up a backtrace in the debugging information took 15 to 30 ms for the first address in our own code,
// 90 ms for the first in libc and about 1 ms for each further address (release build with -g). The master
// cannot stand still for that. So a short-lived process does it, which shares no descriptors but 0 to 2. Its
// results are remembered, because a crash seldom comes alone.
//
// An address in what the master has loaded means the same here as in every process cloned from the master. A
// shared object that only such a process has loaded is at another address in each: its addresses are given as
// places in the file. Of these files only the modules are read, from the generation's own copies.
class Symbolizer {
 public:
  static constexpr std::uint64_t kIntervalNs = 1'000'000'000;  // between two lookups

  struct Frame {
    std::uint64_t address = 0;                      // in memory; with `object`, in the file of the object
    std::string object;                             // name of a shared object not loaded here; empty: none
    std::shared_ptr<const app::ModuleImage> image;  // with `object`, if that is a module and has an image

    Frame(std::uint64_t in_memory) : address(in_memory) {}
    Frame(std::uint64_t in_file, std::string name, std::shared_ptr<const app::ModuleImage> of)
        : address(in_file), object(std::move(name)), image(std::move(of)) {}
    bool operator==(const Frame&) const = default;
  };
  // The first frame is where a signal struck; the others are return addresses.
  using Backtrace = std::vector<Frame>;

  Symbolizer() = default;
  Symbolizer(const Symbolizer&) = delete;
  Symbolizer& operator=(const Symbolizer&) = delete;
  ~Symbolizer();  // ends a lookup in progress

  // Whether describe() can name every frame that can be named at all.
  [[nodiscard]] bool knows(const Backtrace& backtrace) const;

  // Begins a lookup. False if another lookup is in progress or was begun within the last second
  // (kIntervalNs), or if no process can be made.
  bool start(const Backtrace& backtrace, std::uint64_t now_ns);
  // Whether a lookup is in progress. Takes over the result of one that has ended; call it on SIGCHLD.
  bool busy();
  // Ends a lookup without a result, because this process is about to become another program.
  void stop();

  // Returns one text for each frame: "baton::run_worker(...) at worker/worker.cpp:80" or "todo.so:
  // create(...) at todo.cpp:42"; where nothing better is known, "baton+0x4c048" or "0x7f...".
  [[nodiscard]] std::vector<std::string> describe(const Backtrace& backtrace) const;

 private:
  void take_result();

  // By ModuleImage::number(), or 0, and address.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> known_;
  pid_t child_ = -1;
  boost::interprocess::mapped_region result_;  // while a lookup is in progress
  Backtrace asked_;
  std::uint64_t last_start_ns_ = 0;
};

}  // namespace baton
