// Something to do, told to another thread.
#pragma once

#include <concepts>
#include <type_traits>

namespace baton::app {

// Without owning it: like a reference to a function object that outlives the call. An exception does not
// leave it, as it would go on in another thread's frames: it ends the process, and so does pthread_exit(3).
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
