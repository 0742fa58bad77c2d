#include "worker/app/response.h"

#include <algorithm>
#include <cerrno>

#include "common/base/clock.h"
#include "common/http/added_field.h"
#include "common/http/chars.h"
#include "common/http/error_page.h"
#include "common/http/request.h"

namespace baton::app {

void Response::set_status(int status) {
  if (body_ == Body::kStreamed) return;
  if (status < 200 || status > 599)
    return fail("the status " + std::to_string(status) + " is not in 200..599");
  reply_.status = status;
}

bool Response::set_header(std::string_view name, std::string_view value, bool replace) {
  value = http::trim_spaces(value);
  if (const http::Complaint complaint = body_ == Body::kStreamed ? "the head of the response has been sent"
                                                                 : http::check_field(name, value)) {
    refusal_ = *complaint;
    return false;
  }
  if (http::iequals(name, "content-type")) {
    reply_.content_type = value;
    return true;
  }
  if (replace) reply_.fields.remove(name);
  reply_.header(name, value);
  return true;
}

void Response::set_error(int status, std::string_view detail) {
  if (body_ == Body::kStreamed) return;
  if (status < 400 || status > 599)
    return fail("the error " + std::to_string(status) + " is not in 400..599");
  set_body({});
  reply_.reset();
  http::error_reply(reply_, json_, status, detail);
}

void Response::set_body(std::string_view bytes) {
  if (body_ == Body::kStreamed) return;
  if (body_ == Body::kStored) {
    thread_.call_back([this] { sink_.discard_stored(); });
    stored_ = 0;
  }
  body_ = Body::kMemory;
  reply_.text.assign(bytes);
}

void Response::write(std::string_view bytes) {
  if (body_ == Body::kFile) set_body({});
  while (!gone_ && !failed_ && !bytes.empty()) {
    const std::size_t room = kMemoryBytes - std::min(kMemoryBytes, reply_.text.size());
    const std::string_view part = bytes.substr(0, room);
    reply_.text += part;
    bytes.remove_prefix(part.size());
    if (reply_.text.size() < kMemoryBytes) continue;
    body_ == Body::kStreamed ? static_cast<void>(flush()) : store();
  }
}

void Response::store() {
  bool stored = false;
  thread_.call_back([&] { stored = sink_.store(reply_.text); });
  if (!stored) return fail("no room for a response of this size");
  body_ = Body::kStored;
  stored_ += reply_.text.size();
  reply_.text.clear();
}

int Response::send_file(const std::string& path) {
  if (body_ == Body::kStreamed) return EINVAL;
  int error = 0;
  thread_.call_back([&] { error = sink_.open_file(path); });
  if (error != 0) return error;
  set_body({});
  body_ = Body::kFile;
  return 0;
}

ResponseSink::Streamed Response::hand_over(bool wait) {
  using Streamed = ResponseSink::Streamed;
  if (gone_ || failed_) return Streamed::kGone;
  if (body_ == Body::kFile) return Streamed::kTaken;  // nothing to do: a file is sent after the handler
  body_ = Body::kStreamed;
  Streamed result = Streamed::kGone;
  thread_.call_back([&] { result = sink_.stream(reply_.text, wait); });
  gone_ = result == Streamed::kGone;
  if (result != Streamed::kFull) reply_.text.clear();
  return result;
}

int Response::try_flush() {
  switch (hand_over(false)) {
    case ResponseSink::Streamed::kTaken: return 1;
    case ResponseSink::Streamed::kFull: return BATON_FLUSH_FULL;
    case ResponseSink::Streamed::kGone: break;
  }
  return 0;
}

bool Response::client_gone() {
  if (gone_ || hung_up_) return true;
  const std::uint64_t now = monotonic_ns();
  if (now - looked_ns_ < kLookNs) return false;
  looked_ns_ = now;
  thread_.call_back([this] { hung_up_ = sink_.hung_up(); });
  return hung_up_;
}

void Response::fail(std::string_view reason) {
  if (failed_) return;
  failed_ = true;
  reason_ = reason;
}

void Response::finish() {
  if (!failed_ && body_ == Body::kStored && !reply_.text.empty()) store();
}

}  // namespace baton::app
