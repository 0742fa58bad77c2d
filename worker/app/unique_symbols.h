// What two modules share although each is loaded with symbols of its own.
#pragma once

#include <string>
#include <vector>

namespace baton::app {

// The compiler marks variables of inline functions, inline variables and static members of templates as
// STB_GNU_UNIQUE, and of such a symbol the loader keeps one in a process, RTLD_LOCAL or not: whoever is
// loaded later uses the one that is there. Where the types of the two differ, that is another object.
struct ForeignSymbol {
  std::string name;    // of C++, as people write it
  std::string object;  // whose it is: the name that it was loaded by
};

// Of the symbols that the shared object of `handle`, from dlopen(3), defines as unique, those that are bound
// to another object's. Not those of the standard library's own, which are the same in all. Reads what the
// loader has mapped, which is the module's to spoil.
std::vector<ForeignSymbol> foreign_symbols(void* handle);

}  // namespace baton::app
