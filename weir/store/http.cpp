#include "weir/store/http.h"

#include <algorithm>
#include <cctype>
#include <exception>
#include <mutex>

#include <curl/curl.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/version.h"
#include "weir/store/retry.h"
#include "weir/store/url.h"

namespace weir::store {
namespace {

constexpr int kMaxRedirects = 10;
constexpr uint64_t kMaxErrorBody = uint64_t{1} << 20;

// One response as libcurl hands it over. Exceptions must not cross libcurl's C frames: they are
// kept here and thrown again after it returned.
struct Transfer {
  CURL* curl = nullptr;
  const HttpSink* sink = nullptr;
  HttpResponse response;  ///< Its origin_headers come from the hops before.
  bool is_own_origin = false;
  bool has_begun = false;
  uint64_t dropped_bytes = 0;
  std::exception_ptr error;

  bool is_success() const { return response.status >= 200 && response.status < 300; }
  void begin() {
    has_begun = true;
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    response.status = static_cast<int>(status);
    if (is_own_origin) {
      response.origin_headers.insert(response.headers.begin(), response.headers.end());
    }
    if (is_success()) sink->begin(response);
  }
};

std::string trimmed(std::string_view text) {
  const auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
  const auto first = std::find_if_not(text.begin(), text.end(), is_space);
  const auto last = std::find_if_not(text.rbegin(), text.rend(), is_space).base();
  return first < last ? std::string(first, last) : "";
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

size_t on_header(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  try {
    const size_t colon = line.find(':');
    if (line.substr(0, 5) == "HTTP/") {
      transfer->response.headers.clear();  // What came before was only informational.
    } else if (colon != std::string_view::npos) {
      transfer->response.headers[lower_case(trimmed(line.substr(0, colon)))] =
          trimmed(line.substr(colon + 1));
    }
  } catch (...) {
    transfer->error = std::current_exception();
    return 0;
  }
  return size * count;
}

size_t on_body(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  const size_t n_bytes = size * count;
  try {
    if (!transfer->has_begun) transfer->begin();
    if (transfer->is_success()) {
      transfer->sink->write({data, n_bytes});
    } else {
      transfer->dropped_bytes += n_bytes;
      if (transfer->dropped_bytes > kMaxErrorBody) return 0;
    }
  } catch (...) {
    transfer->error = std::current_exception();
    return 0;
  }
  return n_bytes;
}

int on_progress(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return interrupted() ? 1 : 0;
}

class HeaderList {
 public:
  HeaderList() = default;
  ~HeaderList() { curl_slist_free_all(list_); }
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;

  void add(const std::string& line) {
    curl_slist* longer = curl_slist_append(list_, line.c_str());
    if (longer == nullptr) fail(ErrorCode::kInternal, "http: out of memory");
    list_ = longer;
  }
  const curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

bool is_encrypted(const std::string& origin) { return origin.compare(0, 6, "https:") == 0; }

void initialise_libcurl() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
      fail(ErrorCode::kInternal, "http: libcurl does not start");
    }
  });
}

}  // namespace

struct HttpClient::Session {
  explicit Session(const HttpTimeouts& limits)
      : curl(curl_easy_init(), &curl_easy_cleanup), timeouts(limits) {
    if (!curl) fail(ErrorCode::kInternal, "http: libcurl gives no handle");
  }

  void perform(const HttpRequest& request, Transfer* transfer);
  void set_options(const std::string& url, Transfer* transfer, const HeaderList& headers);
  /// Where the last response sends us; "" when it was no redirect.
  std::string redirect_target() const;

  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl;
  HttpTimeouts timeouts;
};

void HttpClient::Session::set_options(const std::string& url, Transfer* transfer,
                                      const HeaderList& headers) {
  CURL* handle = curl.get();
  const std::string agent = "weir/" + std::string(version());
  curl_easy_reset(handle);  // Connections stay.
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_USERAGENT, agent.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(timeouts.connect_seconds));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(timeouts.stall_seconds));
  curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 256L * 1024);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, transfer);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
}

// One request without redirects. The token goes to the origin it is meant for only.
void HttpClient::Session::perform(const HttpRequest& request, Transfer* transfer) {
  HeaderList headers;
  if (transfer->is_own_origin && !request.token.empty()) {
    headers.add("Authorization: Bearer " + request.token);
  }
  if (request.first_byte > 0) headers.add(fmt::format("Range: bytes={}-", request.first_byte));
  transfer->curl = curl.get();
  set_options(request.url, transfer, headers);
  const CURLcode code = curl_easy_perform(curl.get());
  if (transfer->error) std::rethrow_exception(transfer->error);
  throw_if_interrupted();
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
    fail(ErrorCode::kInvalidArgument, "{}: {}", request.url, curl_easy_strerror(code));
  }
  const bool has_dropped_rest = transfer->has_begun && !transfer->is_success();
  if (code != CURLE_OK && !has_dropped_rest) {
    throw TransientError(fmt::format("{}: {}", url_origin(request.url), curl_easy_strerror(code)));
  }
  if (!transfer->has_begun) transfer->begin();
}

std::string HttpClient::Session::redirect_target() const {
  char* url = nullptr;
  curl_easy_getinfo(curl.get(), CURLINFO_REDIRECT_URL, &url);
  return url == nullptr ? "" : url;
}

HttpClient::HttpClient(const HttpTimeouts& timeouts) {
  initialise_libcurl();
  session_ = std::make_unique<Session>(timeouts);
}

HttpClient::~HttpClient() = default;

HttpResponse HttpClient::get(const HttpRequest& request, const HttpSink& sink) {
  const std::string own_origin = url_origin(request.url);
  HttpRequest hop = request;
  HttpHeaders origin_headers;
  for (int hops = 0; hops <= kMaxRedirects; ++hops) {
    const std::string origin = url_origin(hop.url);
    Transfer transfer;
    transfer.sink = &sink;
    transfer.is_own_origin = origin == own_origin;
    transfer.response.origin_headers = std::move(origin_headers);
    session_->perform(hop, &transfer);
    hop.url = session_->redirect_target();
    if (hop.url.empty()) return std::move(transfer.response);
    if (is_encrypted(origin) && !is_encrypted(url_origin(hop.url))) {
      fail(ErrorCode::kUnavailable, "{}: redirects to an unencrypted address", origin);
    }
    origin_headers = std::move(transfer.response.origin_headers);
  }
  fail(ErrorCode::kUnavailable, "{}: more than {} redirects", own_origin, kMaxRedirects);
}

HttpResponse HttpClient::get_text(const HttpRequest& request, uint64_t limit, std::string* body) {
  const HttpSink sink = {[&](const HttpResponse&) { body->clear(); },
                         [&](std::string_view bytes) {
                           if (body->size() + bytes.size() > limit) {
                             fail(ErrorCode::kCorruptData, "{}: the answer exceeds {} bytes",
                                  request.url, limit);
                           }
                           *body += bytes;
                         }};
  return get(request, sink);
}

}  // namespace weir::store
