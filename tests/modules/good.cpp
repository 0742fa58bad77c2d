// Handlers for everything that a response can be.
#include <cstring>
#include <utility>

#include "tests/modules/module.h"

namespace {

using namespace test_module;

void describe(void*, const baton_request* q, baton_response* r) {
  std::string out;
  const auto line = [&out](std::string_view name, std::string_view value) {
    out.append(name).append("=").append(value).append("\n");
  };
  line("method", view(q->method));
  line("target", view(q->target));
  line("path", view(q->path));
  line("mount", view(q->mount));
  line("query", view(q->query));
  line("host", view(q->host));
  line("peer", view(q->peer));
  line("minor", std::to_string(q->http_minor));
  for (std::size_t i = 0; i < q->param_count; ++i)
    line("param " + std::string(view(q->params[i].name)), view(q->params[i].value));
  for (std::size_t i = 0; i < q->header_count; ++i)
    line("header " + std::string(view(q->headers[i].name)), view(q->headers[i].value));
  line("body", view(q->body));
  host->set_body(r, text(out));
}

void echo(void*, const baton_request* q, baton_response* r) {
  count("echoed");
  host->set_body(r, q->body);
}

// The body says which: "add" or "set", name and value, separated by \x1f; records end with \x1e.
void headers(void*, const baton_request* q, baton_response* r) {
  std::string results;
  std::string_view rest = view(q->body);
  while (!rest.empty()) {
    const std::string_view record = rest.substr(0, rest.find('\x1e'));
    rest.remove_prefix(record.size() + 1);
    const std::size_t first = record.find('\x1f');
    const std::size_t second = record.find('\x1f', first + 1);
    const bool taken =
        host->set_header(r, text(record.substr(first + 1, second - first - 1)),
                         text(record.substr(second + 1)), record.starts_with("set") ? 1 : 0) != 0;
    results += taken ? '1' : '0';
    if (!taken) host->log(BATON_LOG_WARN, host->refusal(r));
  }
  host->set_body(r, text(results));
}

void status(void*, const baton_request* q, baton_response* r) {
  host->set_body(r, text("body"));
  host->set_status(r, std::stoi(std::string(param(*q, "code"))));
}

void describe_content(baton_response* r) {
  constexpr std::pair<const char*, const char*> kFields[] = {
      {"Content-Type", "text/x"}, {"Content-Encoding", "gzip"},
      {"Content-Language", "en"}, {"Content-Range", "bytes */1"},
      {"Accept-Ranges", "bytes"}, {"Last-Modified", "then"},
      {"ETag", "\"e\""},          {"Set-Cookie", "a=1"}};
  for (const auto& [name, value] : kFields) host->set_header(r, text(name), text(value), 1);
}

void contentless(void* user, const baton_request* q, baton_response* r) {
  describe_content(r);
  status(user, q, r);
}

void contentless_stream(void* user, const baton_request* q, baton_response* r) {
  contentless(user, q, r);
  host->flush(r);
  host->write(r, text("more"));
  host->flush(r);
}

void error(void*, const baton_request* q, baton_response* r) {
  host->set_header(r, text("X-Before"), text("1"), 1);
  host->write(r, text("lost"));
  host->set_error(r, std::stoi(std::string(param(*q, "code"))), text("the <detail>"));
}

// What stands at each place depends on the place.
std::string pattern(std::size_t at, std::size_t bytes) {
  std::string out(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + (at + i) % 23);
  return out;
}

void write(void*, const baton_request* q, baton_response* r) {
  const std::size_t bytes = number(*q, "bytes");
  const std::size_t part = number(*q, "part");
  for (std::size_t at = 0; at < bytes; at += part)
    host->write(r, text(pattern(at, std::min(part, bytes - at))));
}

// As write(), but replaced before it is sent.
void replaced(void*, const baton_request*, baton_response* r) {
  for (int i = 0; i < 5; ++i) host->write(r, text(pattern(0, 1'000'000)));
  host->set_body(r, text("replaced"));
}

void file(void*, const baton_request* q, baton_response* r) {
  host->write(r, text("lost"));
  const int error = host->send_file(r, q->query);
  if (error != 0) host->set_error(r, 404, text(std::strerror(error)));
}

// Flushes after each part, until the client is gone.
void stream(void*, const baton_request* q, baton_response* r) {
  const std::size_t bytes = number(*q, "bytes");
  const std::size_t part = number(*q, "part");
  host->set_header(r, text("X-Kind"), text("stream"), 1);
  for (std::size_t at = 0; at < bytes; at += part) {
    host->write(r, text(pattern(at, std::min(part, bytes - at))));
    if (host->flush(r) == 0) return count("gone");
  }
  host->set_status(r, 500);  // too late, like the header
  host->set_header(r, text("X-Late"), text("1"), 1);
  host->set_body(r, text("too late"));
  count("streamed");
}

// Gathers, and streams only then; ends with something that is not flushed.
void late_stream(void*, const baton_request* q, baton_response* r) {
  const std::size_t bytes = number(*q, "bytes");
  host->write(r, text(pattern(0, bytes)));
  host->flush(r);
  host->write(r, text("end"));
}

// Streams, and then writes without flushing.
void late_write(void*, const baton_request* q, baton_response* r) {
  const std::size_t bytes = number(*q, "bytes");
  host->flush(r);
  for (std::size_t at = 0; at < bytes; at += 50'000) host->write(r, text(pattern(at, 50'000)));
}

