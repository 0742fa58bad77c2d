// Handlers that end their worker, or try to.
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstdint>
#include <cstdlib>
#include <stdexcept>

#include "tests/modules/module.h"

namespace {

using namespace test_module;

volatile bool for_ever = true;
volatile std::uintptr_t nowhere = 8;

int overflow(volatile const char* before) {
  volatile char frame[4096];
  frame[0] = *before;
  return for_ever ? overflow(frame) + frame[0] : 0;
}

void die(std::string_view how) {
  const char end = 0;
  if (how == "segv") *reinterpret_cast<volatile int*>(nowhere) = 1;
  if (how == "abort") std::abort();
  if (how == "exit") std::exit(0);
  if (how == "exit3") std::exit(3);
  if (how == "_exit") ::_exit(0);
  if (how == "overflow") overflow(&end);
  if (how == "pthread_exit") ::pthread_exit(nullptr);
  if (how == "throw") throw std::runtime_error("not caught");
  if (how == "sys") ::kill(::getpid(), SIGSYS);
  if (how == "kill") ::kill(::getpid(), SIGKILL);
}

// Without a system call before it.
void deadly_quietly(void*, const baton_request* q, baton_response* r) {
  host->write(r, text("half"));
  die(param(*q, "how"));
  host->set_body(r, text("survived"));
}

void deadly(void* user, const baton_request* q, baton_response* r) {
  count("begun");
  deadly_quietly(user, q, r);
}

void deadly_stream(void*, const baton_request* q, baton_response* r) {
  count("begun");
  host->write(r, text("half"));
  host->flush(r);
  die(param(*q, "how"));
}

// Hangs, with a limit of its own.
void hang(void*, const baton_request*, baton_response*) {
  count("begun");
  while (true) ::usleep(1000);
}

// Catches its own faults, as garbage collectors and virtual machines do.
char* page = nullptr;

void unprotect(int) {
  ::mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

void recover(void*, const baton_request* q, baton_response* r) {
  if (page == nullptr) {
    page =
        static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    struct sigaction action {};
    action.sa_handler = unprotect;
    if (param(*q, "mask") == "full") ::sigfillset(&action.sa_mask);
    ::sigaction(SIGSEGV, &action, nullptr);
  }
  *static_cast<volatile char*>(page) = 1;
  host->set_body(r, text("recovered"));
}

void protect(void*, const baton_request*, baton_response* r) {
  host->set_body(r, text(::mprotect(page, 4096, PROT_READ) == 0 ? "protected" : "no"));
}

void hang_quietly(void*, const baton_request*, baton_response*) {
  while (for_ever) {
  }
}

void close_all(void*, const baton_request*, baton_response* r) {
  ::syscall(SYS_close_range, 0, ~0U, 0);
  host->log(BATON_LOG_WARN, text("all closed"));
  host->set_body(r, text("closed"));
}

// The child comes back from the handler as well, and must not go on as a second worker.
void fork_once(void*, const baton_request*, baton_response* r) {
  const pid_t child = ::fork();
  if (child == 0) {
    host->write(r, text("child"));
    return;
  }
  int status = -1;
  const bool ended = ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  host->set_body(r, text(ended ? "parent" : "no"));
}

// A child that uses what only its parent has.
void fork_and_call(void*, const baton_request*, baton_response* r) {
  const pid_t child = ::fork();
  if (child == 0) {
    host->log(BATON_LOG_WARN, text("of the child"));
    host->flush(r);
    ::_exit(7);  // not reached: the child has ended in flush()
  }
  int status = -1;
  const bool ended = ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  host->set_body(r, text(ended ? "parent" : "no"));
}

int set_up(const baton_host* functions, baton_setup* setup) {
  begin(functions, setup);
  add(setup, route("*", "/die/:how", deadly));
  baton_route once = route("GET", "/once/:how", deadly);
  once.idempotent = 0;
  add(setup, once);
  baton_route again = route("POST", "/again/:how", deadly);
  again.idempotent = 1;
  again.retries = 3;
  add(setup, again);
  add(setup, route("GET", "/stream/:how", deadly_stream));
  baton_route slow = route("*", "/hang", hang);
  slow.timeout_ms = 200;
  add(setup, slow);
  slow = route("*", "/hang/quietly", hang_quietly);
  slow.timeout_ms = 200;
  add(setup, slow);
  add(setup, route("*", "/quiet/:how", deadly_quietly));
  add(setup, route("GET", "/recover/:mask", recover));
  add(setup, route("GET", "/protect", protect));
  add(setup, route("GET", "/close", close_all));
  add(setup, route("GET", "/fork", fork_once));
  add(setup, route("GET", "/fork-and-call", fork_and_call));
  return 0;
}

constexpr baton_module kModule{sizeof(baton_module), BATON_ABI_MAJOR, BATON_ABI_MINOR, set_up};

}  // namespace

const baton_module* baton_module_entry() {
  return &kModule;
}
