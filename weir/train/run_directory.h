#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace weir {

/// The folder of one training, enough to repeat it and to go on with it:
///
///   recipe.toml            all keys, merged
///   metrics.jsonl          a line for each update: {"step": 1, "loss": ...}
///   checkpoints/step-00000100/   what the training saved after that many updates
///   result.json            when it has ended
///   report.html            the curves, rewritten as it goes
///
/// Checkpoints appear complete or not at all. One process at a time: the folder is locked.
class RunDirectory {
 public:
  /// A new folder, or an empty one; also one whose training never began, which is cleared.
  /// kInvalidArgument when it holds anything else.
  static RunDirectory create(const std::filesystem::path& path);
  /// One that stands there; what a killed process left half written is removed. kNotFound when it
  /// is no run, kUnavailable when another process trains in it.
  static RunDirectory open(const std::filesystem::path& path);
  /// The same for a process that trains along with the one that holds the folder: it reads, and
  /// what it would write is left to the other.
  static RunDirectory join(const std::filesystem::path& path);
  bool is_writer() const { return lock_ >= 0; }
  RunDirectory(RunDirectory&& other) noexcept;
  ~RunDirectory();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path recipe() const { return path_ / "recipe.toml"; }
  std::filesystem::path report() const { return path_ / "report.html"; }
  std::filesystem::path result() const { return path_ / "result.json"; }

  /// Where a training may keep what it makes of its data.
  std::filesystem::path data() const { return path_ / "data"; }

  /// Writes recipe.toml: from here on it is a training.
  void begin(std::string_view recipe);
  /// Removes a folder whose training never began.
  void discard();

  /// One line of metrics, which has a "step"; it is with the system when this returns.
  void append(const nlohmann::ordered_json& line);
  /// Lines up to and including that step, as they were written; all others are removed from the
  /// file. A line that was cut short by a kill is none.
  std::vector<nlohmann::json> rewind(int64_t step);

  /// `write` fills a folder that then becomes the checkpoint of `step`.
  void save_checkpoint(int64_t step,
                       const std::function<void(const std::filesystem::path& folder)>& write);
  std::vector<int64_t> checkpoints() const;  ///< Ascending.
  std::optional<int64_t> last_checkpoint() const;
  std::filesystem::path checkpoint(int64_t step) const;
  void remove_checkpoint(int64_t step);

 private:
  explicit RunDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  void lock();

  std::filesystem::path path_;
  int lock_ = -1;
  int metrics_ = -1;
};

}  // namespace weir
