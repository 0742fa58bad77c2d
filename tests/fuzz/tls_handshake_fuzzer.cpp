// Handshakes of TLS: whatever a client sends and however it is cut, a replay at any moment makes the same bytes. With
// another certificate it makes none that contradict those that have left.
//
// Of an input, the first byte chooses what the client sends: one of the recorded handshakes, changed as the rest says, or
// the rest itself. The second byte seeds the cuts, the third says when the replay begins and how much was written by then.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/shared/ticket_keys.h"
#include "common/shared/tls_state.h"
#include "tests/support/certificates.h"
#include "tests/support/tls_client.h"
#include "worker/tls/credentials.h"
#include "worker/tls/handshake.h"
#include "worker/tls/random.h"

// So that an input means the same in every run. OpenSSL is linked in, and calls this one.
extern "C" std::time_t time(std::time_t* out) noexcept {
  constexpr std::time_t kNow = 1'800'000'000;
  if (out != nullptr) *out = kNow;
  return kNow;
}

namespace {

using namespace baton;
using test::TlsClient;
using tls::Handshake;
using Step = Handshake::Step;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

void seed(TlsState& state) {
  std::memset(state.handshake.seed, 7, sizeof state.handshake.seed);
}

// The server, and what some clients sent to it. Made once.
class World {
 public:
  World() : tickets_(std::make_unique<TicketKeys>()) {
    tls::install_random();
    constexpr std::uint8_t kSeed[32] = {9};
    tickets_->make();
    {
      const tls::SeededRandom random(kSeed, 0);
      const test::TestCa ca;
      config_.sites.resize(1);
      SiteConfig& site = config_.sites[0];
      add_certificate(site, ca.issue(dir_, "ecdsa", {}));
      add_certificate(site, ca.issue(dir_, "rsa", {.kind = test::TestCa::Kind::kRsa}));
      site.client_ca = dir_.write("ca.pem", ca.pem());
      site.client_auth = SiteConfig::ClientAuth::kOptional;
      client_ = ca.issue(dir_, "client", {.subject = "client"});
      other_config_ = config_;
      other_config_.sites[0].certificates.clear();
      add_certificate(other_config_.sites[0], ca.issue(dir_, "another", {.subject = "another"}));
    }
    credentials_ = std::make_unique<tls::Credentials>(config_, tickets_.get());
    others_ = std::make_unique<tls::Credentials>(other_config_, tickets_.get());
    record_all();
  }

  [[nodiscard]] const tls::Credentials& credentials() const { return *credentials_; }
  [[nodiscard]] const tls::Credentials& others() const { return *others_; }
  [[nodiscard]] const std::vector<std::string>& recorded() const { return recorded_; }

 private:
  static void add_certificate(SiteConfig& site, const test::CertificateFiles& files) {
    CertificateConfig one;
    one.chain = files.chain;
    one.key = files.key;
    site.certificates.push_back(one);
  }

  void record_all() {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      TlsClient::Options options;
      options.min_version = options.max_version = version;
      options.server_name = "localhost";
      options.protocols = {"http/1.1"};
      const test::SessionPtr session = record(options);
      auto resuming = options;
      resuming.session = session;
      record(resuming);
      auto retrying = options;
      retrying.groups = "P-521:P-256";
      record(retrying);
      auto proving = options;
      proving.certificate = client_.chain;
      proving.key = client_.key;
      proving.max_fragment = TLSEXT_max_fragment_length_512;
      record(proving);
    }
  }

  test::SessionPtr record(const TlsClient::Options& options) {
    constexpr std::uint8_t kSeed[32] = {8};
    TlsClient client(options);
    TlsState state;
    seed(state);
    Handshake handshake(*credentials_, state);
    std::string sent;
    std::uint64_t step = recorded_.size() << 8;
    for (Step now = Step::kNeedsMore; now == Step::kNeedsMore;) {
      {
        const tls::SeededRandom random(kSeed, step++);
        client.advance();
      }
      const std::string more = client.take();
      require(!more.empty(), "a client that is recorded goes on");
      const std::size_t before = handshake.output().size();
      now = handshake.advance(sent += more);
      client.give(handshake.output().substr(before));
      state.written = handshake.output().size();
    }
    client.advance();
    client.read();
    require(state.handshake.final_bytes != 0, "a handshake that is recorded succeeds");
    recorded_.push_back(sent);
    return options.max_version == TLS1_2_VERSION ? client.session() : client.sessions().back();
  }

