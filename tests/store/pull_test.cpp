#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/store/fake_hub.h"
#include "tests/store/store_fixture.h"
#include "weir/base/interrupt.h"
#include "weir/io/sha256.h"

namespace weir::store {
namespace {

using ::testing::HasSubstr;

PullOptions from(const HttpServer& server) {
  PullOptions options;
  options.endpoint = server.url();
  options.retry_wait = 0.01;
  return options;
}

/// Counts the requests for a file.
int64_t count_for(const HttpServer& server, const std::string& file) {
  int64_t count = 0;
  for (const ServerRequest& request : server.requests()) count += is_for(request, file) ? 1 : 0;
  return count;
}

class PullTest : public StoreTest {
 protected:
  std::string pull_error(const HttpServer& server, const std::string& model, ErrorCode code) {
    const Error error = error_of([&] { pull_model(model, from(server)); });
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  std::filesystem::path weights_path() const { return models() / "o/tiny/model.safetensors"; }

  FakeRepository repository_ = small_model();
  const std::string& weights_ = repository_.large.at("model.safetensors");
};

TEST_F(PullTest, PutsAllFilesOfTheModelIntoTheStore) {
  const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(repository_, r); });
  const std::filesystem::path folder = pull_model("o/tiny", from(server));
  EXPECT_EQ(folder, models() / "o/tiny");
  EXPECT_EQ(read(folder / "model.safetensors"), weights_);
  EXPECT_EQ(read(folder / "config.json"), repository_.small.at("config.json"));
  EXPECT_EQ(read(folder / "tokenizer.json"), repository_.small.at("tokenizer.json"));
  EXPECT_FALSE(std::filesystem::exists(folder / "README.md"));
  EXPECT_EQ(resolve_model("o/tiny"), folder);
}

TEST_F(PullTest, RecordsWhereTheModelCameFrom) {
  const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(repository_, r); });
  const auto folder = pull_model("o/tiny", from(server));
  const auto record = nlohmann::json::parse(read(folder / "weir.json"));
  EXPECT_EQ(record["origin"], "o/tiny");
  EXPECT_EQ(record["revision"], "main");
  EXPECT_EQ(record["commit"], repository_.commit);
  EXPECT_EQ(record["files"]["model.safetensors"]["sha256"], io::sha256_hex(weights_));
  EXPECT_EQ(record["files"]["config.json"]["bytes"], 23);
}

TEST_F(PullTest, DownloadsNothingTwice) {
  const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(repository_, r); });
  pull_model("o/tiny", from(server));
  pull_model("o/tiny", from(server));
  EXPECT_EQ(count_for(server, "model.safetensors"), 1);
  EXPECT_EQ(count_for(server, "config.json"), 1);
}

TEST_F(PullTest, ReplacesFilesThatChangedUpstream) {
  const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(repository_, r); });
  pull_model("o/tiny", from(server));
  repository_.small["config.json"] = R"({"model_type": "other"})";
  const auto folder = pull_model("o/tiny", from(server));
  EXPECT_EQ(read(folder / "config.json"), R"({"model_type": "other"})");
  EXPECT_EQ(count_for(server, "model.safetensors"), 1);
}

TEST_F(PullTest, GoesOnAfterACutConnection) {
  const HttpServer server([&](const ServerRequest& request) {
    ServerReply reply = answer_as_hub(repository_, request);
    // Six cuts with three retries: each brought bytes, so the count starts again.
    if (is_for(request, "model.safetensors") && request.first_byte() < 60000) {
      reply.cut_after = 10000;
    }
    return reply;
  });
  EXPECT_EQ(read(pull_model("o/tiny", from(server)) / "model.safetensors"), weights_);
  EXPECT_EQ(count_for(server, "model.safetensors"), 7);
  EXPECT_EQ(server.requests().back().first_byte(), 60000U);
}

TEST_F(PullTest, GoesOnWhereAnEarlierPullStopped) {
  write(weights_path().string() + ".part", weights_.substr(0, 70000));
  const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(repository_, r); });
  pull_model("o/tiny", from(server));
  EXPECT_EQ(read(weights_path()), weights_);
  EXPECT_EQ(server.requests().back().first_byte(), 70000U);
  EXPECT_FALSE(std::filesystem::exists(weights_path().string() + ".part"));
}

TEST_F(PullTest, StartsOverWhenThePartIsOfAnotherVersion) {
  write(weights_path().string() + ".part", std::string(70000, 'x'));
  const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(repository_, r); });
  pull_model("o/tiny", from(server));
  EXPECT_EQ(read(weights_path()), weights_);
  EXPECT_EQ(count_for(server, "model.safetensors"), 2);
}

