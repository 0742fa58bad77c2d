// Text tables for a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace baton::ctl {

// What is known of the reader.
struct Display {
  std::size_t width = 100;  // columns; tables keep to it where their fixed columns allow
  bool styled = false;      // bold headings: only for a terminal, and not where NO_COLOR is set
};

// Cut to `width` columns, the last three "..." where something is missing.
std::string cut(std::string text, std::size_t width);

std::string bold(std::string_view text, const Display& display);

enum class Align : unsigned char { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

// Columns are as wide as their widest cell; the last one, if left-aligned, is cut to what the display has
// left, but never below its title or 8 columns. Cells are printable ASCII.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as there are columns; missing ones are empty.
  void add_row(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }

  // Heading and rows, each line ended by '\n', without trailing blanks.
  [[nodiscard]] std::string render(const Display& display) const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths(const Display& display) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace baton::ctl
