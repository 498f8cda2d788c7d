#pragma once

#include <map>
#include <string>

#include "tests/store/http_server.h"

namespace weir::store {

/// A repository of a hub, as a test sees it: file names and their bytes. Files in `large` are
/// listed with a sha256 (git LFS), the others with their git blob hash.
struct FakeRepository {
  std::string commit = "0123456789abcdef0123456789abcdef01234567";
  std::map<std::string, std::string> small;
  std::map<std::string, std::string> large;
};

/// config.json, tokenizer.json, a README and 100 kB of model.safetensors.
FakeRepository small_model();

/// What the hub answers to /api/models/NAME/revision/REVISION?blobs=true.
std::string listing(const FakeRepository& repository);

/// The hub's answer to any request: the listing, a file (whole, or from the asked byte on), 404.
ServerReply answer_as_hub(const FakeRepository& repository, const ServerRequest& request);

/// A file's bytes from the asked byte on, with status 206 when that is not the start.
ServerReply answer_with_range(const std::string& bytes, const ServerRequest& request);

bool is_listing(const ServerRequest& request);
/// Whether the request is for this file.
bool is_for(const ServerRequest& request, const std::string& file);

/// SHA-1 of git for these bytes, from an implementation that the code under test does not share.
std::string git_hash_of(const std::string& bytes);

}  // namespace weir::store
