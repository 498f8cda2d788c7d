#include "weir/channels/surprising_links.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/channels/surprise.h"

namespace weir {
namespace {

/// Directions whose singular value is below this share of the largest are not read.
constexpr double kRank = 1e-6;

/// The same directions, with one weight for all that are read at all: CS_i is then inside /
/// sqrt(rank).
ModelComponents unweighted(ModelComponents components) {
  for (std::vector<HeadComponents>* layers : {&components.ov, &components.qk}) {
    for (HeadComponents& layer : *layers) {
      layer.S = (layer.S > kRank * layer.S.amax(-1, true)).to(layer.S.scalar_type());
    }
  }
  return components;
}

/// Flat indices into [L, H, K, L, H] of what has a path: the writer stands below the reader.
at::Tensor paths(at::IntArrayRef sizes) {
  const at::Tensor layer = at::arange(sizes[0]);
  const at::Tensor is_path = layer.view({-1, 1, 1, 1, 1}) < layer.view({1, 1, 1, -1, 1});
  return is_path.expand(sizes).flatten().nonzero().flatten();
}

/// One type's tests, [L, H, K, L, H]; p of what has a path.
struct Tests {
  at::Tensor score, inside, z, p;
};

at::Tensor p_values(const ModelComponents& components, CompositionType type, int64_t n_dimensions,
                    const at::Tensor& score, const at::Tensor& where) {
  const CompositionNull null = composition_null(components, type, n_dimensions);
  const auto at_paths = [&](const at::Tensor& table) {
    return table.expand(score.sizes()).flatten().index_select(0, where);
  };
  return null_p_values(at_paths(score).to(at::kDouble).square(), null.mean,
                       at_paths(null.component_variance));
}

Tests tests_of(const ModelComponents& components, const ModelComponents& flat, CompositionType type,
               int64_t n_dimensions) {
  ComponentOptions writers;
  writers.reader_side = false;
  Tests tests;
  tests.score = component_scores(components, type, writers).writer;
  const at::Tensor even = component_scores(flat, type, writers).writer;
  tests.z = empirical_z(tests.score).z;
  const at::Tensor where = paths(tests.score.sizes());
  const at::Tensor by_score = p_values(components, type, n_dimensions, tests.score, where);
  const at::Tensor by_direction = p_values(flat, type, n_dimensions, even, where);
  tests.p = at::minimum(by_score, by_direction).mul_(2).clamp_max_(1);
  std::vector<at::Tensor> ranks;
  for (const HeadComponents& layer : type == CompositionType::kV ? flat.ov : flat.qk) {
    ranks.push_back(layer.S.sum(-1));
  }
  tests.inside = even * at::stack(ranks).sqrt();
  return tests;
}

SurprisingLink link_at(CompositionType type, int64_t flat, at::IntArrayRef sizes) {
  const auto next = [&flat](int64_t size) {
    const int64_t i = flat % size;
    flat /= size;
    return i;
  };
  SurprisingLink link{};
  link.type = type;
  link.reader.head = next(sizes[4]);
  link.reader.layer = next(sizes[3]);
  link.writer_component = next(sizes[2]);
  link.writer.head = next(sizes[1]);
  link.writer.layer = flat;
  return link;
}

std::vector<double> values(const at::Tensor& table, const at::Tensor& index) {
  const at::Tensor some = table.flatten().index_select(0, index).to(at::kDouble);
  return {some.data_ptr<double>(), some.data_ptr<double>() + some.numel()};
}

/// The links of one type whose tests are `found` (of those with a path), as far as they stand out.
void add_links(CompositionType type, const Tests& tests, const at::Tensor& found, double min_z,
               std::vector<SurprisingLink>* links) {
  const at::Tensor kept = found.nonzero().flatten();
  const at::Tensor index = paths(tests.score.sizes()).index_select(0, kept);
  const std::vector<double> score = values(tests.score, index),
                            inside = values(tests.inside, index), z = values(tests.z, index),
                            p = values(tests.p, kept);
  for (size_t i = 0; i < z.size(); ++i) {
    if (!(z[i] >= min_z)) continue;
    SurprisingLink link = link_at(type, index.data_ptr<int64_t>()[i], tests.score.sizes());
    link.score = score[i];
    link.inside = inside[i];
    link.z = z[i];
    link.p = p[i];
    links->push_back(std::move(link));
  }
}

/// Squared cosines of links' v_i with all of their readers' directions, and the part that each has
/// in CS_i^2, up to a factor: [n, K] each.
struct ReaderSide {
  at::Tensor squares, parts;
};

ReaderSide reader_side(const ModelComponents& components,
                       const std::vector<SurprisingLink>& links) {
  std::map<std::tuple<CompositionType, int64_t, int64_t>, std::vector<int64_t>> tiles;
  for (size_t i = 0; i < links.size(); ++i) {
    tiles[{links[i].type, links[i].writer.layer, links[i].reader.layer}].push_back(
        static_cast<int64_t>(i));
  }
  const int64_t n_heads = components.ov[0].S.size(0), k = components.ov[0].S.size(1);
  const at::Tensor squares = at::empty({static_cast<int64_t>(links.size()), k}, at::kDouble);
  const at::Tensor parts = at::empty_like(squares);
  for (const auto& [tile, members] : tiles) {
    throw_if_interrupted();
    const auto& [type, l1, l2] = tile;
    std::vector<int64_t> pairs, heads;
    for (const int64_t i : members) {
      const SurprisingLink& link = links[static_cast<size_t>(i)];
      pairs.push_back((link.writer.head * k + link.writer_component) * n_heads + link.reader.head);
      heads.push_back(link.reader.head);
    }
    const at::Tensor rows = at::tensor(members, at::kLong);
    const at::Tensor cosines = component_cosines(components, type, l1, l2).view({-1, k});
    const at::Tensor some =
        cosines.index_select(0, at::tensor(pairs, at::kLong)).to(at::kDouble).square();
    const auto& readers = type == CompositionType::kV ? components.ov : components.qk;
    const at::Tensor weights = readers[static_cast<size_t>(l2)].S.to(at::kDouble).square();
    squares.index_copy_(0, rows, some);
    parts.index_copy_(0, rows, some * weights.index_select(0, at::tensor(heads, at::kLong)));
  }
  return {squares, parts};
}

void find_reader_components(const ModelComponents& components, int64_t n_dimensions, double rate,
                            std::vector<SurprisingLink>* links) {
  if (links->empty()) return;
  const ReaderSide side = reader_side(components, *links);
  // The null of one direction against one: a reader of rank 1.
  const auto n = static_cast<double>(n_dimensions);
  const at::Tensor variance = at::scalar_tensor(2 * (1 - 1 / n) / (n * (n + 2)), at::kDouble);
  const at::Tensor found =
      false_discovery(null_p_values(side.squares, 1 / n, variance).flatten(), rate);
  const at::Tensor order = side.parts.argsort(-1, /*descending=*/true).contiguous();
  const int64_t k = order.size(1);
  const bool* is_found = found.data_ptr<bool>();
  const int64_t* by_part = order.data_ptr<int64_t>();
  for (SurprisingLink& link : *links) {
    for (int64_t rank = 0; rank < k; ++rank) {
      if (rank == 0 || is_found[by_part[rank]]) link.reader_components.push_back(by_part[rank]);
    }
    is_found += k;
    by_part += k;
  }
}

}  // namespace

std::vector<SurprisingLink> surprising_links(const ModelComponents& components,
                                             int64_t n_dimensions, const SurpriseOptions& options) {
  const at::NoGradGuard no_grad;
  require(!options.types.empty(),
          "surprising links: expected at least one type of composition, got none");
  const ModelComponents flat = unweighted(components);
  std::vector<Tests> tests;
  std::vector<at::Tensor> p;
  for (const CompositionType type : options.types) {
    tests.push_back(tests_of(components, flat, type, n_dimensions));
    p.push_back(tests.back().p);
  }
  const at::Tensor found = false_discovery(at::cat(p), options.rate);
  const int64_t n = p[0].numel();
  std::vector<SurprisingLink> links;
  for (size_t t = 0; t < tests.size(); ++t) {
    const int64_t first = static_cast<int64_t>(t) * n;
    add_links(options.types[t], tests[t], found.slice(0, first, first + n), options.min_z, &links);
  }
  find_reader_components(components, n_dimensions, options.rate, &links);
  std::stable_sort(links.begin(), links.end(),
                   [](const SurprisingLink& a, const SurprisingLink& b) { return a.z > b.z; });
  return links;
}

}  // namespace weir
