#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace weir::store {

struct ServerRequest {
  std::string target;                          ///< Path and query, as sent.
  std::map<std::string, std::string> headers;  ///< Names in lower case.

  /// N of "Range: bytes=N-"; 0 without one.
  uint64_t first_byte() const;
};

struct ServerReply {
  int status = 200;
  std::string body;
  std::vector<std::string> headers = {};        ///< Whole lines, beside Content-Length.
  std::optional<uint64_t> cut_after = {};       ///< Closes the connection after so many bytes.
  std::optional<uint64_t> content_length = {};  ///< A lie; unset: the body's size.
  int hold_milliseconds = 0;  ///< Keeps the connection open so long after the last byte.
};

/// A small HTTP server on 127.0.0.1 for tests: one request a connection, answered one after the
/// other by a function of the test, on a port that the system chooses.
class HttpServer {
 public:
  using Answer = std::function<ServerReply(const ServerRequest&)>;

  explicit HttpServer(Answer answer);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string url() const;  ///< "http://127.0.0.1:PORT"
  /// What came so far.
  std::vector<ServerRequest> requests() const;

 private:
  void serve();
  void handle(int connection);

  Answer answer_;
  int socket_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> is_stopping_{false};
  mutable std::mutex mutex_;
  std::vector<ServerRequest> requests_;
  std::thread thread_;
};

}  // namespace weir::store
