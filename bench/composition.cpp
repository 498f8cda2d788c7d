#include "weir/channels/composition.h"

#include <memory>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "bench/measure.h"

// All-pairs composition of heads with random factors: the cost is that of any model of the shape.
namespace weir::bench {
namespace {

struct Shape {
  int64_t n_layers, n_heads, d_model, d_head;
  double n_pairs() const {
    return static_cast<double>(n_layers * (n_layers - 1) / 2 * n_heads * n_heads);
  }
};
constexpr Shape kSmall = {12, 12, 768, 64}, kXl = {48, 25, 1600, 64},
                kLlama7b = {32, 32, 4096, 128};
const std::vector<CompositionType> kTypes = {CompositionType::kQ, CompositionType::kK,
                                             CompositionType::kV};

LayerHeads random_heads(const Shape& shape, int64_t layer) {
  at::manual_seed(static_cast<uint64_t>(layer));
  const auto random = [&](int64_t rows, int64_t columns) {
    return at::randn({shape.n_heads, rows, columns}).mul_(0.02);
  };
  const at::Tensor none = at::zeros({shape.n_heads, shape.d_head});
  return {random(shape.d_model, shape.d_head),
          random(shape.d_model, shape.d_head),
          random(shape.d_model, shape.d_head),
          random(shape.d_head, shape.d_model),
          none,
          none,
          none};
}

/// Layers made when they are asked for, or all of them beforehand.
HeadSource source_of(const Shape& shape, bool is_streamed) {
  HeadSource source{shape.n_layers, shape.n_heads, shape.d_model, shape.d_head, nullptr, nullptr};
  if (is_streamed) {
    source.heads = [shape](int64_t layer) { return random_heads(shape, layer); };
    return source;
  }
  auto layers = std::make_shared<std::vector<LayerHeads>>();
  for (int64_t l = 0; l < shape.n_layers; ++l) layers->push_back(random_heads(shape, l));
  source.heads = [layers](int64_t layer) { return (*layers)[static_cast<size_t>(layer)]; };
  return source;
}

Result result_of(const std::string& name, const std::string& what, const Shape& shape) {
  Result result;
  result.name = name;
  result.work = fmt::format("{} layers x {} heads, {} wide, d_head {} (random), float32: {}",
                            shape.n_layers, shape.n_heads, shape.d_model, shape.d_head, what);
  result.amount = 3 * shape.n_pairs();
  result.unit = "pairs/s";
  return result;
}

/// A symmetric matrix of the writers and three of the readers (half of it is made), and their
/// products where there is a path.
double total_flops(const Shape& shape) {
  const auto n = static_cast<double>(shape.n_layers * shape.n_heads);
  const auto d = static_cast<double>(shape.d_model), k = static_cast<double>(shape.d_head);
  return 4 * n * d * d * k + 3 * shape.n_pairs() * d * d;
}

double dense_gap(const HeadSource& source, const std::vector<at::Tensor>& scores) {
  const FactoredMatrix A = source.heads(0).ov(), B = source.heads(source.n_layers - 1).qk();
  const at::Tensor a = FactoredMatrix{A.left[1], A.right[1]}.product();
  const at::Tensor b = FactoredMatrix{B.left[2], B.right[2]}.product();
  const double expected = (at::mm(a, b).norm() / (a.norm() * b.norm())).item<double>();
  return std::abs(scores[0][0][1][source.n_layers - 1][2].item<double>() - expected);
}

Result totals(const std::string& name, const Shape& shape, bool is_streamed, int64_t runs) {
  Result result = result_of(name, "scores of all pairs, three types", shape);
  const HeadSource source = source_of(shape, is_streamed);
  const int64_t before = peak_rss();
  std::vector<at::Tensor> scores;
  const auto call = [&] { scores = composition_scores(source, kTypes); };
  result.seconds = runs > 1 ? measure(runs, call) : std::vector<double>{seconds_of(call)};
  result.flops = total_flops(shape);
  result.peak_rss = peak_rss();
  result.extra = {
      {"mb_above_the_weights", static_cast<double>(result.peak_rss - before) / (1 << 20)}};
  result.check = checked("a score and its dense product", dense_gap(source, scores), 1e-5);
  return result;
}

}  // namespace

Result bench_composition(const Options& options) {
  return totals("composition", kSmall, false, options.runs);
}

Result bench_composition_xl(const Options&) { return totals("composition-xl", kXl, false, 1); }

Result bench_composition_7b(const Options&) { return totals("composition-7b", kLlama7b, true, 1); }

Result bench_composition_components(const Options& options) {
  Result result = result_of("composition-components",
                            "the same with scores of every component of both sides", kSmall);
  const HeadSource source = source_of(kSmall, false);
  const int64_t before = peak_rss();
  ComponentScores scores;
  std::vector<double> svd;
  result.seconds = measure(options.runs, [&] {
    ModelComponents components;
    svd.push_back(seconds_of([&] { components = model_components(source); }));
    for (const CompositionType type : kTypes) scores = component_scores(components, type);
  });
  const double h_k = static_cast<double>(kSmall.n_heads * kSmall.d_head);
  result.flops = 3 * 66 * 2 * h_k * h_k * kSmall.d_model;
  result.peak_rss = peak_rss();
  result.extra = {
      {"seconds_svd", median(svd)},
      {"mb_above_the_weights", static_cast<double>(result.peak_rss - before) / (1 << 20)}};
  const at::Tensor total = composition_scores(source, {CompositionType::kV})[0];
  result.check = checked("scores from components and from Gram matrices",
                         (scores.head - total).abs().max().item<double>(), 1e-4);
  return result;
}

}  // namespace weir::bench
