// The code of a module, as it was when its generation began.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/unique_fd.h"

namespace baton::app {

// A sealed copy of the file in memory, which every worker of the generation loads, also one that is started
// later in a dead one's place: a generation has one code. And writing over the file, as cp(1) does, would
// change the code under those that run it; the copy nobody can write to.
class ModuleImage {
 public:
  // Reads `path`. Throws std::runtime_error with a message for people: not readable, not a shared object.
  static std::shared_ptr<const ModuleImage> read(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] int fd() const { return fd_.get(); }  // a memfd
  // Of all that this process has read, in this order: no other one ever has it.
  [[nodiscard]] std::uint64_t number() const { return number_; }

 private:
  ModuleImage(std::string path, UniqueFd fd, std::uint64_t number)
      : path_(std::move(path)), fd_(std::move(fd)), number_(number) {}

  std::string path_;
  UniqueFd fd_;
  std::uint64_t number_;
};

}  // namespace baton::app
