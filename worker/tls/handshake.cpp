#include "worker/tls/handshake.h"

#include <openssl/err.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <ctime>
#include <span>
#include <utility>

#include "worker/tls/export.h"
#include "worker/tls/random.h"
#include "worker/tls/record_header.h"

namespace baton::tls {

namespace {

constexpr std::string_view kPlainHttpBody =
    "<!DOCTYPE html>\n<title>400 Bad Request</title>\n<h1>400 Bad Request</h1>\n"
    "<p>This port speaks HTTPS, but the request came as plain HTTP. Use https:// in the address.</p>\n";

// A client that speaks HTTP without TLS understands nothing else.
std::string plain_http_response() {
  std::string response =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: ";
  response += std::to_string(kPlainHttpBody.size());
  response += "\r\nConnection: close\r\n\r\n";
  return response.append(kPlainHttpBody);
}

// A header of no TLS record: HTTP, SSL 2, anything. OpenSSL says so once it has seen it.
bool foreign(const RecordHeader& header) {
  constexpr int kMajor = 3;
  return header.major != kMajor;
}

std::uint64_t hash_of(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  std::uint64_t hash = 0;
  ::EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, ::EVP_sha256(), nullptr);
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

// What comes before is stored before what comes behind, as a process sees it that goes on after this one's death.
void store_in_order() {
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

std::string subject_of(const SSL* ssl) {
  X509* certificate = ::SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return {};
  const BioPtr bio(::BIO_new(::BIO_s_mem()));
  if (!bio || ::X509_NAME_print_ex(bio.get(), ::X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0)
    return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

Handshake::Handshake(const Credentials& credentials, TlsState& state)
    : credentials_(credentials), state_(state), needed_(kRecordHeaderBytes) {
  TlsHandshake& shared = state.handshake;
  shared.final_bytes = 0;
  if (shared.started == 0) {
    shared.ticket_generation = credentials.ticket_generation();
    store_in_order();
    shared.started = ::time(nullptr);
  }
  conversation_.now = shared.started;
  conversation_.ticket_generation = shared.ticket_generation;
}

Handshake::Step Handshake::advance(std::string_view client) {
  while (step_ == Step::kNeedsMore) {
    const std::optional<Piece> piece = next_piece(client);
    if (!piece) break;
    step_ = feed(*piece, client);
  }
  if (step_ != Step::kNeedsMore) {
    ssl_.reset();
  } else if (output_.size() < state_.written) {
    step_ = Step::kDiverged;
  }
  return step_;
}

std::optional<Handshake::Piece> Handshake::next_piece(std::string_view client) {
  const std::string_view rest = client.substr(std::min(fed_, client.size()));
  needed_ = fed_ + kRecordHeaderBytes;
  if (rest.size() < kRecordHeaderBytes) return {};
  const RecordHeader header = RecordHeader::read(rest);
  if (foreign(header)) return Piece{rest.substr(0, kRecordHeaderBytes), false};
  if (header.whole() > kTlsMaxRecord) {
    // Some lengths that are too large are not too large for OpenSSL. So it gets one that is.
    static constexpr char kTooLong[kRecordHeaderBytes] = {22, 3, 3, '\xff', '\xff'};
    return Piece{{kTooLong, sizeof kTooLong}, false};
  }
  needed_ = fed_ + header.whole();
  if (rest.size() < header.whole()) return {};
  return Piece{rest.substr(0, header.whole())};
}

bool Handshake::make_ssl() {
  ssl_ = credentials_.connect(conversation_);
  BIO* in = ::BIO_new(::BIO_s_mem());
  BIO* out = ::BIO_new(::BIO_s_mem());
  if (!ssl_ || in == nullptr || out == nullptr) {
    ::BIO_free(in);
    ::BIO_free(out);
    return false;
  }
  BIO_set_mem_eof_return(in, -1);  // its end is not the connection's end
  ::SSL_set_bio(ssl_.get(), in, out);
  return true;
}

Handshake::Step Handshake::feed(const Piece& piece, std::string_view client) {
  ::ERR_clear_error();
  if (fed_ + piece.bytes.size() > kMaxClientBytes) {
    reason_ = "the client sends too much";
    return Step::kFailed;
  }
  const SeededRandom random(state_.handshake.seed, steps_++);
  if ((!ssl_ && !make_ssl()) || ::BIO_write(::SSL_get_rbio(ssl_.get()), piece.bytes.data(),
                                            static_cast<int>(piece.bytes.size())) <= 0) {
    reason_ = take_error();
    return Step::kFailed;
  }
  fed_ += piece.bytes.size();
  needed_ = fed_ + kRecordHeaderBytes;
  const std::size_t flight_start = output_.size();
  const int result = ::SSL_do_handshake(ssl_.get());
  const int error = ::SSL_get_error(ssl_.get(), result);
  take_output();
  return settle(result, error, flight_start, piece.whole, client);
}

void Handshake::take_output() {
  BIO* out = ::SSL_get_wbio(ssl_.get());
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out, &bytes);
  if (size > 0) output_.append(bytes, static_cast<std::size_t>(size));
  static_cast<void>(BIO_reset(out));
}

Handshake::Step Handshake::settle(int result, int error, std::size_t flight_start, bool whole,
                                  std::string_view client) {
  Step step = Step::kNeedsMore;
  if (result == 1) {
    step = Step::kDone;
  } else if (error != SSL_ERROR_WANT_READ || !whole) {
    step = Step::kFailed;
    const int why = ERR_GET_REASON(::ERR_peek_last_error());
    if (why == SSL_R_HTTP_REQUEST || why == SSL_R_HTTPS_PROXY_REQUEST) output_ += plain_http_response();
    reason_ = error != SSL_ERROR_WANT_READ ? take_error() : "not TLS";
  }
  if (!settle_flight(flight_start)) return Step::kDiverged;
  if (step != Step::kNeedsMore && output_.size() < state_.written) return Step::kDiverged;
  if (step == Step::kDone && !conclude(flight_start, client)) {
    reason_ = "cannot go on with the connection: " + take_error();
    return Step::kFailed;
  }
  return step;
}

bool Handshake::settle_flight(std::size_t start) {
  const std::size_t end = output_.size();
  if (end == start) return true;
  if (flights_ == TlsHandshake::kFlights) return false;  // no handshake has so many
  TlsHandshake& shared = state_.handshake;
  const std::span<TlsFlight> notes = std::span(shared.flights).subspan(flights_++);
  const std::uint64_t hash = hash_of(output_);
  if (notes.front().bytes == end && notes.front().hash == hash) return true;
  if (state_.written > start) return false;
  for (TlsFlight& note : notes) note.bytes = 0;
  store_in_order();
  notes.front().hash = hash;
  store_in_order();
  notes.front().bytes = end;
  return true;
}

bool Handshake::conclude(std::size_t flight_start, std::string_view client) {
  const std::string_view server = output_;
  const Transcript transcript{client.substr(0, fed_), server, server.substr(flight_start)};
  if (!export_state(ssl_.get(), conversation_, transcript, state_)) return false;
  cipher_ = ::SSL_CIPHER_standard_name(::SSL_get_current_cipher(ssl_.get()));
  client_subject_ = subject_of(ssl_.get());
  store_in_order();
  state_.handshake.final_bytes = server.size();
  return true;
}

}  // namespace baton::tls
