// The bodies of error responses.
#pragma once

#include <string>
#include <string_view>

namespace baton::serve {

// A page that needs nothing else to be fetched, in the reader's colour scheme. `detail` is a sentence for the
// reader, or empty; it is escaped, and what is not UTF-8 in it is shown as U+FFFD.
std::string error_html(int status, std::string_view detail);

// {"status":404,"error":"Not Found","detail":"..."}; "detail" is there even when it is empty.
std::string error_json(int status, std::string_view detail);

}  // namespace baton::serve
