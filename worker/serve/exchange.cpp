#include "worker/serve/exchange.h"

#include "worker/http/negotiate.h"
#include "worker/serve/error_page.h"

namespace baton::serve {

void error_reply(http::Reply& reply, bool json, int status, std::string_view detail) {
  reply.status = status;
  reply.content_type = json ? "application/json" : "text/html; charset=utf-8";
  reply.text = json ? error_json(status, detail) : error_html(status, detail);
  reply.header("Vary", "Accept");
  reply.use_text();
}

void error_reply(Exchange& exchange, int status, std::string_view detail) {
  error_reply(exchange.reply, http::prefers_json(exchange.request), status, detail);
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
