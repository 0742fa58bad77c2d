// Handlers that print, start programs and wait: what becomes of that when their worker goes.
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "tests/modules/module.h"

namespace {

using namespace test_module;

// Into the server's standard output, and into a stream of its own that is never closed.
void print(void*, const baton_request* q, baton_response*) {
  const std::string what(param(*q, "text"));
  static std::FILE* const own = std::fopen(path_of("own").c_str(), "a");
  std::printf("%s", what.c_str());
  std::fprintf(own, "%s", what.c_str());
}

void print_line(void*, const baton_request* q, baton_response*) {
  std::printf("%s\n", std::string(param(*q, "text")).c_str());
}

// A thread that never gives the lock of a stream back.
void hold(void*, const baton_request*, baton_response*) {
  std::thread([] {
    ::flockfile(stdout);
    count("held");
    for (;;) ::pause();
  }).detach();
  await("held");
}

// What a child says that does this is the body.
std::string said_by(std::string_view way, const std::string& script) {
  const std::string file = path_of("said");
  const std::string command = "(" + script + ") > " + file;
  if (way == "system") {
    [[maybe_unused]] const int status = std::system(command.c_str());
  } else if (way == "popen") {
    ::pclose(::popen(command.c_str(), "r"));
  } else if (way == "thread") {
    std::thread([&] { [[maybe_unused]] const int status = std::system(command.c_str()); }).join();
  } else {
    std::string shell = "/bin/sh";
    std::string option = "-c";
    std::string text = command;
    char* const arguments[] = {shell.data(), option.data(), text.data(), nullptr};
    pid_t child = 0;
    if (way == "spawn") {
      ::posix_spawn(&child, shell.c_str(), nullptr, nullptr, arguments, environ);
    } else if ((child = ::fork()) == 0) {
      ::execv(shell.c_str(), arguments);
      ::_exit(1);
    }
    ::waitpid(child, nullptr, 0);
  }
  std::string said(4096, '\0');
  std::FILE* const stream = std::fopen(file.c_str(), "r");
  said.resize(std::fread(said.data(), 1, said.size(), stream));
  std::fclose(stream);
  return said;
}

void signals(void*, const baton_request* q, baton_response* r) {
  host->set_body(r, text(said_by(param(*q, "way"), "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status")));
}

// Of a child that executes nothing.
void forked(void*, const baton_request*, baton_response* r) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::kill(::getpid(), SIGTERM);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  host->set_body(r, text(WIFSIGNALED(status) ? std::to_string(WTERMSIG(status)) : "lives on"));
}

// Leaves a program behind, and says its number.
void leave(void*, const baton_request*, baton_response* r) {
  host->set_body(r, text(said_by("system", "sleep 1000 & echo $!")));
}
void leave_apart(void*, const baton_request*, baton_response* r) {
  host->set_body(r, text(said_by("system", "setsid sh -c 'echo $$; exec sleep 1000' & until [ -s " +
                                               path_of("said") + " ]; do sleep 0.01; done")));
}

void hang(void*, const baton_request*, baton_response*) {
  [[maybe_unused]] const int status =
      std::system(("echo $$ > " + path_of("child.new") + "; mv " + path_of("child.new") + " " +
                   path_of("child") + "; exec sleep 1000")
                      .c_str());
}

void sleep_a_second(void*, const baton_request*, baton_response* r) {
  count("entered");
  host->set_body(r, text(::sleep(1) == 0 ? "slept" : "interrupted"));
}

int set_up(const baton_host* functions, baton_setup* setup) {
  begin(functions, setup);
  add(setup, route("GET", "/print/:text", print));
  add(setup, route("GET", "/print-line/:text", print_line));
  add(setup, route("GET", "/hold", hold));
  add(setup, route("GET", "/signals/:way", signals));
  add(setup, route("GET", "/forked", forked));
  add(setup, route("GET", "/leave", leave));
  add(setup, route("GET", "/leave-apart", leave_apart));
  add(setup, route("GET", "/hang", hang));
  add(setup, route("GET", "/sleep", sleep_a_second));
  return 0;
}

constexpr baton_module kModule{sizeof(baton_module), BATON_ABI_MAJOR, BATON_ABI_MINOR, set_up};

}  // namespace

const baton_module* baton_module_entry() {
  return &kModule;
}
