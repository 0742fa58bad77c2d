// Names of functions and places in the source of a module, which this process has not loaded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "worker/route/module_image.h"

struct Dwfl;
struct Dwfl_Module;

namespace baton {

// Reads debugging information, which takes tens of milliseconds: see Symbolizer for where. A module that was
// stripped has at best the names of functions.
class ModuleSymbols {
 public:
  // Maps the image; its descriptor is not needed any more afterwards. Where that fails nothing has a name.
  explicit ModuleSymbols(const app::ModuleImage& image);
  ModuleSymbols(const ModuleSymbols&) = delete;
  ModuleSymbols& operator=(const ModuleSymbols&) = delete;
  ~ModuleSymbols();

  // `address` is one of the file's. "create(Request const&) at todo.cpp:42", or with less that is known;
  // empty: nothing.
  std::string look_up(std::uint64_t address);

 private:
  bool open();

  std::string path_;
  char* bytes_ = nullptr;
  std::size_t size_ = 0;
  std::unique_ptr<Dwfl, void (*)(Dwfl*)> session_;
  Dwfl_Module* module_ = nullptr;
  std::uint64_t bias_ = 0;  // what elfutils adds to the addresses in the file
};

}  // namespace baton
