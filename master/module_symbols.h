// Finds the functions and source lines of addresses in a module that this process has not loaded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "worker/route/module_image.h"

struct Dwfl;
struct Dwfl_Module;

namespace baton {

// Reads debugging information, which takes tens of milliseconds: Symbolizer does this in a process of its
// own. A stripped module yields the names of functions at best.
class ModuleSymbols {
 public:
  // Maps the image; its descriptor is not needed afterwards. If mapping fails, look_up() finds nothing.
  explicit ModuleSymbols(const app::ModuleImage& image);
  ModuleSymbols(const ModuleSymbols&) = delete;
  ModuleSymbols& operator=(const ModuleSymbols&) = delete;
  ~ModuleSymbols();

  // `address` is an address in the file, not in memory. Returns "create(Request const&) at todo.cpp:42", or
  // the part of it that is known; empty: nothing is.
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
