// Something to do, told to another thread.
#pragma once

namespace baton::app {

// Without owning it: like a reference to a function object that outlives the call.
class Work {
 public:
  Work() = default;
  template <typename Fn>
  explicit Work(Fn& fn) : object_(&fn), call_([](void* object) { (*static_cast<Fn*>(object))(); }) {}
  void operator()() const { call_(object_); }

 private:
  void* object_ = nullptr;
  void (*call_)(void*) = nullptr;
};

}  // namespace baton::app
