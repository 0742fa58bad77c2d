// A module that keeps a number in each kind of variable of which a careless process has only one.
#pragma once

#include "tests/modules/module.h"

namespace statics {

template <int Fields>
struct Padding {
  long fields[Fields] = {};
};

// Of another layout in each module: see STATICS_LAYOUT.
struct Number : Padding<STATICS_LAYOUT * 8> {
  int value = STATICS_LAYOUT;
};

inline Number inline_variable;

template <typename T>
struct Holder {
  static T held;
};
template <typename T>
T Holder<T>::held{};

inline Number& of_function() {
  static Number number;
  return number;
}

inline void say_numbers(void*, const baton_request*, baton_response* response) {
  std::string all;
  for (const Number* number : {&inline_variable, &Holder<Number>::held, &of_function()})
    all += std::to_string(number->value) + " ";
  test_module::host->set_body(response, test_module::text(all));
}

inline int set_up(const baton_host* functions, baton_setup* setup) {
  test_module::begin(functions, setup);
  test_module::add(setup, test_module::route("GET", "/", say_numbers));
  return 0;
}

constexpr baton_module kModule{sizeof(baton_module), BATON_ABI_MAJOR, BATON_ABI_MINOR, set_up};

}  // namespace statics

extern "C" BATON_EXPORT const baton_module* baton_module_entry() {
  return &statics::kModule;
}
