// The fields of a message that is being made, in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::http {

// Names and values, kept as the lines that HTTP/1.1 sends. HTTP/1.1 appends them all at once; other
// framings take the pairs. Reused from message to message, so that it keeps its memory.
class Fields {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  // Neither part may hold CR or LF.
  void add(std::string_view name, std::string_view value);
  void add(const Fields& others);
  // Removes all fields of this name; case does not matter.
  void remove(std::string_view name);
  void clear();

  [[nodiscard]] bool has(std::string_view lower_case_name) const;
  [[nodiscard]] std::size_t size() const { return places_.size(); }
  // Valid until the next change.
  [[nodiscard]] Field operator[](std::size_t i) const;
  // Each line ends in CRLF.
  [[nodiscard]] std::string_view lines() const { return lines_; }

 private:
  struct Place {
    std::size_t begin;  // the line's
    std::size_t name;   // lengths
    std::size_t value;
  };

  std::string lines_;
  std::vector<Place> places_;
};

}  // namespace baton::http
