#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/channels/improve.h"
#include "weir/report/layer_blocks.h"

namespace weir {
namespace {

constexpr int kDigits = 3;

/// Mean and highest of the controls.
template <typename T, typename Of>
std::string controls(const std::vector<T>& list, const Of& of) {
  if (list.empty()) return "none asked for";
  double sum = 0, most = of(list[0]);
  for (const T& one : list) {
    sum += of(one);
    most = std::max(most, of(one));
  }
  return fmt::format("{:+.3f}, highest {:+.3f} of {}", sum / static_cast<double>(list.size()), most,
                     list.size());
}

CurvesBlock by_place(const std::string& title, const std::string& y,
                     const std::vector<Series>& series) {
  CurvesBlock curves;
  curves.title = title;
  curves.x_label = "place in the list";
  curves.y_label = y;
  for (size_t i = 0; i < series[0].y.size(); ++i) curves.x.push_back(static_cast<double>(i));
  curves.series = series;
  return curves;
}

TableBlock dial_table(const Dial& dial) {
  TableBlock table{
      "The dial",
      {"quantity", "value"},
      {{std::string("points of the grid"), dial.n_points},
       {std::string("items that are attended somewhere"), dial.n_attended},
       {std::string("items that are said somewhere"), dial.n_said},
       {std::string("vertices of the hull of slopes"), dial.n_hull},
       {std::string("closed form right"), dial.agreement},
       {std::string("closed form without query bias right"), dial.agreement_without_bias}},
      "means over prompts; closed form: which item the mover attends to most"};
  return table;
}

}  // namespace

std::vector<Block> steering_blocks(const TaskSteering& steering, const SteerTaskOptions& options) {
  const SteeringResult& r = steering.result;
  TableBlock table{
      fmt::format("Steering within {}", fmt::join(options.names, " ")),
      {"move", "accuracy", "gain", "random subspaces: gain"},
      {{std::string("none"), interval_text(r.baseline, kDigits), std::string(), std::string()},
       {std::string("the same for all"), interval_text(r.score.constant, kDigits),
        change_text(r.score.constant_gain, kDigits),
        controls(r.controls, [](const SteeringScore& s) { return s.constant_gain.mean; })},
       {std::string("by place (dial)"), interval_text(r.score.dial, kDigits),
        change_text(r.score.dial_gain, kDigits),
        controls(r.controls, [](const SteeringScore& s) { return s.dial_gain.mean; })}},
      fmt::format("of {} moves the best on other prompts; random subspaces had as many "
                  "dimensions and moves. The dial is told which place is asked for.",
                  options.steering.moves.size())};
  std::vector<Block> blocks = {table};
  if (!steering.dial) return blocks;
  blocks.push_back(dial_table(*steering.dial));
  blocks.push_back(by_place(
      fmt::format("Where the dial of {} points", options.mover->name()), "share of the box",
      {{"attended", steering.dial->attended}, {"said", steering.dial->said}}));
  return blocks;
}

std::vector<Block> improvement_blocks(const ImprovedWeights& improved) {
  const auto cost = [&](double increase) {
    return improved.last_only ? std::string("as loaded") : fmt::format("{:+.2f} %", 100 * increase);
  };
  TableBlock table{
      improved.last_only ? "Steering of the last position" : "An edit of the weights",
      {improved.last_only ? "what heads write" : "weights", "accuracy", "gain",
       "loss on neutral text"},
      {{std::string("as loaded"), interval_text(improved.baseline, kDigits), std::string(),
        std::string()},
       {fmt::format("{} components scaled", improved.search.scales.size()),
        interval_text(improved.edited, kDigits), change_text(improved.gain, kDigits),
        cost(improved.search.loss_increase)}},
      "chosen on other prompts; random components of the same layers by the same search"};
  for (size_t i = 0; i < improved.control_gains.size(); ++i) {
    table.rows.push_back({fmt::format("as many random ones ({})", i + 1), std::string(),
                          change_text(improved.control_gains[i], kDigits),
                          cost(improved.control_losses[i])});
  }
  TableBlock factors{"Factors", {"component", "factor"}, {}, ""};
  for (const ComponentScale& one : improved.search.scales)
    factors.rows.push_back({one.component.name(), one.scale});
  std::vector<Block> blocks = {table};
  if (improved.by_place.size() > 1) {
    blocks.push_back(
        by_place("Accuracy by place", "accuracy",
                 {{"as loaded", improved.baseline_by_place}, {"edited", improved.by_place}}));
  }
  if (!factors.rows.empty()) blocks.push_back(factors);
  return blocks;
}

}  // namespace weir
