// The bodies of error responses.
#pragma once

#include <string>
#include <string_view>

#include "common/http/reply.h"

namespace baton::http {

// A page that needs no further file, in the reader's colour scheme. `detail` is a sentence for the reader,
// or empty. It is escaped, and bytes in it that are not UTF-8 are shown as U+FFFD.
std::string error_html(int status, std::string_view detail);

// {"status":404,"error":"Not Found","detail":"..."}; "detail" is present even when it is empty.
std::string error_json(int status, std::string_view detail);

// Makes the reply an error with one of these bodies.
void error_reply(Reply& reply, bool json, int status, std::string_view detail);

}  // namespace baton::http
