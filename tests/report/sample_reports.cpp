#include "sample_reports.h"

#include <cmath>
#include <cstdint>
#include <random>
#include <string>

namespace weir::testing {
namespace {

constexpr size_t kStreams = 31;
const std::vector<std::string> kPrompt = {"The", "Ġcapital", "Ġof", "ĠFrance", "Ġis"};

// From 0 to 1, steep around layer `middle`.
double rise(size_t layer, double middle, double steepness) {
  return 1 / (1 + std::exp(-(static_cast<double>(layer) - middle) / steepness));
}

HeatMapBlock lens_map() {
  static const std::vector<std::vector<std::string>> kTop = {
      {"The", "<|endoftext|>", "re", "Ġfirst", "Ġworld", "Ġfollowing"},
      {"Ġcapital", "ization", "ist", "Ġof", "Ġof", "Ġof"},
      {"Ġof", "Ġcourse", "Ġthe", "Ġthe", "ĠFrance", "Ġthe"},
      {"ĠFrance", "ĠFrance", "ais", "Ġand", ",", "Ġis"},
      {"Ġis", "Ġin", "Ġlocated", "Ġcity", "ĠFrance", "ĠParis"}};
  HeatMapBlock map;
  map.title = "Top token of each layer";
  map.x_label = "token";
  map.y_label = "layer";
  map.value_label = "probability of the top token";
  map.x_ticks = kPrompt;
  map.range = {{0, 1}};
  for (size_t layer = 0; layer < kStreams; ++layer) {
    map.y_ticks.push_back(layer == 0 ? "embed" : std::to_string(layer - 1));
    std::vector<double> values;
    std::vector<std::string> text;
    for (size_t position = 0; position < kPrompt.size(); ++position) {
      const double wave = 0.12 * std::sin(1.7 * static_cast<double>(layer * (position + 2)));
      const double level = 0.15 + 0.2 * static_cast<double>(position == 1 || position == 3);
      values.push_back(
          std::min(0.99, std::abs(level + wave) + (position == 4 ? 0.62 : 0.25) *
                                                      rise(layer, position == 4 ? 24 : 20, 1.6)));
      text.push_back(kTop[position][std::min<size_t>(5, layer / 5)]);
    }
    map.values.push_back(std::move(values));
    map.cell_text.push_back(std::move(text));
  }
  return map;
}

CurvesBlock lens_curves() {
  CurvesBlock curves{"Entropy and divergence at the last position", "layer", "nats", {}, {}, false};
  Series entropy{"entropy", {}}, divergence{"KL to the final layer", {}};
  for (size_t layer = 0; layer < kStreams; ++layer) {
    curves.x.push_back(static_cast<double>(layer));
    const double wiggle = 0.35 * std::sin(0.9 * static_cast<double>(layer));
    entropy.y.push_back(9.1 - 6.6 * rise(layer, 22, 3) + wiggle);
    divergence.y.push_back(11.4 * (1 - rise(layer, 20, 4)) + 0.3 * std::abs(wiggle));
  }
  divergence.y.back() = 0;
  curves.series = {entropy, divergence};
  return curves;
}

TableBlock lens_table() {
  TableBlock table{"Next token after \"The capital of France is\"",
                   {"rank", "token", "id", "probability", "logit"},
                   {},
                   "final layer, after the final norm"};
  const std::vector<std::string> tokens = {"ĠParis", "Ġa",    "Ġthe",     "Ġone",    "Ġnot",
                                           "Ġan",    "ĠLyon", "Ġlocated", "Ġcalled", "ĠMarseille"};
  for (size_t i = 0; i < tokens.size(); ++i) {
    const double probability = 0.7312 * std::exp(-1.1 * static_cast<double>(i));
    table.rows.push_back({static_cast<int64_t>(i + 1), tokens[i],
                          static_cast<int64_t>(7042 + 911 * i), probability,
                          18.25 + std::log(probability)});
  }
  return table;
}

std::vector<double> random_values(size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i) values.push_back(generator() / 4294967296.0);
  return values;
}

HeatMapBlock wide_map() {
  HeatMapBlock map;
  map.title = "Effect of patching each layer and position";
  map.x_label = "position";
  map.y_label = "layer";
  map.value_label = "change of the logit difference";
  map.diverging = true;
  for (size_t x = 0; x < 64; ++x) map.x_ticks.push_back("Ġtok" + std::to_string(x));
  for (size_t y = 0; y < 12; ++y) {
    map.y_ticks.push_back(std::to_string(y));
    std::vector<double> row;
    for (size_t x = 0; x < 64; ++x) {
      const double u = static_cast<double>(x), v = static_cast<double>(y);
      row.push_back(2.4 * std::exp(-0.02 * (u - 20) * (u - 20) - 0.1 * (v - 3) * (v - 3)) -
                    1.3 * std::exp(-0.03 * (u - 55) * (u - 55) - 0.2 * (v - 9) * (v - 9)));
    }
    map.values.push_back(std::move(row));
  }
  return map;
}

HeatMapBlock wide_map_with_text() {
  HeatMapBlock map = wide_map();
  map.title = "Top tokens over 64 positions";
  map.value_label = "probability";
  map.diverging = false;
  for (auto& row : map.values) {
    for (double& value : row) value = std::abs(value) / 2.5;
    map.cell_text.push_back(map.x_ticks);
  }
  map.values[3][60] = NAN;
  return map;
}

AttentionBlock attention_sample() {
  AttentionBlock attention;
  attention.title = "Attention of layer 5";
  attention.tokens = {"When", "ĠMary", "Ġand", "ĠJohn", "Ġwent", "Ġto",
                      "Ġthe", "Ġshop", ",",    "ĠJohn", "Ġgave", "Ġto"};
  const size_t n = attention.tokens.size();
  for (size_t head = 0; head < 9; ++head) {
    attention.heads.push_back("L5H" + std::to_string(head));
    std::vector<std::vector<double>> pattern(n, std::vector<double>(n, 0));
    for (size_t query = 0; query < n; ++query) {
      double total = 0;
      for (size_t key = 0; key <= query; ++key) {
        const double distance = static_cast<double>(query - key);
        const double wanted = static_cast<double>(head % 5);
        double weight = std::exp(-(distance - wanted) * (distance - wanted));
        if (key == 0) weight += 0.3 + 0.1 * static_cast<double>(head);
        pattern[query][key] = weight;
        total += weight;
      }
      for (double& weight : pattern[query]) weight /= total;
    }
    attention.patterns.push_back(std::move(pattern));
  }
  return attention;
}

HistogramBlock histogram_sample() {
  HistogramBlock histogram{
      "Activation density of 24 576 features", "log10 of the firing rate", {}, {}};
  for (int i = 0; i <= 20; ++i) histogram.edges.push_back(-6 + 0.3 * i);
  for (int i = 0; i < 20; ++i) {
    histogram.counts.push_back(std::floor(4100 * std::exp(-0.06 * (i - 8.5) * (i - 8.5))));
  }
  histogram.counts[18] = 0;
  histogram.counts[19] = 1;
  return histogram;
}

ScatterBlock scatter_sample() {
  ScatterBlock scatter{
      "Heads by composition and induction score", "K-composition", "induction", {}, {}};
  const std::vector<double> values = random_values(600, 7);
  const std::vector<std::string> names = {"previous token", "induction", "other"};
  for (size_t i = 0; i < 300; ++i) {
    const size_t group = i % 3;
    const double angle = 6.2831853 * values[2 * i];
    const double radius = 0.16 * std::sqrt(-2 * std::log(values[2 * i + 1] + 1e-9));
    scatter.x.push_back(0.4 + 0.35 * static_cast<double>(group) + radius * std::cos(angle));
    scatter.y.push_back(0.2 + 0.3 * static_cast<double>(group * group % 3) +
                        radius * std::sin(angle));
    scatter.labels.push_back("L" + std::to_string(i / 12) + "H" + std::to_string(i % 12));
    scatter.groups.push_back(names[group]);
  }
  return scatter;
}

TableBlock long_table() {
  TableBlock table{"Tensors", {"name", "dtype", "shape", "bytes", "norm", "largest"}, {}, ""};
  const std::vector<double> values = random_values(120, 3);
  for (size_t i = 0; i < 60; ++i) {
    table.rows.push_back({"model.layers." + std::to_string(i) + ".self_attn.q_proj.weight",
                          std::string("BF16"), std::string("[576, 576]"), int64_t{663552},
                          50 * values[2 * i], values[2 * i + 1] * 1e-3});
  }
  return table;
}

TableBlock many_columns() {
  TableBlock table{"Scores of each head", {"layer"}, {}, "mean over 200 prompts"};
  const std::vector<double> values = random_values(24 * 32, 5);
  for (size_t head = 0; head < 32; ++head) table.columns.push_back("head " + std::to_string(head));
  for (size_t layer = 0; layer < 24; ++layer) {
    std::vector<Cell> row = {static_cast<int64_t>(layer)};
    for (size_t head = 0; head < 32; ++head) row.emplace_back(values[layer * 32 + head] - 0.5);
    table.rows.push_back(std::move(row));
  }
  return table;
}

CurvesBlock many_curves() {
  CurvesBlock curves{"Loss while training", "step", "loss", {}, {}, true};
  for (int step = 1; step <= 200; ++step) curves.x.push_back(50.0 * step);
  for (int run = 0; run < 12; ++run) {
    Series series{"lr 2^-" + std::to_string(run), {}};
    for (const double step : curves.x) {
      series.y.push_back(0.02 + 8 * std::pow(step, -0.3 - 0.03 * run) +
                         0.01 * std::sin(step + run));
    }
    if (run == 4) series.y[90] = NAN;
    for (size_t i = 0; run == 2 && i < series.y.size(); ++i) {
      const bool has_band = i < 60 || i > 70;
      series.lower.push_back(has_band ? 0.9 * series.y[i] : NAN);
      series.upper.push_back(has_band ? 1.15 * series.y[i] : NAN);
    }
    curves.series.push_back(std::move(series));
  }
  return curves;
}

// Little-endian, 16 bits a sample, one channel: half a second of 440 Hz.
std::string tone() {
  constexpr uint32_t kRate = 8000, kSamples = 4000;
  std::string bytes;
  const auto put = [&](uint32_t value, int n) {
    for (int i = 0; i < n; ++i) bytes += static_cast<char>(value >> 8 * i & 255);
  };
  bytes += "RIFF";
  put(36 + 2 * kSamples, 4);
  bytes += "WAVEfmt ";
  put(16, 4);
  put(1, 2);
  put(1, 2);
  put(kRate, 4);
  put(2 * kRate, 4);
  put(2, 2);
  put(16, 2);
  bytes += "data";
  put(2 * kSamples, 4);
  for (uint32_t i = 0; i < kSamples; ++i) {
    const double wave = std::sin(2 * 3.14159265 * 440 * i / kRate);
    put(static_cast<uint32_t>(static_cast<int32_t>(9000 * wave)) & 0xffff, 2);
  }
  return bytes;
}

}  // namespace

