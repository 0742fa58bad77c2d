#include "worker/app/route_table.h"

#include <algorithm>
#include <iterator>
#include <set>

namespace baton::app {

namespace {

// The first segment of a path without its leading slash, and the rest. "a/b" -> "a", "b"; "a/" -> "a", "",
// and not the last.
struct Segment {
  std::string_view text;
  std::string_view rest;
  bool last = true;
};

Segment first_segment(std::string_view path) {
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return {path, {}, true};
  return {path.substr(0, slash), path.substr(slash + 1), false};
}

std::string quoted(std::string_view pattern) {
  return "the pattern '" + std::string(pattern) + "'";
}

constexpr std::string_view kMethodNames[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                             "CONNECT", "OPTIONS", "TRACE", "PATCH"};

bool offered(http::Method method) {
  return method != http::Method::kConnect && method != http::Method::kOptions &&
         method != http::Method::kTrace;
}

std::string allow(std::uint32_t methods) {
  std::string text;
  for (std::size_t i = 0; i < std::size(kMethodNames); ++i) {
    if ((methods >> i & 1U) != 0) text.append(kMethodNames[i]).append(", ");
  }
  return text + "OPTIONS";
}

}  // namespace

// The state of a search. The next branch overwrites the values that a dead end has captured.
struct RouteTable::Walk {
  http::Method method;
  std::array<std::string_view, kMaxParams> values;
  std::size_t depth = 0;
  std::uint32_t offered = 0;    // methods of patterns that match the path but not the method: bits
  std::size_t value_count = 0;  // values of the match
};

bool RouteTable::Targets::empty() const {
  return !any && std::none_of(by_method.begin(), by_method.end(),
                              [](const auto& target) { return target.has_value(); });
}

const RouteTable::Target* RouteTable::Targets::find(http::Method method) const {
  if (!offered(method)) return nullptr;
  if (const auto& own = by_method[static_cast<std::size_t>(method)]) return &*own;
  if (method == http::Method::kHead) return find(http::Method::kGet);
  return any ? &*any : nullptr;
}

std::uint32_t RouteTable::Targets::offered_methods() const {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < kMethods; ++i) {
    if (find(static_cast<http::Method>(i)) != nullptr) bits |= 1U << i;
  }
  return bits;
}

std::string RouteTable::add(Methods method, std::string_view pattern, Handler handler) {
  if (!pattern.starts_with('/')) return quoted(pattern) + " does not begin with '/'";
  if (method && !offered(*method)) return quoted(pattern) + " is for a method that baton answers itself";
  Node* node = &root_;
  Targets* targets = nullptr;
  std::vector<std::string> names;
  std::set<std::string_view> seen;
  std::string_view rest = pattern.substr(1);
  bool last = false;
  while (!last) {
    const Segment segment = first_segment(rest);
    rest = segment.rest;
    last = segment.last;
    const bool captures = segment.text.starts_with(':') || segment.text.starts_with('*');
    const std::string_view name = captures ? segment.text.substr(1) : std::string_view{};
    if (captures && (name.empty() || !seen.insert(name).second))
      return quoted(pattern) +
             (name.empty() ? " has a parameter without a name" : " has two parameters of one name");
    if (captures) names.emplace_back(name);
    if (segment.text.empty() && !last) return quoted(pattern) + " has an empty segment";
    if (segment.text.starts_with('*')) {
      if (!last)
        return quoted(pattern) + " goes on after '" + std::string(segment.text) +
               "', which takes all that follows";
      targets = &node->rest;
    } else if (segment.text.starts_with(':')) {
      if (!node->param) node->param = std::make_unique<Node>();
      node = node->param.get();
    } else {
      auto& child = node->literals[std::string(segment.text)];
      if (!child) child = std::make_unique<Node>();
      node = child.get();
    }
  }
  if (names.size() > kMaxParams)
    return quoted(pattern) + " has more than " + std::to_string(kMaxParams) + " parameters";
  if (targets == nullptr) targets = &node->here;
  std::optional<Target>& place =
      method ? targets->by_method[static_cast<std::size_t>(*method)] : targets->any;
  if (place) return quoted(pattern) + " has a handler for this method already";
  place = Target{handler, std::move(names)};
  return {};
}

// Returns the targets that have the method, or null. `rest` is the path from `node` on, without a leading
// slash.
const RouteTable::Targets* RouteTable::descend(const Node& node, std::string_view rest, Walk& walk) {
  const auto matches = [&walk](const Targets& targets) {
    if (targets.empty()) return false;
    if (targets.find(walk.method) != nullptr) return true;
    walk.offered |= targets.offered_methods();
    return false;
  };
  const Segment segment = first_segment(rest);
  const auto into = [&](const Node& child) -> const Targets* {
    if (!segment.last) return descend(child, segment.rest, walk);
    if (!matches(child.here)) return nullptr;
    walk.value_count = walk.depth;
    return &child.here;
  };
  if (const auto literal = node.literals.find(segment.text); literal != node.literals.end()) {
    if (const Targets* found = into(*literal->second)) return found;
  }
  if (node.param && !segment.text.empty() && walk.depth < kMaxParams) {
    walk.values[walk.depth++] = segment.text;
    if (const Targets* found = into(*node.param)) return found;
    --walk.depth;
  }
  if (walk.depth < kMaxParams && matches(node.rest)) {
    walk.values[walk.depth] = rest;
    walk.value_count = walk.depth + 1;
    return &node.rest;
  }
  return nullptr;
}

void RouteTable::find(http::Method method, std::string_view path, Match& match) const {
  match.path_found = false;
  match.handler.reset();
  match.param_count = 0;
  if (path.starts_with('/')) path.remove_prefix(1);
  Walk walk{method, {}};
  const Targets* const targets = descend(root_, path, walk);
  if (targets == nullptr) {
    match.path_found = walk.offered != 0;
    if (match.path_found) match.allow = allow(walk.offered);
    return;
  }
  const Target& target = *targets->find(method);
  match.path_found = true;
  match.handler = target.handler;
  match.param_count = walk.value_count;
  for (std::size_t i = 0; i < walk.value_count; ++i) match.params[i] = {target.names[i], walk.values[i]};
}

}  // namespace baton::app
