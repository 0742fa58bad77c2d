// Finds the handler of a module for a request.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/request.h"

namespace baton::app {

constexpr std::size_t kMaxParams = 16;

struct Param {
  std::string_view name;   // in the pattern
  std::string_view value;  // in the path
};

// A tree of path segments. If several patterns match, the more literal one wins, segment by segment from the
// left: "/users/me" before "/users/:id" before "/users/*rest". find() looks at each node of the tree once at
// most, whatever the path is. So its cost is bounded by the segments of the path and the patterns that could
// match it.
//
// Const once all patterns are added; any thread may then call find().
class RouteTable {
 public:
  using Handler = std::uint32_t;  // a number that the caller chooses

  // A method; nothing: all methods.
  using Methods = std::optional<http::Method>;

  // Adds a pattern. Returns what is wrong with it; empty: the pattern has been added.
  std::string add(Methods method, std::string_view pattern, Handler handler);

  struct Match {
    bool path_found = false;         // some method has a handler for the path
    std::optional<Handler> handler;  // for the method of the request
    std::string allow;               // value of Allow, if path_found and there is no handler
    std::array<Param, kMaxParams> params;
    std::size_t param_count = 0;
  };
  // `path` is decoded and begins with '/'. The views in `match` are of `path` and of this table. A path
  // without a handler for HEAD uses that for GET.
  void find(http::Method method, std::string_view path, Match& match) const;

 private:
  static constexpr std::size_t kMethods = 9;

  // The handler that a whole pattern leads to. Each handler has its own parameter names.
  struct Target {
    Handler handler;
    std::vector<std::string> names;
  };
  struct Targets {
    std::array<std::optional<Target>, kMethods> by_method;
    std::optional<Target> any;
    [[nodiscard]] bool empty() const;
    [[nodiscard]] const Target* find(http::Method method) const;
    [[nodiscard]] std::uint32_t offered_methods() const;  // 1 << http::Method
  };
  struct Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
    std::unique_ptr<Node> param;
    Targets here;  // the pattern ends here
    Targets rest;  // the pattern ends in "*name" here
  };
  struct Walk;

  static const Targets* descend(const Node& node, std::string_view rest, Walk& walk);

  Node root_;
};

}  // namespace baton::app
