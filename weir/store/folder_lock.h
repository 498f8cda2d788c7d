#pragma once

#include <filesystem>

namespace weir::store {

/// Holds a folder for this process: others that want it wait. The lock is the kernel's (flock on
/// the file ".lock"), so it ends with the process, however that dies.
class FolderLock {
 public:
  /// Creates the folder when needed. While waiting, Ctrl-C is kInterrupted.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace weir::store
