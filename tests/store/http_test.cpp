#include "weir/store/http.h"

#include <gmock/gmock.h>

#include "tests/store/http_server.h"
#include "tests/store/store_fixture.h"
#include "weir/store/retry.h"
#include "weir/store/url.h"

namespace weir::store {
namespace {

class HttpTest : public StoreTest {};

TEST_F(HttpTest, AStalledConnectionCountsAsCut) {
  // The server promises more than it sends and keeps the connection for two seconds.
  const HttpServer server([](const ServerRequest&) {
    ServerReply reply{200, "beginning"};
    reply.content_length = 1000;
    reply.hold_milliseconds = 2500;
    return reply;
  });
  HttpTimeouts timeouts;
  timeouts.stall_seconds = 1;
  HttpClient client(timeouts);
  std::string body;
  EXPECT_THROW(client.get_text({server.url() + "/x", "", 0}, 1000, &body), TransientError);
  EXPECT_EQ(body, "beginning");
}

TEST_F(HttpTest, ARefusedConnectionIsWorthAnotherTry) {
  std::string url;
  {
    url = HttpServer([](const ServerRequest&) { return ServerReply{}; }).url();
  }
  HttpClient client;
  std::string body;
  EXPECT_THROW(client.get_text({url + "/x", "", 0}, 1000, &body), TransientError);
}

TEST_F(HttpTest, AnAnswerBeyondTheLimitIsRefused) {
  const HttpServer server([](const ServerRequest&) {
    return ServerReply{200, std::string(1001, 'x')};
  });
  HttpClient client;
  std::string body;
  const Error error = error_of([&] { client.get_text({server.url() + "/x", "", 0}, 1000, &body); });
  EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
}

TEST_F(HttpTest, BodiesOfFailuresAreDropped) {
  const HttpServer server([](const ServerRequest&) { return ServerReply{500, "trouble"}; });
  HttpClient client;
  std::string body;
  EXPECT_EQ(client.get_text({server.url() + "/x", "", 0}, 1000, &body).status, 500);
  EXPECT_EQ(body, "");
}

TEST(Url, OriginsTellServersApart) {
  EXPECT_EQ(url_origin("https://hub.example/a?b"), "https://hub.example:443");
  EXPECT_EQ(url_origin("http://hub.example:8080/"), "http://hub.example:8080");
  EXPECT_NE(url_origin("https://hub.example"), url_origin("http://hub.example"));
  EXPECT_NE(url_origin("https://hub.example"), url_origin("https://hub.example.evil"));
  EXPECT_NE(url_origin("https://hub.example"), url_origin("https://hub.example@evil"));
  EXPECT_THROW(url_origin("file:///etc/passwd"), Error);
}

TEST(Url, EscapesWhatIsNotPlain) {
  EXPECT_EQ(escape_segment("refs/pr/1"), "refs%2Fpr%2F1");
  EXPECT_EQ(escape_path("a b/ü?.gguf"), "a%20b/%C3%BC%3F.gguf");
}

}  // namespace
}  // namespace weir::store
