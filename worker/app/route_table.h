// Which handler of a module a request is for.
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
  std::string_view name;   // of the pattern
  std::string_view value;  // of the path
};

// A tree of path segments. Where several patterns match, the more literal one wins, segment by segment from
// the left: "/users/me" before "/users/:id" before "/users/*rest". Finding looks at each node of the tree
// once at most, whatever the path: it costs the segments of the path, and of the patterns those that it could
// be.
class RouteTable {
 public:
  using Handler = std::uint32_t;  // a number of the caller's

  // A method, or all of them.
  using Methods = std::optional<http::Method>;

  // Returns what is wrong with the pattern; empty: it has been added.
  std::string add(Methods method, std::string_view pattern, Handler handler);

  struct Match {
    bool path_found = false;         // some method has a handler for the path
    std::optional<Handler> handler;  // for the method of the request
    std::string allow;               // path_found and no handler: the value of Allow
    std::array<Param, kMaxParams> params;
    std::size_t param_count = 0;
  };
  // `path` is decoded and begins with '/'; the views in `match` are of it and of this table. HEAD is served
  // by the handler of GET where it has none of its own.
  void find(http::Method method, std::string_view path, Match& match) const;

 private:
  static constexpr std::size_t kMethods = 9;

  // What a whole pattern leads to. Each handler has parameter names of its own.
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
