#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "weir/report/report.h"
#include "weir/train/divergence.h"
#include "weir/train/run_directory.h"
#include "weir/train/schedule.h"

/// The loop around any training: metrics, checkpoints, curves, resumption.
namespace weir {

/// What is trained. Its state lies in it alone and changes only at the end of an update.
class Trainee {
 public:
  struct Update {
    double loss = 0;           ///< Before the update.
    double gradient_norm = 0;  ///< Before clipping.
    int64_t n_units = 0;       ///< Tokens, rows, frames: what throughput counts.
  };

  virtual ~Trainee() = default;
  /// Further numbers of the last update, the same names each time. "A/b": the curve A of figure b.
  virtual std::vector<std::pair<std::string, double>> figures() const { return {}; }
  /// Update number `step`, from 0: state and step say all of it. Where loss or norm is not finite,
  /// the state stays as it was.
  virtual Update update(int64_t step, double rate) = 0;
  /// The loss of data that no update sees.
  virtual double validate() = 0;
  /// Everything that `load` needs, into an empty folder.
  virtual void save(const std::filesystem::path& folder) const = 0;
  virtual void load(const std::filesystem::path& folder) = 0;
  /// Removes from such a folder what nobody wants who does not go on from it.
  virtual void strip(const std::filesystem::path& folder) const = 0;
};

struct TrainingRunOptions {
  int64_t steps = 0;
  double rate = 0;  ///< The largest.
  Schedule schedule;
  int64_t validate_every = 0;      ///< Updates; 0: at the end alone.
  int64_t checkpoint_every = 0;    ///< To resume from; the last two are kept. 0: only at the end.
  std::vector<int64_t> kept = {};  ///< Checkpoints that stay (checkpoint_steps.h), stripped.
  DivergenceOptions divergence = {};
  std::string title = "Training";
  std::string unit = "tokens";
  std::string loss_unit = "nats";
  double flops_per_unit = 0;  ///< For the progress line, with ...
  double peak_flops = 0;      ///< ... what this machine can do in a second; 0: not told.
  double report_seconds = 10;
  Provenance provenance = {};
  /// Called once the user asked to stop, before the state is saved, so that saving is not stopped
  /// too (forget_ctrl_c). Null: then nothing is saved and the last checkpoint stands.
  std::function<void()> before_last_save = {};
};

struct TrainingOutcome {
  int64_t steps = 0, units = 0;
  double loss = 0;  ///< Mean of the last updates, at most 50.
  double validation_loss = 0;
  double seconds = 0;  ///< Of all sessions.
};

/// Runs from the last checkpoint of `directory` (or from the start, which becomes checkpoint 0) to
/// the end. A killed training that is called again goes on to the same numbers, bit for bit on as
/// many threads, if updates are a function of state and step.
///
/// Each update is a line of metrics.jsonl {step, UNIT, loss, lr, grad_norm, UNIT_per_second} with
/// validation_loss where it was asked for; report.html is rewritten as it goes; result.json tells
/// the end. A training that leaves its way (divergence.h) ends with kInvalidArgument, one sentence
/// that names the last good checkpoint. kInterrupted when the user asked to stop.
TrainingOutcome run_training(Trainee& trainee, RunDirectory& directory,
                             const TrainingRunOptions& options);

}  // namespace weir
