#include "weir/sae/training/anneal.h"

#include <algorithm>

#include "weir/base/error.h"

namespace weir {

PAnneal::PAnneal(const AnnealSettings& settings, double coefficient)
    : settings_(settings), p_(settings.first_p), coefficient_(coefficient) {
  if (!is_on()) return;
  require(settings.n_stages > 1 && settings.end > settings.start,
          "anneal: expected two stages or more between start and end");
  const auto last = static_cast<double>(settings.n_stages - 1);
  for (int64_t i = 0; i < settings.n_stages; ++i) {
    const double at = static_cast<double>(i) / last;
    steps_.push_back(settings.start +
                     static_cast<int64_t>(at * static_cast<double>(settings.end - settings.start)));
    values_.push_back(
        static_cast<float>(settings.first_p + at * (settings.last_p - settings.first_p)));
  }
}

void PAnneal::after(int64_t step, double penalty, double next_penalty) {
  if (!is_on()) return;
  if (next_p_ >= 0) {
    queue_.emplace_back(penalty, next_penalty);
    while (static_cast<int64_t>(queue_.size()) > settings_.queue) queue_.pop_front();
  }
  if (stage_ >= steps_.size() || step < steps_[stage_] ||
      std::find(steps_.begin(), steps_.end(), step) == steps_.end()) {
    return;
  }
  if (next_p_ >= 0 && settings_.rescales) {
    double now = 0, next = 0;
    for (const auto& [a, b] : queue_) {
      now += a;
      next += b;
    }
    coefficient_ *= static_cast<float>(now / next);
  }
  p_ = values_[stage_++];
  next_p_ = stage_ < values_.size() ? values_[stage_] : settings_.last_p;
}

std::vector<double> PAnneal::state() const {
  std::vector<double> all = {p_, next_p_, coefficient_, static_cast<double>(stage_)};
  for (const auto& [a, b] : queue_) all.insert(all.end(), {a, b});
  return all;
}

void PAnneal::load_state(const std::vector<double>& state) {
  require(state.size() >= 4, "anneal: a state of {} numbers is none", state.size());
  p_ = state[0];
  next_p_ = state[1];
  coefficient_ = state[2];
  stage_ = static_cast<size_t>(state[3]);
  queue_.clear();
  for (size_t i = 4; i + 1 < state.size(); i += 2) queue_.emplace_back(state[i], state[i + 1]);
}

}  // namespace weir
