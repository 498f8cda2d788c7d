#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

/// Downloads over HTTP: the only file of Weir that talks to libcurl's transfers.
namespace weir::store {

/// Fields of a response; the names in lower case.
using HttpHeaders = std::map<std::string, std::string>;

struct HttpRequest {
  std::string url;
  std::string token;        ///< Bearer token for the origin of `url`, and nobody else; "" for none.
  uint64_t first_byte = 0;  ///< Above 0 asks for the rest from there; the server may send all.
};

struct HttpResponse {
  int status = 0;       ///< Of the last response, after redirects.
  HttpHeaders headers;  ///< Of the last response.
  /// Of all responses that the origin of the request's URL gave, redirects included: a hub
  /// describes a file there and lets another host deliver it.
  HttpHeaders origin_headers;
};

/// Takes the body of a successful (2xx) response: `begin` once, then `write` for each piece. An
/// exception from either ends the transfer and comes out of HttpClient::get.
struct HttpSink {
  std::function<void(const HttpResponse&)> begin;
  std::function<void(std::string_view)> write;
};

struct HttpTimeouts {
  int64_t connect_seconds = 15;
  int64_t stall_seconds = 30;  ///< Without one byte, the transfer counts as cut.
};

/// A client that keeps its connections between requests. Not for several threads at once.
class HttpClient {
 public:
  explicit HttpClient(const HttpTimeouts& timeouts = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Fetches, following up to 10 redirects (never from https to http; the token stays with the
  /// first origin). The status is the caller's to judge; bodies of failures are dropped.
  /// Throws TransientError (retry.h) when the connection fails or stalls, kInterrupted on Ctrl-C,
  /// kInvalidArgument for an address that is none.
  HttpResponse get(const HttpRequest& request, const HttpSink& sink);
  /// The whole body as text; kCorruptData above `limit` bytes.
  HttpResponse get_text(const HttpRequest& request, uint64_t limit, std::string* body);

 private:
  struct Session;
  std::unique_ptr<Session> session_;
};

}  // namespace weir::store
