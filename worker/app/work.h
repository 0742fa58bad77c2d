// A call that one thread hands to another.
#pragma once

#include <concepts>
#include <type_traits>

namespace baton::app {

// Refers to a function object, which outlives the call; does not own it. An exception that leaves the
// function ends the process, because it would go on in the frames of another thread. So does
// pthread_exit(3).
class Work {
 public:
  Work() = default;
  template <typename Fn>
  requires(!std::same_as<std::remove_cv_t<Fn>, Work>) explicit Work(Fn& fn)
      : object_(&fn), call_([](void* object) { (*static_cast<Fn*>(object))(); }) {}
  void operator()() const noexcept { call_(object_); }

 private:
  void* object_ = nullptr;
  void (*call_)(void*) = nullptr;
};

}  // namespace baton::app
