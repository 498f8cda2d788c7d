#include "tests/store/http_server.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <sstream>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <poll.h>

namespace weir::store {
namespace {

constexpr size_t kMaxRequestBytes = 64 * 1024;
constexpr int kPollMilliseconds = 20;

ServerRequest parse_request(const std::string& text) {
  ServerRequest request;
  std::istringstream lines(text);
  std::string method;
  std::string line;
  lines >> method >> request.target;
  std::getline(lines, line);
  while (std::getline(lines, line) && line.size() > 1) {
    const size_t colon = line.find(':');
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    request.headers[name] = line.substr(colon + 2, line.size() - colon - 3);
  }
  return request;
}

void send_all(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

}  // namespace

uint64_t ServerRequest::first_byte() const {
  const auto range = headers.find("range");
  return range == headers.end() ? 0 : std::stoull(range->second.substr(sizeof("bytes=") - 1));
}

HttpServer::HttpServer(Answer answer) : answer_(std::move(answer)) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket_, generic, length) != 0 || ::listen(socket_, 16) != 0 ||
      ::getsockname(socket_, generic, &length) != 0) {
    throw std::runtime_error("no port on 127.0.0.1 for the test's server");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

HttpServer::~HttpServer() {
  is_stopping_ = true;
  thread_.join();
  ::close(socket_);
}

std::string HttpServer::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

std::vector<ServerRequest> HttpServer::requests() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return requests_;
}

void HttpServer::serve() {
  while (!is_stopping_) {
    pollfd waiting = {socket_, POLLIN, 0};
    if (::poll(&waiting, 1, kPollMilliseconds) <= 0) continue;
    const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    handle(connection);
    ::close(connection);
  }
}

void HttpServer::handle(int connection) {
  std::string text;
  char buffer[4096];
  while (text.find("\r\n\r\n") == std::string::npos && text.size() < kMaxRequestBytes) {
    const ssize_t count = ::recv(connection, buffer, sizeof(buffer), 0);
    if (count <= 0) return;
    text.append(buffer, static_cast<size_t>(count));
  }
  const ServerRequest request = parse_request(text);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    requests_.push_back(request);
  }
  const ServerReply reply = answer_(request);
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " status\r\n";
  head += "Content-Length: " + std::to_string(reply.content_length.value_or(reply.body.size())) +
          "\r\n";
  for (const std::string& line : reply.headers) head += line + "\r\n";
  send_all(connection, head + "Connection: close\r\n\r\n");
  const uint64_t n_sent =
      std::min<uint64_t>(reply.cut_after.value_or(reply.body.size()), reply.body.size());
  send_all(connection, std::string_view(reply.body).substr(0, n_sent));
  std::this_thread::sleep_for(std::chrono::milliseconds(reply.hold_milliseconds));
}

}  // namespace weir::store
