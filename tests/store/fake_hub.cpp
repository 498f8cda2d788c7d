#include "tests/store/fake_hub.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/sha.h>

#include "weir/base/ends_with.h"
#include "weir/io/sha256.h"

namespace weir::store {
std::string git_hash_of(const std::string& bytes) {
  std::string text = "blob " + std::to_string(bytes.size());
  text.push_back('\0');
  text += bytes;
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

FakeRepository small_model() {
  FakeRepository repository;
  repository.small = {{"config.json", R"({"model_type": "llama"})"},
                      {"tokenizer.json", R"({"version": "1.0"})"},
                      {".gitattributes", "*.safetensors filter=lfs\n"},
                      {"README.md", "A model."}};
  std::string weights(100000, '\0');
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<char>(i * 131 + i / 7);
  repository.large = {{"model.safetensors", weights}};
  return repository;
}

std::string listing(const FakeRepository& repository) {
  nlohmann::json siblings = nlohmann::json::array();
  for (const auto& [name, bytes] : repository.small) {
    siblings.push_back(
        {{"rfilename", name}, {"size", bytes.size()}, {"blobId", git_hash_of(bytes)}});
  }
  for (const auto& [name, bytes] : repository.large) {
    siblings.push_back({{"rfilename", name},
                        {"size", bytes.size()},
                        {"blobId", std::string(40, 'f')},  // Of the pointer file, not the bytes.
                        {"lfs", {{"sha256", io::sha256_hex(bytes)}, {"size", bytes.size()}}}});
  }
  return nlohmann::json({{"sha", repository.commit}, {"siblings", siblings}}).dump();
}

bool is_listing(const ServerRequest& request) {
  return request.target.compare(0, 12, "/api/models/") == 0;
}

bool is_for(const ServerRequest& request, const std::string& file) {
  return !is_listing(request) && ends_with(request.target, "/" + file);
}

ServerReply answer_with_range(const std::string& bytes, const ServerRequest& request) {
  const uint64_t first = request.first_byte();
  if (first == 0) return {200, bytes};
  const std::string range =
      fmt::format("Content-Range: bytes {}-{}/{}", first, bytes.size() - 1, bytes.size());
  return {206, bytes.substr(first), {range}};
}

ServerReply answer_as_hub(const FakeRepository& repository, const ServerRequest& request) {
  if (is_listing(request)) return {200, listing(repository)};
  for (const auto& files : {repository.small, repository.large}) {
    for (const auto& [name, bytes] : files) {
      if (is_for(request, name)) return answer_with_range(bytes, request);
    }
  }
  return {404, "{}"};
}

}  // namespace weir::store