GraphBlock graph_sample() {
  GraphBlock graph{"Circuit for \"When Mary and John went to the shop, John gave to\"",
                   "token",
                   "layer",
                   "effect on the logit difference",
                   "attribution",
                   {"When", "ĠMary", "Ġand", "ĠJohn", "Ġwent", "Ġto", "ĠJohn", "Ġgave", "Ġto"}};
  const auto node = [&](const std::string& label, int64_t layer, int64_t position, double value) {
    graph.nodes.push_back({label, layer, position, value});
    return graph.nodes.size() - 1;
  };
  graph.y_ticks = {"embed"};
  for (int layer = 1; layer < 12; ++layer) graph.y_ticks.push_back("L" + std::to_string(layer));
  const size_t mary = node("embed Mary", 0, 1, NAN), first = node("embed John", 0, 3, NAN);
  const size_t second = node("embed John", 0, 6, NAN);
  const size_t previous = node("2.2 previous token", 2, 4, 0.31);
  const std::vector<size_t> duplicate = {node("3.0", 3, 6, 0.42), node("3.10", 3, 6, 0.12)};
  const std::vector<size_t> induction = {node("5.5", 5, 6, 0.77), node("5.9", 5, 6, 0.35),
                                         node("5.8", 5, 6, -0.08)};
  const std::vector<size_t> inhibition = {node("7.3", 7, 8, 0.55), node("7.9", 7, 8, 0.94),
                                          node("8.6", 8, 8, 1.21)};
  const std::vector<size_t> movers = {node("9.6 name mover", 9, 8, 1.62),
                                      node("9.9 name mover", 9, 8, 2.31)};
  const size_t negative = node("10.7 negative mover", 10, 8, -1.87);
  const size_t logits = node("logits", 11, 8, NAN);
  graph.nodes[logits].target = "logits.html";
  graph.edges = {{first, previous, 0.2},        {first, duplicate[0], 0.5},
                 {second, duplicate[0], 0.6},   {second, duplicate[1], 0.2},
                 {previous, induction[0], 0.7}, {previous, induction[1], 0.3},
                 {second, induction[2], -0.1}};
  for (const size_t head : inhibition) {
    for (const size_t from : {duplicate[0], induction[0], induction[1]}) {
      graph.edges.push_back({from, head, 0.2 + 0.1 * static_cast<double>((from * head) % 7)});
    }
    for (const size_t to : movers) graph.edges.push_back({head, to, -0.8});
  }
  graph.edges.push_back({inhibition[0], inhibition[1], 0.15});
  graph.edges.push_back({mary, movers[0], 1.1});
  graph.edges.push_back({mary, movers[1], 1.7});
  graph.edges.push_back({movers[0], logits, 1.6});
  graph.edges.push_back({movers[1], logits, 2.3});
  graph.edges.push_back({negative, logits, -1.9});
  return graph;
}

