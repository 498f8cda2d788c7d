#include <chrono>
#include <map>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/channels/channel_verbs.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct ChannelsVerb {
  ModelOptions model;
  OutputOptions output;
  std::string type = "q", writer, reader, save;
  std::string offset;
  int64_t component = -1, links = 40;
  double rate = 0.01;
  bool no_fold = false;
};

ChannelOptions options_of(const ChannelsVerb& verb) {
  ChannelOptions options;
  options.types = verb.type == "all"
                      ? std::vector<CompositionType>{CompositionType::kQ, CompositionType::kK,
                                                     CompositionType::kV}
                      : std::vector<CompositionType>{composition_type_of(verb.type)};
  options.circuits.fold = !verb.no_fold;
  options.circuits.dtype = parse_dtype(verb.model.dtype == "float64" ? "float64" : "float32");
  if (!verb.writer.empty()) options.writer = head_named(verb.writer, "--writer");
  if (!verb.reader.empty()) options.reader = head_named(verb.reader, "--reader");
  if (!verb.offset.empty()) options.offset = std::stoll(verb.offset);
  options.n_links = verb.links;
  options.false_discovery_rate = verb.rate;
  return options;
}

ordered_json links_json(const ChannelTable& table) {
  ordered_json links = ordered_json::array();
  for (const ChannelLink& link : table.links) {
    links.push_back({{"writer", link.writer.name()},
                     {"component", link.component},
                     {"reader", link.reader.name()},
                     {"score", link.score},
                     {"sigma_share", link.share},
                     {"z", link.z},
                     {"z_in_layer", link.z_in_layer},
                     {"z_analytic", link.z_analytic},
                     {"p", link.p},
                     {"is_discovery", link.is_discovery},
                     {"is_degenerate", link.is_degenerate},
                     {"head_score", link.head_score},
                     {"head_z", link.head_z}});
  }
  return links;
}

ordered_json result_json(const Channels& found, const ChannelOptions& options) {
  ordered_json result = {
      {"fold", options.circuits.fold},
      {"offset", options.offset ? ordered_json(*options.offset) : ordered_json()}};
  for (const ChannelTable& table : found.tables) {
    result[name_of(table.type)] = {
        {"axes", {"writer_layer", "writer_head", "reader_layer", "reader_head"}},
        {"null_mean", table.null.mean},
        {"discoveries", table.n_discoveries},
        {"tested", table.n_tested},
        {"links", links_json(table)}};
  }
  return result;
}

/// `score`, `null_sd`, `z` [L, H, L, H], `null_mean`, `component_score` [L, H, K, L, H] and
/// `component_z`; with several types each name has "Q.", "K." or "V." before it.
void save(const Channels& found, const ChannelOptions& options, const std::string& file) {
  std::vector<io::TensorView> views;
  std::vector<at::Tensor> kept;
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    kept.push_back(tensor.to(at::kFloat).contiguous());
    views.push_back(to_view(name, kept.back()));
  };
  for (const ChannelTable& table : found.tables) {
    const std::string prefix = found.tables.size() > 1 ? name_of(table.type) + "." : "";
    add(prefix + "score", table.scores.head);
    add(prefix + "component_score", table.scores.writer);
    add(prefix + "component_score_reader", table.scores.reader);
    add(prefix + "null_mean", at::full({1}, table.null.mean));
    add(prefix + "null_sd", table.null.head_variance.sqrt());
    add(prefix + "null_sd_component", table.null.component_variance.sqrt());
    add(prefix + "z", table.head_z);
    add(prefix + "component_z", table.z.z);
  }
  io::write_safetensors(
      file, views,
      {{"axes.score", "writer layer, writer head, reader layer, reader head"},
       {"axes.component_score", "writer layer, writer head, component, reader layer, reader head"},
       {"axes.component_score_reader",
        "writer layer, writer head, reader layer, reader head, component"},
       {"fold", options.circuits.fold ? "true" : "false"},
       {"null", "of CS^2: mean, sd; z = (CS^2 - mean) / sd; component_z among all components"}});
}

