// What this machine has of what baton can do without, found out independently of it: so that a test expects
// what is right where it runs.
#pragma once

#include <string>

#include "common/base/without.h"

namespace baton::test {

// And BATON_WITHOUT leaves it alone.
bool has(Ability ability);

// Whether handlers begin on the event thread (worker/app/borrowed_thread.h).
bool stands_in();

// The programs that are started while this lives are told to do without these, too: "dispatch,pkeys".
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