ScatterBlock large_scatter(size_t n) {
  ScatterBlock scatter{"Features by their decoder directions", "UMAP 1", "UMAP 2", {}, {}};
  scatter.value_label = "log10 of the firing rate";
  const std::vector<double> values = random_values(3 * n, 11);
  for (size_t i = 0; i < n; ++i) {
    const double arm = static_cast<double>(i % 5), along = values[3 * i];
    const double angle = 1.2566 * arm + 2.2 * along, radius = 1 + 9 * along;
    const double spread = 0.5 * std::sqrt(-2 * std::log(values[3 * i + 1] + 1e-9));
    scatter.x.push_back(radius * std::cos(angle) + spread * std::cos(6.2832 * values[3 * i + 2]));
    scatter.y.push_back(radius * std::sin(angle) + spread * std::sin(6.2832 * values[3 * i + 2]));
    scatter.labels.push_back("feature " + std::to_string(i));
    scatter.values.push_back(-6 + 5 * along * values[3 * i + 2]);
    scatter.targets.push_back("pages/" + std::to_string(i) + ".html");
  }
  return scatter;
}

HeatMapBlock long_text_map(size_t n_tokens) {
  HeatMapBlock map;
  map.title = "Top token of each layer, long text";
  map.x_label = "token";
  map.y_label = "layer";
  map.value_label = "probability";
  static const std::vector<std::string> kWords = {
      " the", " river", " ran", ",", " down", " ", "\u00a0", " hill", "\u200b", " naïve", "\n"};
  const std::vector<double> values = random_values(31 * n_tokens, 21);
  for (size_t x = 0; x < n_tokens; ++x) {
    map.x_ticks.push_back(kWords[(x * x + x / 3) % kWords.size()]);
  }
  for (size_t y = 0; y < kStreams; ++y) {
    map.y_ticks.push_back(y == 0 ? "embed" : std::to_string(y - 1));
    map.values.emplace_back();
    map.cell_text.emplace_back();
    for (size_t x = 0; x < n_tokens; ++x) {
      map.values[y].push_back(values[y * n_tokens + x] * rise(y, 15, 4));
      map.cell_text[y].push_back(kWords[(x * y + x) % kWords.size()]);
    }
  }
  return map;
}

