#include "weir/store/folder_lock.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/log.h"

namespace weir::store {

FolderLock::FolderLock(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  descriptor_ = ::open((folder / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    fail(ErrorCode::kUnavailable, "{}: cannot be written: {}; set WEIR_HOME to a folder that can",
         folder.string(), std::strerror(errno));
  }
  bool has_told = false;
  while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    if (reason != EWOULDBLOCK && reason != EINTR) {
      ::close(descriptor_);
      fail(ErrorCode::kUnavailable, "{}: cannot be locked: {}", folder.string(),
           std::strerror(reason));
    }
    if (!has_told) log::warn("{}: waiting for another pull of this model", folder.string());
    has_told = true;
    if (interrupted()) ::close(descriptor_);
    throw_if_interrupted();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

FolderLock::~FolderLock() { ::close(descriptor_); }

}  // namespace weir::store
