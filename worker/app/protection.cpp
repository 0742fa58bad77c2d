#include "worker/app/protection.h"

#include <sys/mman.h>

#include "common/base/without.h"

namespace baton::app {

namespace {

int key = -1;

}  // namespace

bool Protection::guard(void* memory, std::size_t bytes) {
  if (key < 0 && !without(Ability::kProtectionKeys)) key = ::pkey_alloc(0, 0);
  return key >= 0 && ::pkey_mprotect(memory, bytes, PROT_READ | PROT_WRITE, key) == 0;
}

void Protection::deny() {
  if (key >= 0) ::pkey_set(key, PKEY_DISABLE_WRITE);
}

void Protection::allow() {
  if (key >= 0) ::pkey_set(key, 0);
}

Protection::Writing::Writing() {
  if (key < 0) return;
  before_ = ::pkey_get(key);
  ::pkey_set(key, 0);
}

Protection::Writing::~Writing() {
  if (key >= 0) ::pkey_set(key, static_cast<unsigned>(before_));
}

}  // namespace baton::app