void channels(const ChannelsVerb& verb) {
  require_usage(verb.component < 0 || !verb.writer.empty(), "--component goes with --writer");
  const auto start = std::chrono::steady_clock::now();
  const ChannelOptions options = options_of(verb);
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  require_usage(verb.component < lm.config().d_head,
                fmt::format("--component: expected 0 to {}, found {}", lm.config().d_head - 1,
                            verb.component));
  const Channels found = find_channels(lm, options);
  if (!verb.save.empty()) save(found, options, verb.save);
  ordered_json result = result_json(found, options);
  Report report;
  if (verb.component >= 0) {
    report = component_report(lm, found, options, *options.writer, verb.component);
    const ComponentTokens tokens =
        component_tokens(lm, found.components.ov[static_cast<size_t>(options.writer->layer)],
                         options.writer->head, verb.component);
    for (const auto& [name, list] : {std::pair{"reads", tokens.reads},
                                     {"reads_against", tokens.reads_against},
                                     {"writes", tokens.writes},
                                     {"writes_against", tokens.writes_against}}) {
      for (const auto& [token, value] : list) result["tokens"][name].push_back({token, value});
    }
  } else {
    report = channel_report(lm, found, options);
  }
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  show(std::move(report), verb.output, result);
}

}  // namespace

HeadId head_named(const std::string& text, const std::string& option) {
  const size_t dot = text.find('.');
  const auto is_number = [](const std::string& s) {
    return !s.empty() && s.size() < 6 && s.find_first_not_of("0123456789") == std::string::npos;
  };
  require_usage(
      dot != std::string::npos && is_number(text.substr(0, dot)) && is_number(text.substr(dot + 1)),
      fmt::format("{}: expected a head as LAYER.HEAD (20.0), found '{}'", option, text));
  return {std::stoll(text.substr(0, dot)), std::stoll(text.substr(dot + 1))};
}

ComponentId component_named(const std::string& text, const std::string& option) {
  const size_t dot = text.rfind('.');
  require_usage(dot != std::string::npos && text.find('.') != dot && dot + 1 < text.size() &&
                    text.size() - dot < 6 &&
                    text.find_first_not_of("0123456789", dot + 1) == std::string::npos,
                fmt::format("{}: expected components as LAYER.HEAD.COMPONENT (20.0.0), found '{}'",
                            option, text));
  return {head_named(text.substr(0, dot), option), std::stoll(text.substr(dot + 1))};
}

void require_head(const LanguageModel& lm, const HeadId& head, const std::string& option) {
  require_usage(head.layer < lm.config().n_layers && head.head < lm.config().n_heads,
                fmt::format("{}: expected a head of {} layers of {}, found {}", option,
                            lm.config().n_layers, lm.config().n_heads, head.name()));
}

void add_channels(Verb& weir) {
  auto options = std::make_shared<ChannelsVerb>();
  Verb& verb = weir.verb(
      {"channels",
       "lists which heads read what others write, and through which directions",
       "Composition of all pairs of heads by the singular components of what they write (Merullo "
       "et "
       "al. 2024), from the weights alone, with how surprising each link is. --writer with "
       "--component shows one component: its tokens and who reads it.",
       {"weir channels smollm2-135m --html channels.html",
        "weir channels smollm2-135m --writer 20.0 --component 0 --type all",
        "weir channels edit smollm2-135m --head 20.0 --components 0 --scale 0 --save edited"}});
  add_model_options(verb, options->model);
  verb.choice("--type", &options->type, {"q", "k", "v", "all"}, "Through which side heads read")
      .option("--writer", &options->writer, "L.H", "Only what this head writes")
      .option("--reader", &options->reader, "L.H", "Only what this head reads")
      .option("--component", &options->component, "I", "One component of the writer", {0})
      .option("--offset", &options->offset, "D",
              "Scores of a query D positions behind the key (rotary models); left out: the content "
              "alone")
      .option("--links", &options->links, "N", "Links to list", {1})
      .option("--rate", &options->rate, "R", "False-discovery rate over all components and readers",
              {1e-12, 0.5})
      .flag("--no-fold", &options->no_fold, "Weights as stored, gains of norms not folded in");
  add_output_file(verb, "--save", &options->save, "OUT.safetensors", "Scores and z of all pairs");
  add_output_options(verb, options->output);
  verb.run([options] { channels(*options); });
  add_channel_components(verb);
  add_channel_edit(verb);
  add_channel_demo(verb);
  add_channel_steer(verb);
  add_channel_search(verb);
  add_channel_text(verb);
}

}  // namespace weir::cli
