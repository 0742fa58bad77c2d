// Text tables for a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace baton::ctl {

// What is known about the terminal.
struct Display {
  std::size_t width = 100;  // in columns; tables keep to it if their fixed columns allow
  bool styled = false;      // bold headings: only on a terminal, and not if NO_COLOR is set
};

// Cuts `text` to `width` columns; if something is missing, the last three are "...".
std::string cut(std::string text, std::size_t width);

std::string bold(std::string_view text, const Display& display);

enum class Align : unsigned char { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

// Each column is as wide as its widest cell. If the last column is left-aligned, it is cut to what the
// display has left, but not below the width of its title, nor below 8. Cells are printable ASCII.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Takes at most as many cells as there are columns; missing cells are empty.
  void add_row(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }

  // Returns heading and rows; each line ends with '\n' and has no trailing blanks.
  [[nodiscard]] std::string render(const Display& display) const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths(const Display& display) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace baton::ctl