// Without end, until the client is gone; ignores it for a while even then.
void endless(void*, const baton_request*, baton_response* r) {
  const std::string part = pattern(0, 23'000);
  int gone = 0;
  while (gone < 3) {
    host->write(r, text(part));
    if (host->flush(r) == 0) ++gone;
  }
  count("gone");
}

// A part at a time, each when the test asks for it.
void steps(void*, const baton_request* q, baton_response* r) {
  for (int i = 0; i < 3; ++i) {
    host->write(r, text("part " + std::to_string(i) + "\n"));
    if (host->flush(r) == 0) return count("gone");
    await(std::string(param(*q, "name")) + std::to_string(i));
  }
}

// Without waiting for the client; once that is behind, it waits for the test, and goes on with what it has
// kept.
void try_stream(void*, const baton_request* q, baton_response* r) {
  const std::size_t bytes = number(*q, "bytes");
  constexpr std::size_t kPart = 20'000;
  for (std::size_t at = 0; at < bytes; at += kPart) {
    host->write(r, text(pattern(at, std::min(kPart, bytes - at))));
    const int flushed = host->try_flush(r);
    if (flushed == 0) return count("gone");
    if (flushed != BATON_FLUSH_FULL) continue;
    count("full");
    await("go-on");
    host->flush(r);
  }
  count("streamed");
}

char busy_watch;

// With nothing to send until the client or the server is to go; `user`: without a system call meanwhile.
void watch(void* user, const baton_request*, baton_response* r) {
  while (host->client_gone(r) == 0 && host->stopping() == 0) {
    if (user == nullptr) ::usleep(500);
  }
  if (host->client_gone(r) != 0) count("left");
  host->set_body(r, text(host->stopping() != 0 ? "stopping" : "left"));
}

void fail(void*, const baton_request*, baton_response* r) {
  host->write(r, text("half"));
  host->fail(r, text("the reason\nof the failure"));
}

// What went wrong, in the words of the client.
void complain(void*, const baton_request* q, baton_response* r) {
  host->log(BATON_LOG_WARN, q->body);
  host->fail(r, q->body);
}

void fail_late(void*, const baton_request*, baton_response* r) {
  host->write(r, text("half"));
  host->flush(r);
  host->fail(r, text("the late reason"));
  host->write(r, text("never sent"));
}

// Waits for the test.
void gate(void*, const baton_request* q, baton_response* r) {
  const std::string name(param(*q, "name"));
  count("entered-" + name);
  await("open-" + name);
  host->set_body(r, text("through"));
}

void hang(void*, const baton_request*, baton_response*) {
  await("never");
}

void log(void*, const baton_request* q, baton_response*) {
  host->log(BATON_LOG_WARN, q->query);
}

void nothing(void*, const baton_request*, baton_response*) {}

int start(void*) {
  count("started");
  return 0;
}
void stop(void*) {
  count("stopped");
}

void add_bodies(baton_setup* setup) {
  add(setup, route("*", "/echo", echo));
  baton_route small = route("*", "/small", echo);
  small.max_body = 1'000;
  add(setup, small);
  baton_route none = route("*", "/none", echo);
  none.max_body = 0;
  add(setup, none);
  baton_route large = route("*", "/large", echo);
  large.max_body = std::int64_t{1} << 30;
  add(setup, large);
  baton_route again = route("POST", "/again", echo);
  again.idempotent = 1;
  add(setup, again);
}

void add_responses(baton_setup* setup) {
  add(setup, route("POST", "/headers", headers));
  add(setup, route("GET", "/status/:code", status));
  add(setup, route("GET", "/contentless/:code", contentless));
  add(setup, route("GET", "/contentless-stream/:code", contentless_stream));
  add(setup, route("GET", "/error/:code", error));
  add(setup, route("GET", "/write/:bytes/:part", write));
  add(setup, route("GET", "/replaced", replaced));
  add(setup, route("GET", "/file", file));
  add(setup, route("GET", "/stream/:bytes/:part", stream));
  add(setup, route("GET", "/late-stream/:bytes", late_stream));
  add(setup, route("GET", "/late-write/:bytes", late_write));
  add(setup, route("GET", "/endless", endless));
  add(setup, route("GET", "/steps/:name", steps));
  add(setup, route("GET", "/try-stream/:bytes", try_stream));
  add(setup, route("GET", "/watch", watch));
  baton_route busy = route("GET", "/watch-busily", watch);
  busy.user = &busy_watch;
  add(setup, busy);
  add(setup, route("GET", "/fail", fail));
  baton_route complaint = route("POST", "/fail", complain);
  complaint.max_body = 2'000'000;
  add(setup, complaint);
  add(setup, route("GET", "/fail-late", fail_late));
  add(setup, route("GET", "/gate/:name", gate));
  add(setup, route("POST", "/hang", hang));
  add(setup, route("GET", "/log", log));
  add(setup, route("GET", "/nothing", nothing));
  baton_route limited = route("GET", "/limited/:name", gate);
  limited.max_concurrency = 2;
  add(setup, limited);
}

int set_up(const baton_host* functions, baton_setup* setup) {
  begin(functions, setup);
  host->on_worker_start(setup, start, nullptr);
  host->on_worker_stop(setup, stop, nullptr);
  add(setup, route("GET", "/", describe));
  add(setup, route("GET", "/request", describe));
  add(setup, route("POST", "/request", describe));
  add(setup, route("GET", "/users/me", nothing));
  add(setup, route("GET", "/users/:id", describe));
  add(setup, route("PUT", "/users/:id", describe));
  add(setup, route("DELETE", "/users/me", describe));
  add(setup, route("GET", "/users/:id/posts/:post", describe));
  add(setup, route("GET", "/all/*rest", describe));
  add_bodies(setup);
  add_responses(setup);
  return 0;
}

constexpr baton_module kModule{sizeof(baton_module), BATON_ABI_MAJOR, BATON_ABI_MINOR, set_up};

}  // namespace

const baton_module* baton_module_entry() {
  return &kModule;
}
