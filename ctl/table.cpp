#include "ctl/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace baton::ctl {

namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kLeastFlexible = 8;

void append_cell(std::string& line, const std::string& cell, std::size_t width, Align align) {
  const std::size_t blanks = width > cell.size() ? width - cell.size() : 0;
  if (align == Align::kRight) line.append(blanks, ' ');
  line += cell;
  if (align == Align::kLeft) line.append(blanks, ' ');
}

void trim_end(std::string& line) {
  line.erase(line.find_last_not_of(' ') + 1);
}

}  // namespace

std::string cut(std::string text, std::size_t width) {
  if (text.size() <= width) return text;
  constexpr std::string_view kDots = "...";
  if (width <= kDots.size()) return text.substr(0, width);
  text.resize(width - kDots.size());
  return text.append(kDots);
}

std::string bold(std::string_view text, const Display& display) {
  return display.styled ? fmt::format("\x1b[1m{}\x1b[0m", text) : std::string(text);
}

void Table::add_row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths(const Display& display) const {
  std::vector<std::size_t> widths;
  std::size_t used = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = columns_[i].title.size();
    for (const auto& row : rows_) width = std::max(width, row[i].size());
    const bool flexible = i + 1 == columns_.size() && columns_[i].align == Align::kLeft;
    if (flexible) {
      const std::size_t left = display.width > used ? display.width - used : 0;
      width = std::min(width, std::max({left, columns_[i].title.size(), kLeastFlexible}));
    }
    widths.push_back(width);
    used += width + kGap;
  }
  return widths;
}

std::string Table::render(const Display& display) const {
  const std::vector<std::size_t> widths = this->widths(display);
  const auto line_of = [&](auto&& cell_of) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i != 0) line.append(kGap, ' ');
      append_cell(line, cut(cell_of(i), widths[i]), widths[i], columns_[i].align);
    }
    trim_end(line);
    return line;
  };
  std::string text = bold(line_of([this](std::size_t i) { return columns_[i].title; }), display) + '\n';
  for (const auto& row : rows_) text += line_of([&row](std::size_t i) { return row[i]; }) + '\n';
  return text;
}

}  // namespace baton::ctl
