#include "weir/sae/harvest/harvested_activations.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/data/permutation.h"
#include "weir/io/json.h"

namespace weir {
namespace {

constexpr int64_t kMost = int64_t{1} << 48;

using Batches = std::vector<data::ActivationBatch>;

data::ActivationBatch joined(const Batches& parts, size_t n_sites) {
  const auto join = [&](const auto& part_of) {
    std::vector<at::Tensor> pieces;
    for (const data::ActivationBatch& part : parts) pieces.push_back(part_of(part));
    return at::cat(pieces);
  };
  data::ActivationBatch all;
  for (size_t site = 0; site < n_sites; ++site) {
    all.activations.push_back(join([&](const auto& part) { return part.activations[site]; }));
  }
  all.tokens = join([](const auto& part) { return part.tokens; });
  all.positions = join([](const auto& part) { return part.positions; });
  all.contexts = join([](const auto& part) { return part.contexts; });
  return all;
}

}  // namespace

HarvestedActivations::HarvestedActivations(const LanguageModel& lm, const data::TokenRows& rows,
                                           const HarvestOptions& options,
                                           const StreamOptions& stream)
    : lm_(lm), rows_(rows), options_(options), stream_(stream) {
  require(stream.buffer_contexts >= 1 && stream.n_contexts >= 0,
          "activations: expected a buffer of at least one context, got {}", stream.buffer_contexts);
  fill(0);
  for (size_t site = 0; site < sites_.size(); ++site) {
    data::ActivationStatistics statistics;
    for (const at::Tensor& piece : filled_.activations[site].split(8192)) statistics.add(piece);
    statistics_.push_back(std::move(statistics));
  }
}

bool HarvestedActivations::fill(int64_t buffer) {
  const int64_t first = buffer * stream_.buffer_contexts;
  const int64_t end = stream_.n_contexts == 0
                          ? first + stream_.buffer_contexts
                          : std::min(first + stream_.buffer_contexts, stream_.n_contexts);
  if (first >= end) return false;
  Harvester harvester(lm_, rows_, options_, first, norm_limits_);
  filled_ = {};  // The old rows need not wait for the new.
  Batches parts;
  while (harvester.n_contexts() < end) {
    data::ActivationBlock block = harvester.next(end - harvester.n_contexts());
    dropped_ += block.dropped;
    parts.push_back(std::move(block.rows));
  }
  norm_limits_ = harvester.norm_limits();
  sites_ = harvester.sites();
  filled_ = joined(parts, sites_.size());
  buffer_ = buffer;
  place_ = 0;
  return true;
}

data::ActivationBatch HarvestedActivations::next(int64_t n) {
  require(n >= 1, "activations: expected a batch of at least 1 row, got {}", n);
  Batches parts;
  int64_t missing = n;
  while (missing > 0) {
    const int64_t size = filled_.size();
    if (place_ == size) {
      if (!fill(buffer_ + 1)) break;
      continue;
    }
    const int64_t count = std::min(missing, size - place_);
    const data::Permutation order(size, stream_.seed, static_cast<uint64_t>(buffer_));
    at::Tensor rows = at::empty({count}, at::kLong);
    for (int64_t i = 0; i < count; ++i) rows.data_ptr<int64_t>()[i] = order.at(place_ + i);
    data::ActivationBatch part;
    for (const at::Tensor& site : filled_.activations) {
      part.activations.push_back(site.index_select(0, rows));
    }
    part.tokens = filled_.tokens.index_select(0, rows);
    part.positions = filled_.positions.index_select(0, rows);
    part.contexts = filled_.contexts.index_select(0, rows);
    parts.push_back(std::move(part));
    place_ += count;
    missing -= count;
  }
  if (parts.empty()) return {};
  return parts.size() == 1 ? std::move(parts[0]) : joined(parts, sites_.size());
}

std::string HarvestedActivations::state() const {
  const nlohmann::ordered_json state = {{"buffer", buffer_},
                                        {"row", place_},
                                        {"rows", filled_.size()},
                                        {"buffer_contexts", stream_.buffer_contexts},
                                        {"seed", std::to_string(stream_.seed)}};
  return io::dump_json(state);
}

void HarvestedActivations::restore(const std::string& state) {
  const std::string what = "state of activations";
  const nlohmann::json found = io::parse_json(state, what);
  require(io::find_int(found, "buffer_contexts", 1, kMost, what) == stream_.buffer_contexts &&
              io::get_string(found, "seed", what) == std::to_string(stream_.seed),
          "{}: of another buffer or seed: {}", what, state);
  const int64_t buffer = io::get_int(found, "buffer", 0, kMost, what);
  if (buffer != buffer_) {
    require(fill(buffer), "{}: buffer {} lies behind the end", what, buffer);
  }
  require(io::get_int(found, "rows", 0, kMost, what) == filled_.size(),
          "{}: of another model or corpus: the buffer has {} rows now", what, filled_.size());
  place_ = io::get_int(found, "row", 0, filled_.size(), what);
}

}  // namespace weir
