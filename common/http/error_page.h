// The bodies of error responses.
#pragma once

#include <string>
#include <string_view>

#include "common/http/reply.h"

namespace baton::http {

// A page that needs nothing else to be fetched, in the reader's colour scheme. `detail` is a sentence for the
// reader, or empty; it is escaped, and what is not UTF-8 in it is shown as U+FFFD.
std::string error_html(int status, std::string_view detail);

// {"status":404,"error":"Not Found","detail":"..."}; "detail" is there even when it is empty.
std::string error_json(int status, std::string_view detail);

// Makes the reply an error with such a body.
void error_reply(Reply& reply, bool json, int status, std::string_view detail);

}  // namespace baton::http
