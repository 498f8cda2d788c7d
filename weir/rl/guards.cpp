#include "weir/rl/guards.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/rl/objective/settings.h"

namespace weir::rl {
namespace {

using nlohmann::json;

json or_null(const std::optional<double>& of) { return of ? json(*of) : json(); }

std::optional<double> number_of(const json& state, const char* key) {
  const auto found = state.find(key);
  if (found == state.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

}  // namespace

GuardOptions guard_options(const json& of) {
  Settings settings(of, "guards");
  GuardOptions options;
  options.perplexity = settings.number("perplexity", 0, 0);
  options.kl = settings.number("kl", 0, 0);
  options.length = settings.number("length", 0, 0);
  options.every = static_cast<int64_t>(settings.number("every", 1, 1));
  options.action = settings.choice("action", "stop", {"stop", "next_phase", "rollback"});
  options.internal_only = settings.flag("internal_only", true);
  settings.finish();
  return options;
}

std::optional<std::string> GuardWatch::take(const GuardReading& reading) {
  if (!first_perplexity_) first_perplexity_ = reading.perplexity;
  if (!first_length_) first_length_ = reading.length;
  if (reading.kl) least_kl_ = std::min(least_kl_.value_or(*reading.kl), *reading.kl);
  const double most = *first_perplexity_ * (1 + options_.perplexity);
  if (options_.perplexity > 0 && !(reading.perplexity <= most)) {
    return fmt::format("the full policy's perplexity rose from {:.3f} to {:.3f}, above {:.3f}",
                       *first_perplexity_, reading.perplexity, most);
  }
  if (options_.kl > 0 && reading.kl && !(*reading.kl <= *least_kl_ + options_.kl)) {
    return fmt::format("KL(internal || full) rose from {:.3f} to {:.3f} nats", *least_kl_,
                       *reading.kl);
  }
  if (options_.length > 0 && !(reading.length <= *first_length_ + options_.length)) {
    return fmt::format("{:.0f} % of the answers reach the token limit, {:.0f} % did at the start",
                       100 * reading.length, 100 * *first_length_);
  }
  return std::nullopt;
}

json GuardWatch::state() const {
  return {{"perplexity", or_null(first_perplexity_)},
          {"length", or_null(first_length_)},
          {"kl", or_null(least_kl_)}};
}

void GuardWatch::load(const json& state) {
  first_perplexity_ = number_of(state, "perplexity");
  first_length_ = number_of(state, "length");
  least_kl_ = number_of(state, "kl");
}

}  // namespace weir::rl
