// Finds symbols that two modules share, although each is loaded with symbols of its own.
#pragma once

#include <string>
#include <vector>

namespace baton::app {

// The compiler marks variables of inline functions, inline variables and static members of templates as
// STB_GNU_UNIQUE. Of such a symbol the loader keeps one in a process, RTLD_LOCAL or not: a module that is
// loaded later uses the symbol of the module before it. If the types of the two differ, the later module uses
// an object of a wrong type.
struct ForeignSymbol {
  std::string name;    // the C++ name, as people write it
  std::string object;  // the object that the symbol is bound to: the name that it was loaded by
};

// Returns the unique symbols that a shared object defines, but that are bound to another object. `handle` is
// from dlopen(3). Leaves out symbols of the standard library itself, which are the same in all. Reads memory
// that the loader has mapped and that the module can spoil.
std::vector<ForeignSymbol> foreign_symbols(void* handle);

}  // namespace baton::app
