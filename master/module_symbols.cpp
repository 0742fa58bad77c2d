#include "master/module_symbols.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdlib>
#include <optional>
#include <string_view>

#include "common/base/demangle.h"

namespace baton {

namespace {

// The path as the compiler was given it, if the file is in the folder in which the compiler was called.
std::string place(std::string_view file, std::string_view folder, int line) {
  if (!folder.empty() && file.starts_with(folder) && file.substr(folder.size()).starts_with('/'))
    file.remove_prefix(folder.size() + 1);
  if (file.starts_with("./")) file.remove_prefix(2);
  return fmt::format("{}:{}", file, line);
}

std::optional<Dwarf_Word> number_of(Dwarf_Die& die, unsigned attribute) {
  Dwarf_Attribute memory;
  Dwarf_Word value = 0;
  Dwarf_Attribute* const found = dwarf_attr(&die, attribute, &memory);
  if (found == nullptr || dwarf_formudata(found, &value) != 0) return std::nullopt;
  return value;
}

// If the code at `address` comes from functions that are inlined into another one, returns where in that
// function the outermost of these calls is. Else empty.
std::string outermost_call(Dwarf_Die& unit, Dwarf_Addr address, std::string_view folder) {
  const auto free_dies = [](Dwarf_Die* dies) { std::free(dies); };
  using Dies = std::unique_ptr<Dwarf_Die[], decltype(free_dies)>;
  Dwarf_Die* memory = nullptr;
  if (dwarf_getscopes(&unit, address, &memory) <= 0) return "";
  const Dies innermost(memory, free_dies);
  memory = nullptr;
  // The scopes of an inlined function's code continue with those around its definition. This call returns
  // those around the code instead.
  const int count = dwarf_getscopes_die(&innermost[0], &memory);
  if (count <= 0) return "";
  const Dies scopes(memory, free_dies);
  std::string call;
  for (int i = 0; i < count && dwarf_tag(&scopes[i]) != DW_TAG_subprogram; ++i) {
    if (dwarf_tag(&scopes[i]) != DW_TAG_inlined_subroutine) continue;
    Dwarf_Files* files = nullptr;
    const auto file = number_of(scopes[i], DW_AT_call_file);
    const auto line = number_of(scopes[i], DW_AT_call_line);
    if (!file || !line || dwarf_getsrcfiles(&unit, &files, nullptr) != 0) continue;
    const char* const name = dwarf_filesrc(files, *file, nullptr, nullptr);
    if (name != nullptr) call = place(name, folder, static_cast<int>(*line));
  }
  return call;
}

}  // namespace

ModuleSymbols::ModuleSymbols(const app::ModuleImage& image)
    : path_(image.path()), session_(nullptr, dwfl_end) {
  struct stat status {};
  if (::fstat(image.fd(), &status) != 0) return;
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, image.fd(), 0);
  if (memory == MAP_FAILED) return;
  bytes_ = static_cast<char*>(memory);
  size_ = size;
}

ModuleSymbols::~ModuleSymbols() {
  session_.reset();
  if (bytes_ != nullptr) ::munmap(bytes_, size_);
}

bool ModuleSymbols::open() {
  static const Dwfl_Callbacks kCallbacks{.find_elf = dwfl_build_id_find_elf,
                                         .find_debuginfo = dwfl_standard_find_debuginfo,
                                         .section_address = dwfl_offline_section_address,
                                         .debuginfo_path = nullptr};
  if (session_) return module_ != nullptr;
  session_.reset(dwfl_begin(&kCallbacks));
  if (!session_ || bytes_ == nullptr) return false;
  dwfl_report_begin(session_.get());
  module_ = dwfl_report_offline_memory(session_.get(), path_.c_str(), path_.c_str(), bytes_, size_);
  dwfl_report_end(session_.get(), nullptr, nullptr);
  GElf_Addr bias = 0;
  if (module_ != nullptr && dwfl_module_getelf(module_, &bias) == nullptr) module_ = nullptr;
  bias_ = bias;
  return module_ != nullptr;
}

std::string ModuleSymbols::look_up(std::uint64_t address) {
  if (!open()) return "";
  const Dwarf_Addr at = address + bias_;
  const char* const symbol = dwfl_module_addrname(module_, at);
  if (symbol == nullptr) return "";
  std::string text = demangled(symbol);
  Dwfl_Line* const line = dwfl_module_getsrc(module_, at);
  int number = 0;
  const char* const file =
      line == nullptr ? nullptr : dwfl_lineinfo(line, nullptr, &number, nullptr, nullptr, nullptr);
  if (file == nullptr) return text;
  const char* const known_folder = dwfl_line_comp_dir(line);
  const std::string_view folder = known_folder == nullptr ? "" : known_folder;
  text += " at " + place(file, folder, number);
  Dwarf_Addr dwarf_bias = 0;
  Dwarf_Die* const unit = dwfl_module_addrdie(module_, at, &dwarf_bias);
  if (unit == nullptr) return text;
  const std::string call = outermost_call(*unit, at - dwarf_bias, folder);
  return call.empty() ? text : text + ", inlined at " + call;
}

}  // namespace baton
