/* A module in plain C: sdk/baton/abi.h is C99 and asks for nothing else. */
#include <string.h>

#include "sdk/baton/abi.h"

static const baton_host* host;

static baton_text text(const char* string) {
  baton_text result;
  result.data = string;
  result.size = strlen(string);
  return result;
}

static void hello(void* user, const baton_request* request, baton_response* response) {
  host->set_header(response, text("Content-Type"), text("text/plain"), 1);
  host->set_body(response, text(user));
  host->write(response, request->path);
}

static int setup(const baton_host* table, baton_setup* setup) {
  static char greeting[] = "hello from C to ";
  baton_route route;
  host = table;
  memset(&route, 0, sizeof route);
  route.struct_size = sizeof route;
  route.method = text("GET");
  route.pattern = text("/hello");
  route.handler = hello;
  route.user = greeting;
  route.timeout_ms = route.max_body = route.max_concurrency = route.retries = route.idempotent = BATON_UNSET;
  host->add_route(setup, &route);
  return 0;
}

const baton_module* baton_c99_module(void);

/* As baton_module_entry would, but the test program has one of those already. */
const baton_module* baton_c99_module(void) {
  static const baton_module module = {sizeof(baton_module), BATON_ABI_MAJOR, BATON_ABI_MINOR, setup};
  return &module;
}
