#include "weir/store/download.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/base/progress.h"
#include "weir/io/printable.h"
#include "weir/store/hub.h"
#include "weir/store/part_file.h"
#include "weir/store/retry.h"

namespace weir::store {
namespace {

constexpr int kPartialContent = 206;
constexpr int kRangeNotSatisfiable = 416;

std::string header(const HttpHeaders& headers, const std::string& name) {
  const auto field = headers.find(name);
  return field == headers.end() ? "" : field->second;
}

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

// "bytes 5-9/10": where the body starts and how long the whole is.
struct ContentRange {
  uint64_t first = 0;
  uint64_t total = 0;
};

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (text.substr(0, kUnit.size()) != kUnit || dash == std::string_view::npos ||
      slash == std::string_view::npos || dash < kUnit.size()) {
    return std::nullopt;
  }
  const auto first = parse_number(text.substr(kUnit.size(), dash - kUnit.size()));
  const auto total = parse_number(text.substr(slash + 1));
  if (!first || !total) return std::nullopt;
  return ContentRange{*first, *total};
}

// The hub's tag of a file is its sha256 (64 digits) or its git blob hash (40 digits).
void read_tag(std::string tag, Checksum* checksum) {
  if (tag.compare(0, 2, "W/") == 0) tag.erase(0, 2);
  tag.erase(std::remove(tag.begin(), tag.end(), '"'), tag.end());
  if (tag.find_first_not_of("0123456789abcdef") != std::string::npos) return;
  if (tag.size() == 64) checksum->sha256 = tag;
  if (tag.size() == 40) checksum->git_sha1 = tag;
}

// One download over all its tries.
class Fetch {
 public:
  explicit Fetch(const Download& task)
      : task_(task), expected_(task.expected), part_(task.destination) {}

  FileRecord run(HttpClient& client);

 private:
  void fetch_all(HttpClient& client);
  void fetch_rest(HttpClient& client);
  void begin(const HttpResponse& response);
  void learn_checksum(const HttpResponse& response);
  void write(std::string_view bytes);
  [[noreturn]] void fail_corrupt(const std::string& difference);

  const Download& task_;
  Checksum expected_;
  PartFile part_;
  std::unique_ptr<Progress> progress_;
  bool is_resumed_ = false;  ///< Holds bytes of an earlier process, maybe of another version.
  uint64_t furthest_ = 0;    ///< The most bytes any try had.
};

void Fetch::fail_corrupt(const std::string& difference) {
  part_.remove();
  fail(ErrorCode::kCorruptData, "{}: {}; the download was discarded, pull again", task_.what,
       difference);
}

void Fetch::learn_checksum(const HttpResponse& response) {
  if (!expected_.n_bytes) {
    expected_.n_bytes = parse_number(header(response.origin_headers, "x-linked-size"));
  }
  if (expected_.has_hash()) return;
  read_tag(header(response.origin_headers, "x-linked-etag"), &expected_);
  if (!expected_.has_hash()) read_tag(header(response.origin_headers, "etag"), &expected_);
}

// Decides, before a byte is written, where the body belongs and whether its size can be right.
void Fetch::begin(const HttpResponse& response) {
  learn_checksum(response);
  std::optional<uint64_t> announced = parse_number(header(response.headers, "content-length"));
  if (response.status == kPartialContent) {
    const auto range = parse_content_range(header(response.headers, "content-range"));
    if (!range || range->first != part_.size()) {
      fail_corrupt(fmt::format("asked for the bytes from {} on, got '{}'", part_.size(),
                               io::printable(header(response.headers, "content-range"))));
    }
    announced = range->total;
  } else {
    part_.clear();  // The server sends all of it.
    is_resumed_ = false;
  }
  if (expected_.n_bytes && announced && *announced != *expected_.n_bytes) {
    fail_corrupt(
        fmt::format("expected {} bytes, the server has {}", *expected_.n_bytes, *announced));
  }
  if (!expected_.n_bytes) expected_.n_bytes = announced;
  progress_ = std::make_unique<Progress>(task_.what, expected_.n_bytes.value_or(0), "B");
  progress_->set(part_.size());
}

void Fetch::write(std::string_view bytes) {
  if (expected_.n_bytes && part_.size() + bytes.size() > *expected_.n_bytes) {
    fail_corrupt(fmt::format("more than the expected {} bytes arrive", *expected_.n_bytes));
  }
  part_.append(bytes);
  progress_->advance(bytes.size());
}

// One try. Nothing to do when an earlier process got everything but the check.
void Fetch::fetch_rest(HttpClient& client) {
  if (expected_.n_bytes && part_.size() > *expected_.n_bytes) part_.clear();
  if (part_.size() > 0 && expected_.n_bytes == part_.size()) return;
  HttpRequest request = task_.request;
  request.first_byte = part_.size();
  const HttpSink sink = {[this](const HttpResponse& response) { begin(response); },
                         [this](std::string_view bytes) { write(bytes); }};
  HttpResponse response = client.get(request, sink);
  if (response.status == kRangeNotSatisfiable && part_.size() > 0) {
    part_.clear();
    is_resumed_ = false;
    request.first_byte = 0;
    response = client.get(request, sink);
  }
  check_status(response, task_.what);
}

void Fetch::fetch_all(HttpClient& client) {
  Backoff backoff(task_.retries, task_.retry_wait);
  is_resumed_ = part_.size() > 0;
  furthest_ = part_.size();
  with_retries(backoff, [&] {
    try {
      fetch_rest(client);
    } catch (const TransientError&) {
      if (part_.size() > furthest_) backoff.reset();
      furthest_ = std::max(furthest_, part_.size());
      throw;
    }
  });
  progress_.reset();
}

FileRecord Fetch::run(HttpClient& client) {
  fetch_all(client);
  std::string sha256;
  std::string difference = describe_mismatch(part_.path(), expected_, &sha256);
  if (!difference.empty() && is_resumed_) {
    log::info("{}: the part of an earlier pull does not fit ({}); starting over", task_.what,
              difference);
    part_.clear();
    fetch_all(client);
    difference = describe_mismatch(part_.path(), expected_, &sha256);
  }
  if (!difference.empty()) fail_corrupt(difference);
  part_.commit();
  return {part_.size(), sha256};
}

}  // namespace

FileRecord download(HttpClient& client, const Download& task) { return Fetch(task).run(client); }

}  // namespace weir::store
