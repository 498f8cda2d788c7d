#include "weir/store/url.h"

#include <memory>

#include <curl/curl.h>

#include "weir/base/error.h"

namespace weir::store {
namespace {

std::string url_part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return "";
  const std::string copy = text;
  curl_free(text);
  return copy;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::string escape(std::string_view text, bool keep_slash) {
  std::string escaped;
  for (const char c : text) {
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      escaped += c;
    } else {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

}  // namespace

std::string url_origin(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), &curl_url_cleanup);
  const bool is_url = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) == CURLUE_OK;
  const std::string scheme = is_url ? url_part(parsed.get(), CURLUPART_SCHEME) : "";
  require(scheme == "http" || scheme == "https",
          "expected an address that starts with http:// or https://, got '{}'", url);
  return fmt::format("{}://{}:{}", scheme, url_part(parsed.get(), CURLUPART_HOST),
                     url_part(parsed.get(), CURLUPART_PORT));
}

std::string escape_segment(std::string_view text) { return escape(text, false); }

std::string escape_path(std::string_view text) { return escape(text, true); }

}  // namespace weir::store
