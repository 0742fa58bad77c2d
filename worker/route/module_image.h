// The code of a module, as it was when its generation began.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/unique_fd.h"

namespace baton::app {

// A sealed copy of the module's file in memory. Made by the master before it clones a generation of workers;
// const from then on. It serves two ends:
//
// - Every worker of the generation loads the copy, also a worker that is started later in the place of a dead
//   one. So all of them run the same code.
// - To write over the file, as cp(1) does, would change the code of workers that run it. No process can write
//   to the copy.
class ModuleImage {
 public:
  // Reads `path`. Throws std::runtime_error with a message for people if the file is not readable, or is not
  // a shared object.
  static std::shared_ptr<const ModuleImage> read(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] int fd() const { return fd_.get(); }  // a memfd, open as long as this object
  // Counts the images that this process has read. No other image ever gets this number.
  [[nodiscard]] std::uint64_t number() const { return number_; }

 private:
  ModuleImage(std::string path, UniqueFd fd, std::uint64_t number)
      : path_(std::move(path)), fd_(std::move(fd)), number_(number) {}

  std::string path_;
  UniqueFd fd_;
  std::uint64_t number_;
};

}  // namespace baton::app
