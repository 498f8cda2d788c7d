#pragma once

#include <string>
#include <vector>

#include "weir/store/checksum.h"
#include "weir/store/http.h"
#include "weir/store/model_name.h"
#include "weir/store/model_store.h"

/// The Hugging Face hub's interface, as far as a download needs it.
namespace weir::store {

struct RemoteFile {
  std::string name;  ///< Path within the repository; safe to use below a folder.
  Checksum checksum;
};

struct RemoteModel {
  std::string commit;  ///< What the revision means now.
  std::vector<RemoteFile> files;
};

class Hub {
 public:
  explicit Hub(const PullOptions& options);

  /// The files of a revision. kNotFound for no such model or revision; kUnavailable when it may
  /// not be read (the message says how to get access) or the hub does not answer; kCorruptData
  /// for an answer that makes no sense or names files outside the model's folder.
  RemoteModel list(const ModelName& name);

  HttpRequest file_request(const ModelName& name, const std::string& commit,
                           const std::string& file) const;
  HttpClient& client() { return client_; }
  const PullOptions& options() const { return options_; }

 private:
  PullOptions options_;
  std::string endpoint_;
  std::string token_;
  HttpClient client_;
};

/// Throws unless the status is a success: the errors of Hub::list, TransientError for a server
/// that is busy (408, 429, 5xx). `what` says what was asked for.
void check_status(const HttpResponse& response, const std::string& what);

}  // namespace weir::store
