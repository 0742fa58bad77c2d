/* A module that does while it is set up what its configuration names. */
#include <baton/abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const baton_host* host;

static baton_text text(const char* string) {
  baton_text result = {string, strlen(string)};
  return result;
}

static void answer(void* user, const baton_request* request, baton_response* response) {
  (void)user, (void)request;
  host->set_body(response, text("faulty_setup"));
}

static int refuse_to_start(void* user) {
  (void)user;
  return 1;
}

static int setup(const baton_host* functions, baton_setup* setup) {
  host = functions;
  const char* wanted = host->config(setup).data;
  if (strstr(wanted, "crash") != NULL) abort();
  if (strstr(wanted, "exit") != NULL) exit(3);
  if (strstr(wanted, "hang") != NULL) {
    for (volatile int forever = 1; forever;) {
    }
  }
  if (strstr(wanted, "fail") != NULL) host->setup_failed(setup, text("no table named after a cat"));
  if (strstr(wanted, "print") != NULL) printf("what a module prints\n"), fflush(stdout);
  if (strstr(wanted, "start") != NULL) host->on_worker_start(setup, refuse_to_start, NULL);
  const baton_route route = {sizeof route, text("GET"), text("/"),   answer,      NULL,
                             BATON_UNSET,  BATON_UNSET, BATON_UNSET, BATON_UNSET, BATON_UNSET};
  host->add_route(setup, &route);
  return 0;
}

const baton_module* baton_module_entry(void) {
  static const baton_module module = {sizeof module, BATON_ABI_MAJOR, BATON_ABI_MINOR, setup};
  return &module;
}
