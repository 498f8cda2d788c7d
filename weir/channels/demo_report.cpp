#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/channels/demo.h"
#include "weir/report/layer_blocks.h"

namespace weir {
namespace {

constexpr int kDigits = 2;

std::string names(const std::vector<FoundHead>& heads) {
  std::vector<std::string> list;
  for (const FoundHead& found : heads) list.push_back(found.head.name());
  return list.empty() ? "none" : fmt::format("{}", fmt::join(list, " "));
}

TableBlock role_table(const IoiHeads& heads) {
  TableBlock table{
      "Heads and the parts that they play", {"part", "head", "effect", "attention"}, {}, ""};
  const auto add = [&](const char* part, const std::vector<FoundHead>& list, size_t most) {
    for (size_t i = 0; i < std::min(most, list.size()); ++i) {
      table.rows.push_back({std::string(part), list[i].head.name(),
                            interval_text(list[i].effect, kDigits), list[i].attention});
    }
  };
  add("mover", heads.movers, 8);
  add("negative mover", heads.negative, 4);
  add("inhibition", heads.inhibitors, 4);
  add("duplicate token", heads.duplicate, 5);
  add("previous token", heads.previous, 5);
  add("induction", heads.induction, 5);
  table.note =
      "movers: direct effect on the logit difference and attention to the indirect object; "
      "inhibition: "
      "effect on the logit difference of its path into the movers' queries, attention to the "
      "second "
      "subject; the others: attention alone";
  return table;
}

TableBlock channel_table(const std::vector<InhibitionChannel>& channels) {
  TableBlock table{"Channels: by the weights and by what they do",
                   {"inhibitor", "mover", "component", "z", "inhibition", "ABBA", "BABA",
                    "share of bias", "strongest", "correlation", "p"},
                   {},
                   ""};
  for (const InhibitionChannel& c : channels) {
    table.rows.push_back({c.inhibitor.name(), c.mover.name(), c.component, c.z, c.inhibition,
                          c.inhibition_abba, c.inhibition_baba, c.share, c.strongest, c.correlation,
                          c.p});
  }
  table.note =
      "component: of the largest z among all that the mover's queries could read; inhibition: what "
      "the "
      "mover's scores for the right name over the wrong one lose without it; strongest: the "
      "component with "
      "the largest inhibition; correlation: Spearman of composition and size of inhibition over "
      "components, "
      "p by shuffling";
  return table;
}

CurvesBlock figure(const InhibitionChannel& c) {
  CurvesBlock curves;
  curves.title = fmt::format("{} to {}", c.inhibitor.name(), c.mover.name());
  curves.x_label = "component";
  curves.y_label = "inhibition (score) and composition x 10";
  Series composition{"composition CS_i x 10", {}};
  for (size_t i = 0; i < c.composition.size(); ++i) {
    curves.x.push_back(static_cast<double>(i));
    composition.y.push_back(10 * c.composition[i]);
  }
  curves.series = {{"inhibition", c.inhibitions}, composition};
  return curves;
}

TableBlock edit_table(const std::vector<EditEffect>& edits) {
  TableBlock table{"Cutting the channels out of the weights",
                   {"head", "components", "logit difference", "random components", "lowest of them",
                    "loss on neutral text"},
                   {},
                   ""};
  for (const EditEffect& edit : edits) {
    table.rows.push_back({edit.head.name(), fmt::format("{}", fmt::join(edit.components, " ")),
                          interval_text(edit.logit_diff, kDigits), edit.control_mean,
                          edit.control_lowest, fmt::format("{:+.2f} %", 100 * edit.loss_increase)});
  }
  return table;
}

}  // namespace

Report demo_report(const LanguageModel&, const ChannelDemo& demo) {
  Report report;
  report.title = "An inhibition channel";
  report.blocks.push_back(TextBlock{
      "", fmt::format(
              "Indirect objects: accuracy {}, logit difference {}. Movers {}; inhibition heads {}.",
              interval_text(demo.heads.accuracy, kDigits),
              interval_text(demo.heads.logit_diff, kDigits), names(demo.heads.movers),
              names(demo.heads.inhibitors))});
  report.blocks.push_back(role_table(demo.heads));
  if (demo.channels.empty()) return report;
  report.blocks.push_back(channel_table(demo.channels));
  GroupBlock figures{"Inhibition and composition by component", {}};
  figures.tabs = true;
  for (const InhibitionChannel& channel : demo.channels) figures.blocks.push_back(figure(channel));
  report.blocks.push_back(std::move(figures));
  report.blocks.push_back(edit_table(demo.edits));
  return report;
}

}  // namespace weir