MediaBlock picture_sample() {
  MediaBlock media{"A picture", "image/svg+xml", "", "", "Three bars, made up"};
  media.bytes =
      "<svg xmlns='http://www.w3.org/2000/svg' width='320' height='160' viewBox='0 0 320 160'>"
      "<rect width='320' height='160' fill='#dde'/><rect x='30' y='60' width='60' height='90' "
      "fill='#36c'/><rect x='130' y='20' width='60' height='130' fill='#2a7'/><rect x='230' y='90' "
      "width='60' height='60' fill='#c43'/></svg>";
  return media;
}

MediaBlock sound_sample() { return {"A sound", "audio/wav", tone(), "", "440 Hz, half a second"}; }

Report grouped_sample(size_t n_prompts) {
  Report report;
  report.title = "Recall over " + std::to_string(n_prompts) + " prompts";
  report.provenance.model = "made-up";
  report.provenance.command = "weir recall made-up 'two\nlines'";
  report.provenance.extra = {{"data set", "capitals"}, {"corpus_sha256", "5e884898da28"}};
  TableBlock overview{"Overview", {"prompt", "rank", "probability"}, {}, ""};
  GroupBlock prompts{"Prompts", {}};
  for (size_t i = 0; i < n_prompts; ++i) {
    const std::string title = "Prompt " + std::to_string(i);
    overview.rows.push_back(
        {Link{title, "#" + title}, static_cast<int64_t>(i % 4), 0.9 / (1. + i)});
    GroupBlock prompt{title, {}};
    prompt.collapsed = true;
    TokenStripBlock strip{"", "surprisal (nats)", kPrompt, {NAN, 8.93, 0.42, 4.71, 0.88}, {}, {}};
    CurvesBlock curves = lens_curves();
    prompt.blocks = {strip, curves};
    prompts.blocks.push_back(std::move(prompt));
  }
  GroupBlock views{"Views", {picture_sample(), sound_sample(), graph_sample(), scatter_sample()}};
  views.tabs = true;
  report.blocks = {overview, views, prompts};
  return report;
}

