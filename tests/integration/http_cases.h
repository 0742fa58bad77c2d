// What a strict server makes of each kind of request, as raw bytes: one entry or more for every rule of RFC
// 9112 and RFC 9110 on it, numbered.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "tests/support/client.h"
#include "tests/support/temp_dir.h"

namespace baton::test {

// What becomes of the connection after the answer.
enum class After {
  kCloses,  // no further byte, then the end
  kKeeps,   // the next request is answered: nothing of this one was left over, nothing of the next one eaten
  kEither,  // the rule leaves it open, but there is no second answer
};

struct HttpCase {
  int row;           // which rule
  std::string what;  // letters and digits only: part of the test's name
  std::string request;
  int status;
  After after = After::kCloses;
  void (*check)(const Response&) = nullptr;  // what else must hold of the answer
  bool head = false;                         // the answer has no body
  bool may_continue = false;                 // a 100 may come first
  bool cut = false;                          // the client shuts down its side behind the bytes
};

// Names the case where a failure names its parameter.
inline std::ostream& operator<<(std::ostream& out, const HttpCase& http_case) {
  return out << "row " << http_case.row << ", " << http_case.what;
}

// All are for a server with the routes of http_cases_config().
std::vector<HttpCase> request_line_cases();
std::vector<HttpCase> host_and_field_cases();
std::vector<HttpCase> framing_cases();
std::vector<HttpCase> chunk_cases();
std::vector<HttpCase> connection_cases();
std::vector<HttpCase> resource_cases();

// Makes the files below `folder` that the cases ask for; returns the configuration that serves them. /ok
// answers "ok\n" to GET and POST, the host other.example answers "other\n", everything else is a file.
std::string http_cases_config(const TempDir& folder);

}  // namespace baton::test
