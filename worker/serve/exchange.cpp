#include "worker/serve/exchange.h"

#include "common/http/error_page.h"
#include "common/http/negotiate.h"

namespace baton::serve {

void error_reply(Exchange& exchange, int status, std::string_view detail) {
  http::error_reply(exchange.reply, http::prefers_json(exchange.request), status, detail);
}

void method_not_allowed(Exchange& exchange, std::string_view allow) {
  if (exchange.request.method == http::Method::kOptions) {
    exchange.reply.status = 204;
  } else {
    error_reply(exchange, 405);
  }
  exchange.reply.header("Allow", allow);
}

}  // namespace baton::serve