Report lens_sample() {
  Report report;
  report.title = "Logit lens: The capital of France is";
  report.provenance = {"smollm2-135m",
                       "4b5d8f0c5d6c4e0f7f1f0c2ad9f5cf7b6e0f3a1c9d8b7a6f5e4d3c2b1a09f8e7",
                       "smollm2-135m (49152 tokens)",
                       "none",
                       "float32",
                       "cpu",
                       "weir lens smollm2-135m \"The capital of France is\"",
                       "0.1.0",
                       17,
                       2,
                       1.284};
  TokenStripBlock strip{"Prompt", "surprisal (nats)", kPrompt, {NAN, 8.93, 0.42, 4.71, 0.88}, {},
                        {}};
  for (const std::string& token : kPrompt) strip.details.push_back("rank of " + token + ": 3");
  report.blocks = {strip, lens_map(), lens_table(), lens_curves(),
                   TextBlock{"Reading",
                             "The answer appears in layer 25 and stays.\n\nProbabilities "
                             "are of the token that follows each position."}};
  return report;
}

static PassagesBlock passages_sample() {
  return {"What it fires on",
          "activation",
          {{"4.20", {"The", " cat", " sat"}, {0, 4.2, NAN}}, {"1", {"\n", " a"}, {-1, 0}}},
          0};
}

