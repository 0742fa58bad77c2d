#include "common/http/negotiate.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "common/http/chars.h"
#include "common/http/field_list.h"

namespace baton::http {

namespace {

constexpr int kFullWeight = 1000;  // weights are counted in thousandths: they have at most three decimals

// A qvalue (RFC 9110 12.4.2): "0", "0.5", "1.000". Nothing if malformed.
std::optional<int> parse_weight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  int weight = (text[0] - '0') * kFullWeight;
  int unit = kFullWeight / 10;
  for (std::size_t i = 2; i < text.size(); ++i, unit /= 10) {
    if (!is_digit(text[i])) return std::nullopt;
    weight += (text[i] - '0') * unit;
  }
  if (weight > kFullWeight) return std::nullopt;
  return weight;
}

struct Preference {
  std::string_view name;  // the part before the first parameter
  int weight = kFullWeight;
};

// Reads `name *( ";" parameter )`. Nothing if the name is missing or a q parameter is malformed.
std::optional<Preference> parse_preference(std::string_view element) {
  Preference preference;
  preference.name = trim_spaces(take_piece(element, ';', Quoting::kQuotedString));
  if (preference.name.empty()) return std::nullopt;
  bool valid = true;
  for_each_piece(element, ';', Quoting::kQuotedString, [&](std::string_view parameter) {
    if (!iequals(parameter.substr(0, 2), "q=")) return;
    const std::optional<int> weight = parse_weight(parameter.substr(2));
    valid = valid && weight.has_value();
    preference.weight = weight.value_or(0);
  });
  if (!valid) return std::nullopt;
  return preference;
}

// Finds the weight of one media type among ranges of differing specificity.
class MediaWeight {
 public:
  MediaWeight(std::string_view full, std::string_view any_subtype) : ranges_{"*/*", any_subtype, full} {}

  void consider(const Preference& preference) {
    for (std::size_t i = specificity_; i < ranges_.size(); ++i) {
      if (!iequals(preference.name, ranges_[i])) continue;
      specificity_ = i;
      weight_ = preference.weight;
    }
  }

  [[nodiscard]] int weight() const { return weight_; }

 private:
  std::array<std::string_view, 3> ranges_;  // from the least specific to the most
  std::size_t specificity_ = 0;             // of the range that gave the weight
  int weight_ = 0;
};

}  // namespace

AcceptedCodings accepted_codings(const Request& request) {
  std::optional<int> brotli;
  std::optional<int> gzip;
  int others = 0;
  for_each_element(request, "accept-encoding", [&](std::string_view element) {
    const std::optional<Preference> preference = parse_preference(element);
    if (!preference) return;
    if (iequals(preference->name, "br")) brotli = preference->weight;
    if (iequals(preference->name, "gzip") || iequals(preference->name, "x-gzip")) gzip = preference->weight;
    if (preference->name == "*") others = preference->weight;
  });
  return {.brotli = brotli.value_or(others) > 0, .gzip = gzip.value_or(others) > 0};
}

bool prefers_json(const Request& request) {
  MediaWeight json("application/json", "application/*");
  MediaWeight html("text/html", "text/*");
  for_each_element(request, "accept", [&](std::string_view element) {
    const std::optional<Preference> preference = parse_preference(element);
    if (!preference) return;
    json.consider(*preference);
    html.consider(*preference);
  });
  return json.weight() > html.weight();
}

}  // namespace baton::http
