// A module made of one function, set up with a fake host.
#pragma once

#include <baton/module.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "tests/sdk/fake_host.h"

namespace baton::test {

// What BATON_MODULE defines, for a body that differs from test to test.
inline std::function<void(Module&)> module_body;
inline void run_module_body(Module& m) {
  module_body(m);
}

class ModuleUnderTest {
 public:
  explicit ModuleUnderTest(std::function<void(Module&)> body, std::string config = "{}") {
    module_body = std::move(body);
    host.config = std::move(config);
    set_up_result = host.set_up(detail::description<&run_module_body>);
  }

  FakeHost host;
  int set_up_result = -1;
};

// Runs `handler` on the request and returns the response.
template <typename Callable>
FakeResponse run_handler(Callable handler, const FakeRequest& request = {}) {
  ModuleUnderTest module([&](Module& m) { m.any("/", handler); });
  EXPECT_EQ(module.set_up_result, 0);
  return module.host.call("/", request);
}

}  // namespace baton::test
