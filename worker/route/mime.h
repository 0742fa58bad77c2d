// Media types by file name.
#pragma once

#include <istream>
#include <string>
#include <string_view>
#include <unordered_map>

namespace baton::serve {

// Built once per generation, by the master, because reading the file costs a worker more than all else at its
// start; const afterwards.
class MimeTypes {
 public:
  // Reads a mime.types file ("type ext ext ...", '#' begins a comment); entries it lacks come from a built-in
  // list of common web types. Lines whose first word is not a media type are passed over; of several types
  // for one extension the last stands. A missing or unreadable file leaves just the built-in list.
  explicit MimeTypes(const std::string& file = "/etc/mime.types");

  // The Content-Type for a file name, by its last extension, case-insensitively. Text types (text/*,
  // JavaScript, JSON, XML, SVG) carry "; charset=utf-8". Unknown: "application/octet-stream". A name whose
  // only dot begins it (".profile") has no extension. The view is valid as long as this object is.
  [[nodiscard]] std::string_view type_of(std::string_view file_name) const;

 private:
  void read(std::istream& input);
  void add(std::string_view type, std::string_view extension);

  // From an extension in lower case to a whole Content-Type.
  std::unordered_map<std::string, std::string> by_extension_;
};

}  // namespace baton::serve