TEST_F(PullTest, TakesTheWholeFileFromAServerThatIgnoresRanges) {
  write(weights_path().string() + ".part", std::string(70000, 'x'));
  const HttpServer server([&](const ServerRequest& request) {
    if (is_for(request, "model.safetensors")) return ServerReply{200, weights_};
    return answer_as_hub(repository_, request);
  });
  pull_model("o/tiny", from(server));
  EXPECT_EQ(read(weights_path()), weights_);
  EXPECT_EQ(count_for(server, "model.safetensors"), 1);
}

TEST_F(PullTest, StartsOverWhenTheRangeIsRefused) {
  write(weights_path().string() + ".part", std::string(70000, 'x'));
  const HttpServer server([&](const ServerRequest& request) {
    if (is_for(request, "model.safetensors") && request.first_byte() > 0)
      return ServerReply{416, ""};
    return answer_as_hub(repository_, request);
  });
  pull_model("o/tiny", from(server));
  EXPECT_EQ(read(weights_path()), weights_);
}

TEST_F(PullTest, RefusesAFileOfAnotherSize) {
  const HttpServer server([&](const ServerRequest& request) {
    if (is_for(request, "model.safetensors")) return ServerReply{200, weights_ + "more"};
    return answer_as_hub(repository_, request);
  });
  EXPECT_THAT(pull_error(server, "o/tiny", ErrorCode::kCorruptData),
              HasSubstr("expected 100000 bytes, the server has 100004"));
  EXPECT_FALSE(std::filesystem::exists(weights_path()));
}

TEST_F(PullTest, RefusesAFileWithAnotherSha256) {
  const HttpServer server([&](const ServerRequest& request) {
    if (is_for(request, "model.safetensors")) return ServerReply{200, std::string(100000, 'x')};
    return answer_as_hub(repository_, request);
  });
  EXPECT_THAT(pull_error(server, "o/tiny", ErrorCode::kCorruptData),
              HasSubstr("expected sha256 " + io::sha256_hex(weights_)));
  EXPECT_FALSE(std::filesystem::exists(weights_path()));
  EXPECT_FALSE(std::filesystem::exists(weights_path().string() + ".part"));
}

TEST_F(PullTest, RefusesASmallFileWithAnotherGitHash) {
  const HttpServer server([&](const ServerRequest& request) {
    if (is_for(request, "config.json")) return ServerReply{200, R"({"model_type": "LLAMA"})"};
    return answer_as_hub(repository_, request);
  });
  pull_error(server, "o/tiny", ErrorCode::kCorruptData);
  EXPECT_FALSE(std::filesystem::exists(models() / "o/tiny/config.json"));
}

TEST_F(PullTest, SaysThatAModelDoesNotExist) {
  const HttpServer server([](const ServerRequest&) { return ServerReply{404, "{}"}; });
  EXPECT_THAT(pull_error(server, "o/none", ErrorCode::kNotFound), HasSubstr("o/none@main"));
  EXPECT_FALSE(std::filesystem::exists(models() / "o/none"));
}

TEST_F(PullTest, SaysHowToGetAccess) {
  for (const int status : {401, 403}) {
    const HttpServer server([&](const ServerRequest&) { return ServerReply{status, "{}"}; });
    EXPECT_THAT(pull_error(server, "o/gated", ErrorCode::kUnavailable), HasSubstr("HF_TOKEN"));
    EXPECT_EQ(server.requests().size(), 1U);
  }
}

TEST_F(PullTest, TriesAgainWhenTheServerIsBusy) {
  int failures = 2;
  const HttpServer server([&](const ServerRequest& request) {
    if (is_for(request, "model.safetensors") && failures-- > 0) return ServerReply{503, "busy"};
    return answer_as_hub(repository_, request);
  });
  pull_model("o/tiny", from(server));
  EXPECT_EQ(read(weights_path()), weights_);
}

TEST_F(PullTest, GivesUpOnAServerThatStaysBusy) {
  const HttpServer server([](const ServerRequest&) { return ServerReply{500, ""}; });
  EXPECT_THAT(pull_error(server, "o/tiny", ErrorCode::kUnavailable), HasSubstr("tried 4 times"));
  EXPECT_EQ(server.requests().size(), 4U);
}

