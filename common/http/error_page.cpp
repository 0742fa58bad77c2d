#include "common/http/error_page.h"

#include <nlohmann/json.hpp>

#include "common/http/html.h"
#include "common/http/status.h"

namespace baton::http {

namespace {

constexpr std::string_view kStyle =
    "<style>:root{color-scheme:light dark}"
    "body{margin:0 auto;max-width:34rem;padding:15vh 1rem 1rem;font:1rem/1.5 "
    "system-ui,sans-serif;overflow-wrap:anywhere}"
    "h1{margin:0;font-size:1.5rem}</style>\n";

}  // namespace

std::string error_html(int status, std::string_view detail) {
  const std::string title = std::to_string(status) + " " + std::string(reason_phrase(status));
  std::string html =
      "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n";
  html += "<title>" + title + "</title>\n";
  html += kStyle;
  html += "<h1>" + title + "</h1>\n";
  if (!detail.empty()) html += "<p>" + escape_html(displayable(detail)) + "</p>\n";
  return html + "</html>\n";
}

std::string error_json(int status, std::string_view detail) {
  using nlohmann::ordered_json;
  const ordered_json page = {{"status", status}, {"error", reason_phrase(status)}, {"detail", detail}};
  return page.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

void error_reply(Reply& reply, bool json, int status, std::string_view detail) {
  reply.status = status;
  reply.content_type = json ? "application/json" : "text/html; charset=utf-8";
  reply.text = json ? error_json(status, detail) : error_html(status, detail);
  reply.header("Vary", "Accept");
  reply.use_text();
}

}  // namespace baton::http
