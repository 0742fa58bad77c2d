/* A module whose functions a post-mortem is to name. */
#include <baton/abi.h>

static const baton_host* host;

static baton_text text(const char* string) {
  baton_text result = {string, 0};
  while (string[result.size] != '\0') ++result.size;
  return result;
}

__attribute__((noipa)) static void write_to(volatile int* place) {
  *place = 42;
}

__attribute__((noipa)) static void write_nowhere(void) {
  write_to(0);
  __asm__ volatile(""); /* or the call would be a jump, and this function not on the stack */
}

static void answer(void* user, const baton_request* request, baton_response* response) {
  (void)user, (void)request;
  host->set_body(response, text("crasher"));
}

static void crash(void* user, const baton_request* request, baton_response* response) {
  (void)user, (void)request;
  write_nowhere();
  host->set_body(response, text("survived"));
}

static int setup(const baton_host* functions, baton_setup* setup) {
  host = functions;
  baton_route route = {sizeof route, text("GET"), text("/"),   answer, 0,
                       BATON_UNSET,  BATON_UNSET, BATON_UNSET, 0, /* one request ends one worker */
                       BATON_UNSET};
  host->add_route(setup, &route);
  route.pattern = text("/crash");
  route.handler = crash;
  host->add_route(setup, &route);
  return 0;
}

const baton_module* baton_module_entry(void) {
  static const baton_module module = {sizeof module, BATON_ABI_MAJOR, BATON_ABI_MINOR, setup};
  return &module;
}