TEST_F(PullTest, SendsTheTokenToTheHubOnly) {
  setenv("HF_TOKEN", "hf_secret", 1);
  const HttpServer elsewhere(
      [&](const ServerRequest& request) { return answer_with_range(weights_, request); });
  const HttpServer server([&](const ServerRequest& request) {
    if (is_for(request, "model.safetensors")) {
      return ServerReply{302, "", {"Location: " + elsewhere.url() + "/blob"}};
    }
    return answer_as_hub(repository_, request);
  });
  pull_model("o/tiny", from(server));
  EXPECT_EQ(read(weights_path()), weights_);
  for (const ServerRequest& request : server.requests()) {
    EXPECT_EQ(request.headers.at("authorization"), "Bearer hf_secret");
  }
  const std::vector<ServerRequest> outside = elsewhere.requests();
  ASSERT_EQ(outside.size(), 1U);
  for (const auto& [name, value] : outside[0].headers) {
    EXPECT_NE(name, "authorization");
    EXPECT_THAT(value, ::testing::Not(HasSubstr("hf_secret")));
  }
}

TEST_F(PullTest, ResumesBehindARedirectAndKeepsTheTokenOnTheHubsOwnOne) {
  write(weights_path().string() + ".part", weights_.substr(0, 70000));
  setenv("HF_TOKEN", "hf_secret", 1);
  const HttpServer server([&](const ServerRequest& request) {
    if (request.target == "/moved") return answer_with_range(weights_, request);
    if (is_for(request, "model.safetensors")) return ServerReply{307, "", {"Location: /moved"}};
    return answer_as_hub(repository_, request);
  });
  pull_model("o/tiny", from(server));
  EXPECT_EQ(read(weights_path()), weights_);
  EXPECT_EQ(server.requests().back().first_byte(), 70000U);
  EXPECT_EQ(server.requests().back().headers.at("authorization"), "Bearer hf_secret");
}

TEST_F(PullTest, StopsARedirectThatGoesInCircles) {
  const HttpServer server([](const ServerRequest&) {
    return ServerReply{302, "", {"Location: /api/models/again"}};
  });
  EXPECT_THAT(pull_error(server, "o/tiny", ErrorCode::kUnavailable), HasSubstr("redirects"));
}

TEST_F(PullTest, FindsTheTokenInTheFileOfHuggingFaceTools) {
  write(folder_ / "hf/token", "hf_from_file\n");
  const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(repository_, r); });
  pull_model("o/tiny", from(server));
  EXPECT_EQ(server.requests()[0].headers.at("authorization"), "Bearer hf_from_file");
}

TEST_F(PullTest, RefusesATokenThatWouldAddAHeader) {
  setenv("HF_TOKEN", "a\r\nX-Injected: 1", 1);
  const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(repository_, r); });
  pull_error(server, "o/tiny", ErrorCode::kInvalidArgument);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(PullTest, TakesTheEndpointFromTheEnvironment) {
  const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(repository_, r); });
  setenv("HF_ENDPOINT", (server.url() + "/").c_str(), 1);
  pull_model("o/tiny");
  EXPECT_EQ(server.requests()[0].target, "/api/models/o/tiny/revision/main?blobs=true");
  EXPECT_EQ(server.requests()[1].target, "/o/tiny/resolve/" + repository_.commit + "/config.json");
}

TEST_F(PullTest, RefusesNamesThatLeaveTheFolder) {
  for (const char* name : {"../evil.safetensors", "/etc/evil.safetensors", "a/../../evil.gguf",
                           "a\\..\\evil.gguf", "", "a//b.gguf", "evil\n.gguf"}) {
    FakeRepository hostile = repository_;
    hostile.large[name] = "evil";
    const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(hostile, r); });
    EXPECT_THAT(pull_error(server, "o/tiny", ErrorCode::kCorruptData), HasSubstr("outside"));
    EXPECT_EQ(server.requests().size(), 1U) << name;
  }
  EXPECT_FALSE(std::filesystem::exists(models()));
}

TEST_F(PullTest, RefusesAListingThatIsNone) {
  for (const char* body : {"", "[]", "{}", R"({"siblings": 1})", R"({"siblings": [{}]})",
                           R"({"siblings": [{"rfilename": "a", "size": -1}]})",
                           R"({"siblings": [{"rfilename": "a", "lfs": {"sha256": "xyz"}}]})",
                           R"({"sha": "../..", "siblings": []})"}) {
    const HttpServer server([&](const ServerRequest&) { return ServerReply{200, body}; });
    pull_error(server, "o/tiny", ErrorCode::kCorruptData);
  }
}

