#pragma once

#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace weir::rl {

/// Bounds that end what goes wrong quietly: an internal phase that is prolonged spoils the full
/// policy between one measurement and the next (2512.19673, table 2: 30 steps +3.4, 50 steps -13).
/// 0 switches a bound off.
struct GuardOptions {
  double perplexity = 0;  ///< Largest rise, as a share, of the full policy's perplexity on answers
                          ///< that the model gave before the training.
  double kl = 0;          ///< Largest rise of KL(internal || full) above its least so far, nats.
  double length = 0;      ///< Largest share of answers cut at the token limit, above that at the
                          ///< start.
  int64_t every = 1;      ///< Steps between measurements.
  /// "stop" ends the training with an error; "next_phase" goes on with the phase after; "rollback"
  /// does so from the weights of the last measurement that was good.
  std::string action = "stop";
  bool internal_only = true;  ///< Only in phases of internal policies.
  bool any() const { return perplexity > 0 || kl > 0 || length > 0; }
};
GuardOptions guard_options(const nlohmann::json& settings);

struct GuardReading {
  double perplexity = 0;
  std::optional<double> kl;  ///< Unset in a phase of the full policy.
  double length = 0;
};

/// Compares readings with what came before.
class GuardWatch {
 public:
  explicit GuardWatch(GuardOptions options) : options_(std::move(options)) {}
  const GuardOptions& options() const { return options_; }

  /// What went wrong, as a sentence without a full stop; the first reading sets the marks.
  std::optional<std::string> take(const GuardReading& reading);
  /// Forgets the least KL: another policy comes.
  void begin_phase() { least_kl_.reset(); }

  nlohmann::json state() const;
  void load(const nlohmann::json& state);

 private:
  GuardOptions options_;
  std::optional<double> first_perplexity_, first_length_, least_kl_;
};

}  // namespace weir::rl