  test::TempDir dir_;
  std::unique_ptr<TicketKeys> tickets_;
  Config config_, other_config_;
  test::CertificateFiles client_;
  std::unique_ptr<tls::Credentials> credentials_, others_;
  std::vector<std::string> recorded_;
};

// Each change is four bytes: where (two bytes), what kind, with what.
std::string changed(std::string bytes, std::string_view changes) {
  while (changes.size() >= 4 && !bytes.empty()) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(changes[i]); };
    const std::size_t where = (std::size_t{at(0)} << 8 | at(1)) % bytes.size();
    switch (at(2) % 6) {
      case 0: bytes[where] = changes[3]; break;
      case 1: bytes[where] = static_cast<char>(bytes[where] ^ (1 << at(3) % 8)); break;
      case 2: bytes.insert(where, 1, changes[3]); break;
      case 3: bytes.erase(where, std::size_t{at(3)} + 1); break;
      case 4: bytes.insert(where, bytes.substr(where, std::size_t{at(3)} + 1)); break;
      default: bytes.resize(where); break;
    }
    changes.remove_prefix(4);
  }
  return bytes;
}

struct Moment {
  TlsState state;
  std::size_t given = 0;
  std::size_t sent_before = 0;  // output before the call, all of it written
  std::size_t made = 0;
};

struct Run {
  Step step = Step::kNeedsMore;
  std::string output;
  std::size_t fed = 0;
  std::vector<Moment> moments;
};

void check(const Handshake& handshake, Step step, std::size_t given) {
  require(handshake.fed() <= given, "no more is used than came");
  require(step != Step::kNeedsMore || handshake.needed() > given, "more is asked for when all was used");
  require(step != Step::kDiverged, "only a replay can differ");
}

// Gives the bytes in pieces of pseudo-random size; seed 0 cuts everywhere.
Run run(const tls::Credentials& credentials, std::string_view bytes, unsigned cuts) {
  Run result;
  TlsState state;
  seed(state);
  Handshake handshake(credentials, state);
  unsigned random = cuts;
  for (std::size_t given = 0; given < bytes.size() && result.step == Step::kNeedsMore;) {
    random = random * 1'103'515'245 + cuts;
    given = std::min(bytes.size(), given + 1 + (random >> 16) % (cuts * 16 + 1));
    const std::size_t before = handshake.output().size();
    result.step = handshake.advance(bytes.substr(0, given));
    check(handshake, result.step, given);
    require(handshake.output().starts_with(result.output), "what was made stays");
    result.output = handshake.output();
    result.moments.push_back({state, given, before, result.output.size()});
    state.written = result.output.size();
  }
  result.fed = handshake.fed();
  return result;
}

void replay(const tls::Credentials& credentials, const Run& first, const Moment& from, std::string_view bytes,
            std::size_t written, bool same) {
  TlsState state = from.state;
  state.written = written;
  Handshake again(credentials, state);
  Step step = again.advance(bytes.substr(0, from.given));
  const std::string_view left = std::string_view(first.output).substr(0, written);
  if (same) require(again.output() == std::string_view(first.output).substr(0, from.made), "the same so far");
  if (step != Step::kDiverged) require(again.output().starts_with(left), "nothing contradicts what had left");
  if (step == Step::kNeedsMore) {
    state.written = again.output().size();
    step = again.advance(bytes.substr(0, first.moments.back().given));
  }
  if (!same) return;
  require(step == first.step && again.output() == first.output && again.fed() == first.fed,
          "the same in the end");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World world;
  if (size < 4) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 3, size - 3);
  const std::size_t which = data[0] % (world.recorded().size() + 1);
  const std::string bytes = which < world.recorded().size() ? changed(world.recorded()[which], rest) : rest;
  const Run first = run(world.credentials(), bytes, data[1]);
  if (first.moments.empty()) return 0;
  const Moment& from = first.moments[data[2] % first.moments.size()];
  const std::size_t fresh = from.made - from.sent_before;
  const std::size_t written = from.sent_before + fresh * (data[2] % 4) / 3;
  replay(world.credentials(), first, from, bytes, written, true);
  replay(world.others(), first, from, bytes, written, false);
  return 0;
}