TEST_F(PullTest, EscapesARevisionWithASlash) {
  const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(repository_, r); });
  const auto folder = pull_model("o/tiny@refs/pr/1", from(server));
  EXPECT_EQ(server.requests()[0].target, "/api/models/o/tiny/revision/refs%2Fpr%2F1?blobs=true");
  EXPECT_EQ(folder, models() / "o/tiny@refs--pr--1");
  EXPECT_EQ(resolve_model("o/tiny@refs/pr/1"), folder);
  EXPECT_EQ(error_of([] { resolve_model("o/tiny"); }).code(), ErrorCode::kNotFound);
}

TEST_F(PullTest, UsesWhatHuggingFacesCacheHolds) {
  const auto snapshot = hub_cache() / "models--o--tiny/snapshots" / repository_.commit;
  write(hub_cache() / "models--o--tiny/blobs/weights", weights_);
  write(snapshot / "config.json", "not what the hub lists!");
  std::filesystem::create_symlink("../../blobs/weights", snapshot / "model.safetensors");
  const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(repository_, r); });
  const auto folder = pull_model("o/tiny", from(server));
  EXPECT_EQ(count_for(server, "model.safetensors"), 0);
  EXPECT_EQ(read(folder / "model.safetensors"), weights_);
  EXPECT_FALSE(std::filesystem::is_symlink(folder / "model.safetensors"));
  EXPECT_EQ(read(folder / "config.json"), repository_.small.at("config.json"));
}

TEST_F(PullTest, LearnsSizeAndHashFromTheHubsHeaders) {
  FakeRepository liar = repository_;
  liar.large["model.safetensors"] = std::string(100000, 'x');
  const std::string tag = "X-Linked-ETag: \"" + io::sha256_hex(weights_) + "\"";
  const HttpServer server([&](const ServerRequest& request) {
    if (is_listing(request)) {
      return ServerReply{200, R"({"siblings": [{"rfilename": "config.json"},
                                               {"rfilename": "model.safetensors"}]})"};
    }
    ServerReply reply = answer_as_hub(liar, request);
    if (is_for(request, "model.safetensors")) reply.headers = {tag, "X-Linked-Size: 100000"};
    return reply;
  });
  EXPECT_THAT(pull_error(server, "o/tiny", ErrorCode::kCorruptData), HasSubstr("expected sha256"));
}

TEST_F(PullTest, TwoPullsAtOnceLeaveOneWholeModel) {
  const HttpServer server([&](const ServerRequest& r) { return answer_as_hub(repository_, r); });
  std::thread other([&] { pull_model("o/tiny", from(server)); });
  pull_model("o/tiny", from(server));
  other.join();
  EXPECT_EQ(read(weights_path()), weights_);
  EXPECT_EQ(count_for(server, "model.safetensors"), 1);
}

TEST_F(PullTest, KeepsWhatArrivedWhenTheUserStops) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // The child has a server thread of its own.
  const auto stop_in_the_middle = [&] {
    install_interrupt_handler();
    const HttpServer server([&](const ServerRequest& request) {
      ServerReply reply = answer_as_hub(repository_, request);
      if (is_for(request, "model.safetensors")) {
        if (request.first_byte() > 0) std::raise(SIGINT);
        reply.cut_after = 50000;
      }
      return reply;
    });
    const Error error = error_of([&] { pull_model("o/tiny", from(server)); });
    const bool is_kept = read(weights_path().string() + ".part").size() >= 50000 &&
                         !std::filesystem::exists(weights_path());
    std::_Exit(error.code() == ErrorCode::kInterrupted && is_kept ? 0 : 1);
  };
  EXPECT_EXIT(stop_in_the_middle(), ::testing::ExitedWithCode(0), "");
}

TEST_F(PullTest, RefusesNamesThatAreNoHubNames) {
  for (const char* name : {"", "gpt2", "o/a/b", "../x", "o/..", "o/a@", "o/a:", "o/a:../x", "/o/a",
                           "o/a b", "o/a?x=1", "o/a@re\nv"}) {
    EXPECT_EQ(error_of([&] { pull_model(name); }).code(), ErrorCode::kInvalidArgument) << name;
  }
}

TEST_F(PullTest, RefusesAnEndpointThatIsNoWebAddress) {
  PullOptions options;
  for (const char* endpoint : {"file:///etc", "ftp://127.0.0.1", "nonsense"}) {
    options.endpoint = endpoint;
    EXPECT_EQ(error_of([&] { pull_model("o/tiny", options); }).code(), ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace weir::store