Report other_blocks_sample() {
  Report report;
  report.title = "Every kind of block";
  report.provenance.model = "made-up";
  TokenStripBlock strip{"A longer text", "surprisal (nats)", {}, {}, {}, {}};
  const std::vector<double> values = random_values(150, 9);
  static const std::vector<std::string> kWords = {" the", " river", " ran",  ",",
                                                  "\n",   " 東京",  " naïve"};
  for (size_t i = 0; i < values.size(); ++i) {
    strip.tokens.push_back(kWords[(i * i + i / 3) % kWords.size()]);
    strip.values.push_back(10 * values[i] * values[i]);
  }
  report.blocks = {wide_map(),         wide_map_with_text(), attention_sample(),
                   histogram_sample(), scatter_sample(),     strip,
                   passages_sample(),  long_table(),         many_columns(),
                   many_curves(),      graph_sample(),       large_scatter(3000),
                   picture_sample()};
  return report;
}

Report empty_blocks_sample() {
  Report report;
  report.blocks = {TableBlock{},    HeatMapBlock{},
                   CurvesBlock{},   HistogramBlock{},
                   ScatterBlock{},  TokenStripBlock{},
                   PassagesBlock{}, AttentionBlock{},
                   TextBlock{},     TableBlock{"", {"a", "b"}, {}, ""},
                   GraphBlock{},    MediaBlock{},
                   GroupBlock{}};
  return report;
}

const char* const kHostileText =
    "</script><script>alert(1)</script>\x1b[31m\x07\r\n\"quoted\", 'x' & \xe2\x80\xae "
    "e\xcc\x81 \xe6\x9d\xb1\xe4\xba\xac \xf0\x9f\x98\x80 \xc2\x9b"
    "2J \xff\xc3";

Report hostile_sample() {
  const std::string text = kHostileText;
  const std::vector<std::string> three(3, text);
  Report report;
  report.title = text;
  report.provenance = {text, text, text, text, text, text, text, text, {}, 0, 0};
  HeatMapBlock map;
  map.title = map.x_label = map.y_label = map.value_label = text;
  map.x_ticks = map.y_ticks = three;
  map.values = {{0.25, NAN, 1}, {INFINITY, -INFINITY, 0}, {-1, 2, 3}};
  map.cell_text = {three, three, three};
  report.blocks = {
      TableBlock{
          text, {text, text, text}, {{text, NAN, int64_t{1}}, {text, 1e300, int64_t{2}}}, text},
      map,
      CurvesBlock{
          text, text, text, {0, 1, 2}, {{text, {1, NAN, INFINITY}}, {text, {0, -1, 2}}}, true},
      HistogramBlock{text, text, {0, 1, 2}, {3, 4}},
      ScatterBlock{text, text, text, {0, NAN}, {1, 1}, {text, text}, {text, ""}},
      TokenStripBlock{text, text, three, {1, NAN, INFINITY}, three, {}},
      AttentionBlock{text, three, {text}, {{{1, 0, 0}, {0.5, 0.5, 0}, {NAN, 0.2, 0.3}}}},
      TextBlock{text, text}};
  GraphBlock graph{text, text, text, text, text, three, three};
  graph.nodes = {{text, 0, 0, NAN}, {text, 2, 1, INFINITY, "#" + text}, {text, -5, 7, -1}};
  graph.edges = {{0, 1, -2}, {1, 1, 0}, {2, 0, 1e300}};
  const Link link{text, "#" + text};
  report.blocks.insert(
      report.blocks.end(),
      {graph, MediaBlock{text, "image/png", text, "", text},
       MediaBlock{text, "video/mp4", "", "a <b> \"c\" #&?.mp4", text},
       GroupBlock{
           text, {TextBlock{text, text}, TableBlock{text, {text}, {{link}}, text}}, true, true}});
  report.blocks.push_back(PassagesBlock{text, text, {{text, three, {1, NAN, -2}}}, 0});
  report.provenance.extra = {{text, text}};
  return report;
}

}  // namespace weir::testing
