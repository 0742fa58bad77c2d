// A module that says which build of it is running.
#pragma once

#include "tests/modules/module.h"

inline const char* version_text = nullptr;

inline void say_version(void*, const baton_request*, baton_response* response) {
  test_module::host->set_body(response, test_module::text(version_text));
}

inline void say_pid(void*, const baton_request*, baton_response* response) {
  test_module::host->set_body(response, test_module::text(std::to_string(::getpid())));
}

inline int set_up_version(const baton_host* functions, baton_setup* setup) {
  test_module::begin(functions, setup);
  test_module::add(setup, test_module::route("GET", "/version", say_version));
  test_module::add(setup, test_module::route("GET", "/pid", say_pid));
  return 0;
}

inline const baton_module* version_module(const char* text) {
  version_text = text;
  static constexpr baton_module kModule{sizeof(baton_module), BATON_ABI_MAJOR, BATON_ABI_MINOR,
                                        set_up_version};
  return &kModule;
}
