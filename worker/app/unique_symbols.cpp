#include "worker/app/unique_symbols.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/base/demangle.h"

namespace baton::app {

namespace {

// An object's dynamic symbols, as the loader has mapped them.
struct DynamicSymbols {
  const ElfW(Sym) * table = nullptr;
  const char* names = nullptr;
  const std::uint32_t* gnu_hash = nullptr;
  const std::uint32_t* hash = nullptr;  // the older kind
};

DynamicSymbols symbols_of(const link_map& object) {
  DynamicSymbols symbols;
  for (const ElfW(Dyn)* entry = object.l_ld; entry->d_tag != DT_NULL; ++entry) {
    const auto* const at = std::bit_cast<const char*>(entry->d_un.d_ptr);
    switch (entry->d_tag) {
      case DT_SYMTAB: symbols.table = reinterpret_cast<const ElfW(Sym)*>(at); break;
      case DT_STRTAB: symbols.names = at; break;
      case DT_GNU_HASH: symbols.gnu_hash = reinterpret_cast<const std::uint32_t*>(at); break;
      case DT_HASH: symbols.hash = reinterpret_cast<const std::uint32_t*>(at); break;
      default: break;
    }
  }
  return symbols;
}

// The number of symbols. With a GNU hash table it stands nowhere: it is where the last chain ends.
std::size_t count(const DynamicSymbols& symbols) {
  if (symbols.hash != nullptr) return symbols.hash[1];
  if (symbols.gnu_hash == nullptr) return 0;
  const std::uint32_t buckets = symbols.gnu_hash[0];
  const std::uint32_t first = symbols.gnu_hash[1];
  const std::uint32_t bloom_words = symbols.gnu_hash[2];
  const std::uint32_t* const bucket = symbols.gnu_hash + 4 + bloom_words * (sizeof(ElfW(Addr)) / 4);
  const std::uint32_t* const chain = bucket + buckets;
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < buckets; ++i) last = std::max(last, bucket[i]);
  if (last < first) return first;
  while ((chain[last - first] & 1) == 0) ++last;
  return last + 1;
}

// Symbols of the library's templates do not count as its own: they may be made with a module's types.
bool of_the_standard_library(std::string_view name) {
  constexpr std::string_view kGuard = "guard variable for ";
  if (name.starts_with(kGuard)) name.remove_prefix(kGuard.size());
  return name.starts_with("std::") && name.find('<') == std::string_view::npos;
}

}  // namespace

std::vector<ForeignSymbol> foreign_symbols(void* handle) {
  std::vector<ForeignSymbol> foreign;
  link_map* own = nullptr;
  if (::dlinfo(handle, RTLD_DI_LINKMAP, static_cast<void*>(&own)) != 0) return foreign;
  const DynamicSymbols symbols = symbols_of(*own);
  if (symbols.table == nullptr || symbols.names == nullptr) return foreign;
  for (const ElfW(Sym) & symbol : std::span(symbols.table, count(symbols))) {
    if (ELF64_ST_BIND(symbol.st_info) != STB_GNU_UNIQUE || symbol.st_shndx == SHN_UNDEF) continue;
    const char* const name = symbols.names + symbol.st_name;
    const void* const bound = ::dlsym(handle, name);
    Dl_info info{};
    link_map* owner = nullptr;
    if (bound == nullptr || ::dladdr1(bound, &info, reinterpret_cast<void**>(&owner), RTLD_DL_LINKMAP) == 0 ||
        owner == own)
      continue;
    std::string readable = demangled(name);
    if (!of_the_standard_library(readable)) foreign.push_back({std::move(readable), owner->l_name});
  }
  return foreign;
}

}  // namespace baton::app
