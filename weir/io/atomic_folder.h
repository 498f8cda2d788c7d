#pragma once

#include <filesystem>
#include <vector>

namespace weir::io {

/// A folder of files that appears complete or not at all.
///
/// Files are written into `path()`, a temporary folder beside the wanted one; `commit` renames it
/// into place. Without `commit` (an exception, a stop) it is removed, with every folder that was
/// made for it.
class AtomicFolder {
 public:
  /// What may stand at the wanted path.
  enum class Existing {
    kRefuse,   ///< Nothing, or an empty folder.
    kReplace,  ///< Also a folder with files: those of the same name are replaced, others stay.
  };

  /// kInvalidArgument when something else stands there; kUnavailable when the folder cannot be
  /// made.
  explicit AtomicFolder(const std::filesystem::path& target, Existing existing = Existing::kRefuse);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// Where to write.
  const std::filesystem::path& path() const noexcept { return temporary_; }
  /// Into a folder that stood there already, one file is renamed after the other; `last` at the
  /// end, a file that says that the others are complete.
  void commit(const std::filesystem::path& last = {});

 private:
  void make(const std::filesystem::path& folder);
  void merge(const std::filesystem::path& last);
  [[noreturn]] void fail_to(const char* action, const std::error_code& error) const;

  std::filesystem::path target_;
  std::filesystem::path temporary_;
  std::vector<std::filesystem::path> made_;  // Parents, outermost first.
  bool committed_ = false;
};

}  // namespace weir::io
