// Finds out, independently of baton, which of baton's optional abilities this machine has: so that a test
// expects what is right on this machine.
#pragma once

#include <string>

#include "common/base/without.h"

namespace baton::test {

// Whether the machine has `ability`, and BATON_WITHOUT does not forbid it.
bool has(Ability ability);

// Whether handlers begin on the event thread (worker/app/borrowed_thread.h).
bool stands_in();

// While this lives, programs that are started must do without these abilities as well: "dispatch,pkeys".
class Without {
 public:
  explicit Without(const std::string& names);
  Without(const Without&) = delete;
  Without& operator=(const Without&) = delete;
  ~Without();

 private:
  std::string before_;
};

}  // namespace baton::test
