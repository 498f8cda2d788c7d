#include "weir/store/hub.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/paths.h"
#include "weir/io/json.h"
#include "weir/io/printable.h"
#include "weir/store/retry.h"
#include "weir/store/url.h"

namespace weir::store {
namespace {

constexpr const char* kHuggingFace = "https://huggingface.co";
constexpr uint64_t kMaxListing = uint64_t{64} << 20;
constexpr double kLongestAskedWait = 60;

std::string endpoint_of(const PullOptions& options) {
  std::string endpoint =
      options.endpoint.value_or(environment("HF_ENDPOINT").value_or(kHuggingFace));
  while (!endpoint.empty() && endpoint.back() == '/') endpoint.pop_back();
  return endpoint;
}

std::string token_in_file() {
  const auto given = environment("HF_TOKEN_PATH");
  const std::filesystem::path path =
      given ? std::filesystem::path(*given) : hugging_face_home() / "token";
  std::string token;
  std::ifstream(path) >> token;
  return token;
}

std::string token_of(const PullOptions& options) {
  const auto set = options.token ? options.token : environment("HF_TOKEN");
  const std::string token = set ? *set : token_in_file();
  const bool is_clean =
      std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  require(is_clean, "the hub token (HF_TOKEN or its file) holds spaces or control characters");
  return token;
}

bool is_hex(const std::string& text, size_t length) {
  return text.size() == length && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string hex_field(const nlohmann::json& object, std::string_view key, size_t length,
                      const std::string& what) {
  const std::string text = io::find_string(object, key, what).value_or("");
  if (!text.empty() && !is_hex(text, length)) {
    fail(ErrorCode::kCorruptData, "{}: expected {} hex digits as '{}', got '{}'", what, length, key,
         io::printable(text));
  }
  return text;
}

RemoteFile parse_file(const nlohmann::json& json, const std::string& what) {
  RemoteFile file;
  file.name = io::get_string(json, "rfilename", what);
  if (!is_safe_relative_path(file.name)) {
    fail(ErrorCode::kCorruptData, "{}: names a file outside the model's folder: '{}'; not pulled",
         what, io::printable(file.name));
  }
  const int64_t kMax = std::numeric_limits<int64_t>::max();
  if (const auto size = io::find_int(json, "size", 0, kMax, what)) {
    file.checksum.n_bytes = static_cast<uint64_t>(*size);
  }
  const auto lfs = json.find("lfs");
  if (lfs != json.end() && lfs->is_object()) {
    file.checksum.sha256 = hex_field(*lfs, "sha256", 64, what);
    if (const auto size = io::find_int(*lfs, "size", 0, kMax, what)) {
      file.checksum.n_bytes = static_cast<uint64_t>(*size);
    }
  } else {
    file.checksum.git_sha1 = hex_field(json, "blobId", 40, what);
  }
  return file;
}

RemoteModel parse_listing(const std::string& body, const std::string& what) {
  const nlohmann::json json = io::parse_json(body, what);
  RemoteModel model;
  model.commit = io::find_string(json, "sha", what).value_or("");
  if (!model.commit.empty() && !is_safe_relative_path(model.commit)) {
    fail(ErrorCode::kCorruptData, "{}: 'sha' is no commit: '{}'", what,
         io::printable(model.commit));
  }
  const auto siblings = json.find("siblings");
  if (siblings == json.end() || !siblings->is_array()) {
    fail(ErrorCode::kCorruptData, "{}: expected an array 'siblings' with the files", what);
  }
  for (const nlohmann::json& sibling : *siblings) model.files.push_back(parse_file(sibling, what));
  return model;
}

double asked_wait(const HttpResponse& response) {
  const auto field = response.headers.find("retry-after");
  if (field == response.headers.end()) return 0;
  int seconds = 0;
  const std::string& text = field->second;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::clamp<double>(seconds, 0, kLongestAskedWait);
}

}  // namespace

void check_status(const HttpResponse& response, const std::string& what) {
  const int status = response.status;
  if (status >= 200 && status < 300) return;
  if (status == 404) {
    fail(ErrorCode::kNotFound, "{}: the hub has no such model, revision or file (404)", what);
  }
  if (status == 401 || status == 403) {
    fail(ErrorCode::kUnavailable,
         "{}: the hub refuses access ({}); for a gated model, accept its terms on its page and set "
         "HF_TOKEN to a token that may read it; else check the name: unknown ones are refused too",
         what, status);
  }
  const std::string message = fmt::format("{}: the hub answers with status {}", what, status);
  if (status == 408 || status == 429 || status >= 500) {
    throw TransientError(message, asked_wait(response));
  }
  fail(ErrorCode::kUnavailable, "{}", message);
}

Hub::Hub(const PullOptions& options)
    : options_(options), endpoint_(endpoint_of(options)), token_(token_of(options)) {
  url_origin(endpoint_);  // An address that is none is best told at once.
}

RemoteModel Hub::list(const ModelName& name) {
  const std::string what = name.repository + "@" + name.revision;
  const std::string url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", endpoint_,
                                      escape_path(name.repository), escape_segment(name.revision));
  Backoff backoff(options_.retries, options_.retry_wait);
  std::string body;
  with_retries(backoff, [&] {
    check_status(client_.get_text({url, token_, 0}, kMaxListing, &body), what);
  });
  RemoteModel model = parse_listing(body, "the hub's list of files of " + what);
  if (model.commit.empty()) model.commit = name.revision;
  return model;
}

HttpRequest Hub::file_request(const ModelName& name, const std::string& commit,
                              const std::string& file) const {
  return {fmt::format("{}/{}/resolve/{}/{}", endpoint_, escape_path(name.repository),
                      escape_segment(commit), escape_path(file)),
          token_, 0};
}

}  // namespace weir::store
