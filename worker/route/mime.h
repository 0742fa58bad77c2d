// Finds media types by file name.
#pragma once

#include <istream>
#include <string>
#include <string_view>
#include <unordered_map>

namespace baton::serve {

// The master builds it once per generation, because to read the file would cost a worker more than all the
// rest of its start. Const afterwards, so any process and thread may use it.
class MimeTypes {
 public:
  // Begins with a built-in list of common web types, then reads a mime.types file ("type ext ext ...", '#'
  // begins a comment). Lines whose first word is not a media type are skipped. If an extension has several
  // types, the last one counts. If the file is missing or unreadable, only the built-in list is used.
  explicit MimeTypes(const std::string& file = "/etc/mime.types");

  // Returns the Content-Type for a file name, by its last extension, in any case of letters. Text types
  // (text/*, JavaScript, JSON, XML, SVG) carry "; charset=utf-8". Unknown: "application/octet-stream". A name
  // whose only dot begins it (".profile") has no extension. The view is valid as long as this object.
  [[nodiscard]] std::string_view type_of(std::string_view file_name) const;

 private:
  void read(std::istream& input);
  void add(std::string_view type, std::string_view extension);

  // From an extension in lower case to a whole Content-Type.
  std::unordered_map<std::string, std::string> by_extension_;
};

}  // namespace baton::serve
