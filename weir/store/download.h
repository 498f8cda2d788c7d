#pragma once

#include <filesystem>
#include <string>

#include "weir/store/checksum.h"
#include "weir/store/http.h"
#include "weir/store/model_record.h"

namespace weir::store {

struct Download {
  HttpRequest request;
  std::string what;   ///< For messages: "openai-community/gpt2: model.safetensors".
  Checksum expected;  ///< What is unknown here is taken from the hub's response.
  std::filesystem::path destination;
  int64_t retries = 3;
  double retry_wait = 1;
};

/// Fetches a file to its destination, which appears only when its size and hash are right.
/// Goes on from DESTINATION.part when there is one, and over cut connections; shows progress.
/// Errors: those of check_status (hub.h); kCorruptData for a wrong size or hash (nothing is kept);
/// kInterrupted (what arrived is kept).
FileRecord download(HttpClient& client, const Download& task);

}  // namespace weir::store
