#include "weir/train/training_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/memory.h"
#include "weir/base/progress.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"
#include "weir/train/training_report.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kProgressFile = "run.json";
constexpr size_t kLast = 50;  // Updates whose mean loss is told at the end.
constexpr int kRefreshSeconds = 10;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class TrainingRun {
 public:
  TrainingRun(Trainee& trainee, RunDirectory& directory, const TrainingRunOptions& options)
      : trainee_(trainee),
        directory_(directory),
        options_(options),
        watch_(options.divergence),
        progress_("train", static_cast<uint64_t>(options.steps), "updates") {}

  TrainingOutcome run() {
    begin();
    while (done_ < options_.steps) {
      try {
        throw_if_interrupted();
        update();
      } catch (const Error& error) {
        if (error.code() == ErrorCode::kInterrupted) stop();
        throw;
      }
    }
    return end();
  }

 private:
  void begin() {
    const auto last = directory_.last_checkpoint();
    if (!last) {
      directory_.rewind(0);
      checkpoint();
      return;
    }
    const fs::path folder = directory_.checkpoint(*last);
    trainee_.load(folder);
    const json state = io::read_json(folder / kProgressFile);
    done_ = *last;
    units_ = io::get_int(state, options_.unit, 0, INT64_MAX, kProgressFile);
    seconds_before_ = io::get_double(state, "seconds", kProgressFile);
    for (const json& line : directory_.rewind(done_)) {
      records_.push_back(record_of(line, options_.unit));
      watch_.take(records_.back().step, records_.back().loss, records_.back().gradient_norm);
    }
    progress_.set(static_cast<uint64_t>(done_));
    start_ = Clock::now();
  }

  void update() {
    const Clock::time_point before = Clock::now();
    UpdateRecord record;
    record.rate = options_.rate * rate_factor(options_.schedule, done_);
    const Trainee::Update update = trainee_.update(done_, record.rate);
    const auto wrong = watch_.take(done_ + 1, update.loss, update.gradient_norm);
    if (wrong) diverge(*wrong);
    record.step = ++done_;
    record.units = units_ += update.n_units;
    record.loss = update.loss;
    record.gradient_norm = update.gradient_norm;
    record.more = trainee_.figures();
    record.units_per_second = static_cast<double>(update.n_units) / seconds_since(before);
    const bool is_last = done_ == options_.steps;
    if (is_last || is_every(options_.validate_every)) record.validation_loss = trainee_.validate();
    records_.push_back(record);
    directory_.append(to_line(record, options_.unit));
    const bool is_kept = std::binary_search(options_.kept.begin(), options_.kept.end(), done_);
    const bool is_due = is_kept || is_every(options_.checkpoint_every);
    if (is_last || (is_due && !watch_.is_suspicious())) checkpoint();
    if (!is_last && seconds_since(reported_) > options_.report_seconds) report(kRefreshSeconds);
    progress_.note(note(record));
    progress_.advance();
  }

  bool is_every(int64_t n) const { return n > 0 && done_ % n == 0; }

  void checkpoint() {
    directory_.save_checkpoint(done_, [&](const fs::path& folder) {
      trainee_.save(folder);
      const json state = {{"step", done_}, {options_.unit, units_}, {"seconds", seconds()}};
      io::write_file(folder / kProgressFile, io::dump_json(state, 2) + "\n");
    });
    if (!directory_.is_writer()) return;
    std::vector<int64_t> older = directory_.checkpoints();
    for (size_t i = 0; i + 2 < older.size(); ++i) {
      if (std::binary_search(options_.kept.begin(), options_.kept.end(), older[i])) {
        trainee_.strip(directory_.checkpoint(older[i]));
      } else {
        directory_.remove_checkpoint(older[i]);
      }
    }
  }

  [[noreturn]] void diverge(const std::string& what) {
    report(0);
    fail(ErrorCode::kInvalidArgument,
         "training: {}; the last good checkpoint is {}; resume it with a lower rate or a longer "
         "warm-up in recipe.toml",
         what, directory_.checkpoint(*directory_.last_checkpoint()).string());
  }

  void stop() {
    if (options_.before_last_save) {
      options_.before_last_save();
      if (directory_.last_checkpoint() != done_ && !watch_.is_suspicious()) checkpoint();
    }
    report(0);
  }

  double seconds() const { return seconds_before_ + seconds_since(start_); }

  void report(int refresh_seconds) {
    reported_ = Clock::now();
    if (!directory_.is_writer()) return;
    Report page = training_report(options_.title, options_.unit, records_, options_.loss_unit);
    page.provenance = options_.provenance;
    page.provenance.wall_seconds = seconds();
    write_html(page, directory_.report(), {refresh_seconds});
  }

  std::string note(const UpdateRecord& record) const {
    std::string text = fmt::format("loss {:.3f}, {:.0f} {}/s", record.loss, record.units_per_second,
                                   options_.unit);
    const double flops = record.units_per_second * options_.flops_per_unit;
    if (flops > 0) text += fmt::format(", {:.0f} GFLOP/s", flops / 1e9);
    if (flops > 0 && options_.peak_flops > 0) {
      text += fmt::format(" ({:.0f} % of what products reach)", 100 * flops / options_.peak_flops);
    }
    return text + ", " + memory_text(static_cast<double>(resident_memory()));
  }

  TrainingOutcome end() {
    report(0);
    TrainingOutcome outcome;
    outcome.steps = done_;
    outcome.units = units_;
    outcome.seconds = seconds();
    outcome.validation_loss =
        records_.empty() ? trainee_.validate() : records_.back().validation_loss;
    const size_t n = std::min(kLast, records_.size());
    for (size_t i = records_.size() - n; i < records_.size(); ++i) {
      outcome.loss += records_[i].loss / static_cast<double>(n);
    }
    const ordered_json result = {
        {"steps", outcome.steps},     {options_.unit, outcome.units},
        {"loss", outcome.loss},       {"validation_loss", outcome.validation_loss},
        {"seconds", outcome.seconds}, {"checkpoint", directory_.checkpoint(done_).string()}};
    if (directory_.is_writer()) {
      io::write_file(directory_.result(), io::dump_json(result, 2) + "\n");
    }
    return outcome;
  }

  Trainee& trainee_;
  RunDirectory& directory_;
  const TrainingRunOptions& options_;
  DivergenceWatch watch_;
  Progress progress_;
  Clock::time_point start_ = Clock::now(), reported_ = Clock::now();
  double seconds_before_ = 0;
  int64_t done_ = 0, units_ = 0;
  std::vector<UpdateRecord> records_;
};

}  // namespace

TrainingOutcome run_training(Trainee& trainee, RunDirectory& directory,
                             const TrainingRunOptions& options) {
  return TrainingRun(trainee, directory, options).run();
}

}  // namespace weir
