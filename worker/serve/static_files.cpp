#include "worker/serve/static_files.h"

#include <fcntl.h>
#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "common/base/unique_fd.h"
#include "common/http/conditional.h"
#include "common/http/negotiate.h"
#include "common/http/range.h"
#include "common/http/target.h"
#include "common/shared/descriptor_motion.h"
#include "worker/serve/listing.h"

namespace baton::serve {

namespace {

constexpr std::string_view kAllow = "GET, HEAD, OPTIONS";

// A listing with fewer entries is not kept: to make it takes hardly longer than to find it.
constexpr std::size_t kLeastKept = 100;  // files and folders
// Sizes and dates of files change without a trace in the folder. So a listing is made anew after 1 to 10 s,
// and so seldom that it takes a hundredth of the time of one worker.
constexpr std::uint64_t kShareOfTime = 100;
constexpr Tick kLeastTicks = 1'000'000'000 / kTickNs;
constexpr Tick kMostTicks = 10'000'000'000 / kTickNs;
// File systems round times. So a folder that was changed this recently may change again and keep its time.
constexpr std::time_t kSettled = 2;  // seconds

Tick lifetime(const OpenFolder& folder, std::time_t begun, std::uint64_t cost_ns) {
  if (folder.status.st_ctim.tv_sec + kSettled >= begun) return kLeastTicks;
  return static_cast<Tick>(
      std::clamp<std::uint64_t>(cost_ns * kShareOfTime / kTickNs, kLeastTicks, kMostTicks));
}

// Dot files are configuration and secrets, never content. The exception is .well-known (RFC 8615).
bool hidden(std::string_view path) {
  if (path == ".well-known" || path.starts_with(".well-known/")) path.remove_prefix(11);
  return path.starts_with('.') || path.find("/.") != std::string_view::npos;
}

std::string content_range(std::uint64_t first, std::uint64_t length, std::uint64_t size) {
  return "bytes " + std::to_string(first) + "-" + std::to_string(first + length - 1) + "/" +
         std::to_string(size);
}

void use_file(http::Reply& reply, const OpenFile& file, std::uint64_t first, std::uint64_t length) {
  if (!file.bytes.empty()) {
    reply.body = http::Reply::Body::kBytes;
    reply.bytes = file.bytes.substr(first, length);
  } else if (length > 0) {
    reply.body = http::Reply::Body::kFile;
    reply.fd = file.fd;
    reply.offset = static_cast<off_t>(first);
    reply.length = static_cast<off_t>(length);
  }
}

// Replies with an error page. The coding, validators and lifetime of the file are dropped: they are not those
// of the page.
void refuse_file(Exchange& exchange, int status) {
  exchange.reply.fields.clear();
  error_reply(exchange, status);
}

}  // namespace

StaticFiles::StaticFiles(FileCache& cache, const MimeTypes* mime) : cache_(cache), mime_(mime) {
  if (::getrandom(&boundary_, sizeof boundary_, 0) != sizeof boundary_) boundary_ = monotonic_ns();
}

void StaticFiles::serve(Exchange& exchange) {
  const auto& config = std::get<StaticConfig>(exchange.route->config->action);
  if (exchange.request.method != http::Method::kGet && exchange.request.method != http::Method::kHead) {
    return method_not_allowed(exchange, kAllow);
  }
  std::string_view name = below(*exchange.route, exchange.path);
  if (hidden(name)) return error_reply(exchange, 404);
  if (name.ends_with('/')) name.remove_suffix(1);

  const OpenFile file = cache_.open(*exchange.route, name, exchange.tick);
  if (file.directory()) return serve_directory(exchange, config, name);
  const bool as_directory = exchange.path.ends_with('/');
  if (file.regular() && !as_directory) return serve_file(exchange, config, name, file);
  const int status = file.status == 200 ? 404 : file.status;
  if (status == 404 && serve_fallback(exchange, config)) return;
  error_reply(exchange, status);
}

void StaticFiles::serve_directory(Exchange& exchange, const StaticConfig& config, std::string_view name) {
  if (!exchange.path.ends_with('/')) {
    std::string location = http::encode_path(exchange.path) + "/";
    if (exchange.request.has_query) location.append("?").append(exchange.request.query);
    error_reply(exchange, 301);
    exchange.reply.header("Location", location);
    return;
  }
  for (const std::string& index : config.index) {
    name_.assign(name);
    if (!name_.empty()) name_ += '/';
    name_ += index;
    const OpenFile file = cache_.open(*exchange.route, name_, exchange.tick, true);
    if (file.regular()) return serve_file(exchange, config, name_, file);
  }
  if (config.listing) return serve_listing(exchange, name);
  if (serve_fallback(exchange, config)) return;
  error_reply(exchange, 403, "This folder has no index page.");
}

void StaticFiles::serve_listing(Exchange& exchange, std::string_view name) {
  http::Reply& reply = exchange.reply;
  const bool json = http::prefers_json(exchange.request);
  // The key has the request's path, because the page names it: it differs on a route with another prefix.
  name_.assign(name).append("/").append(exchange.path).append(json ? "json" : "html");
  const OpenFile kept = cache_.find_listing(*exchange.route, name_, exchange.tick);
  if (!kept.regular() && !make_listing(exchange, name, json)) return error_reply(exchange, 404);
  reply.content_type = json ? "application/json" : "text/html; charset=utf-8";
  reply.header("Vary", "Accept");
  reply.header("Cache-Control", "no-cache");
  if (kept.regular()) return use_file(reply, kept, 0, kept.size);
  reply.use_text();
}

bool StaticFiles::make_listing(Exchange& exchange, std::string_view name, bool json) {
  const std::uint64_t begun = monotonic_ns();
  const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
  const OpenFolder folder = cache_.open_folder(*exchange.route, name);
  if (!folder.fd) {
    cache_.forget_listing(folder.root_key, name_);
    return false;
  }
  const auto entries = read_listing(folder.fd.get());
  std::string& page = exchange.reply.text;
  page = json ? listing_json(exchange.path, entries) : listing_html(exchange.path, entries);
  if (entries.size() < kLeastKept) {
    cache_.forget_listing(folder.root_key, name_);
  } else {
    cache_.keep_listing(*exchange.route, folder, name_, page, exchange.tick,
                        lifetime(folder, exchange.now, monotonic_ns() - begun));
  }
  return true;
}

bool StaticFiles::serve_fallback(Exchange& exchange, const StaticConfig& config) {
  if (config.fallback.empty()) return false;
  const OpenFile file = cache_.open(*exchange.route, config.fallback, exchange.tick);
  if (!file.regular()) return false;
  serve_file(exchange, config, config.fallback, file);
  return true;
}

void StaticFiles::serve_file(Exchange& exchange, const StaticConfig& config, std::string_view name,
                             const OpenFile& file) {
  http::Reply& reply = exchange.reply;
  OpenFile chosen = file;
  std::string_view coding;
  if (config.precompressed) {
    reply.header("Vary", "Accept-Encoding");
    const http::AcceptedCodings accepted = http::accepted_codings(exchange.request);
    const std::string plain(name);
    const auto try_sibling = [&](std::string_view suffix, std::string_view token) {
      const OpenFile sibling = cache_.open(*exchange.route, plain + std::string(suffix), exchange.tick, true);
      if (!sibling.regular()) return false;
      chosen = sibling;
      coding = token;
      return true;
    };
    const bool found =
        (accepted.brotli && try_sibling(".br", "br")) || (accepted.gzip && try_sibling(".gz", "gzip"));
    // The lookups of siblings have dropped the pin on the plain file, so it is opened again.
    if (!found && (accepted.brotli || accepted.gzip))
      chosen = cache_.open(*exchange.route, plain, exchange.tick);
    if (!chosen.regular()) return error_reply(exchange, chosen.status == 200 ? 404 : chosen.status);
    if (found) reply.header("Content-Encoding", coding);
  }

  reply.content_type = mime_->type_of(name);
  if (!config.cache_control.empty()) reply.header("Cache-Control", config.cache_control);
  send_as_asked(exchange, chosen);
}

void StaticFiles::send_chosen(Exchange& exchange, std::string_view path, const OpenFile& file) {
  http::Reply& reply = exchange.reply;
  if (reply.content_type.empty()) reply.content_type = mime_->type_of(path);
  if (reply.status != 200) return use_file(reply, file, 0, file.size);
  reply.fields.remove("ETag");
  reply.fields.remove("Last-Modified");
  send_as_asked(exchange, file);
}

void StaticFiles::send_as_asked(Exchange& exchange, const OpenFile& file) {
  http::Reply& reply = exchange.reply;
  reply.header("ETag", file.etag);
  reply.header("Last-Modified", file.last_modified);
  reply.header("Accept-Ranges", "bytes");

  const http::Validators validators{file.etag, file.modified};
  switch (http::evaluate_preconditions(exchange.request, validators, exchange.now)) {
    case http::Precondition::kProceed: break;
    case http::Precondition::kNotModified: reply.status = 304; return;
    case http::Precondition::kFailed: return refuse_file(exchange, 412);
  }
  if (exchange.request.method == http::Method::kGet && exchange.request.has_field("range") &&
      http::if_range_allows(exchange.request, validators, exchange.now)) {
    return send_range(exchange, file);
  }
  use_file(reply, file, 0, file.size);
}

void StaticFiles::send_range(Exchange& exchange, const OpenFile& file) {
  http::Reply& reply = exchange.reply;
  const http::RangeSet ranges = http::parse_range(exchange.request.field("range"), file.size);
  if (ranges.kind == http::RangeSet::Kind::kNone) return use_file(reply, file, 0, file.size);
  if (ranges.kind == http::RangeSet::Kind::kUnsatisfiable) {
    refuse_file(exchange, 416);
    reply.header("Content-Range", "bytes */" + std::to_string(file.size));
    return;
  }
  reply.status = 206;
  if (ranges.count == 1) {
    const http::ByteRange& range = ranges.ranges[0];
    reply.header("Content-Range", content_range(range.first, range.length, file.size));
    return use_file(reply, file, range.first, range.length);
  }
  char boundary[17];
  std::snprintf(boundary, sizeof boundary, "%016llx", static_cast<unsigned long long>(boundary_));
  boundary_ = boundary_ * 6364136223846793005U + 1442695040888963407U;
  reply.body = http::Reply::Body::kMultipart;
  reply.fd = file.fd;
  for (std::size_t i = 0; i < ranges.count; ++i) {
    const http::ByteRange& range = ranges.ranges[i];
    http::RangePart part;
    part.head = std::string(i == 0 ? "--" : "\r\n--") + boundary + "\r\nContent-Type: " + reply.content_type +
                "\r\nContent-Range: " + content_range(range.first, range.length, file.size) + "\r\n\r\n";
    part.offset = static_cast<off_t>(range.first);
    part.length = static_cast<off_t>(range.length);
    reply.parts.push_back(std::move(part));
  }
  reply.closing = std::string("\r\n--") + boundary + "--\r\n";
  reply.content_type = std::string("multipart/byteranges; boundary=") + boundary;
}

}  // namespace baton::serve
