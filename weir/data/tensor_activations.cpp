#include "weir/data/tensor_activations.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"

namespace weir::data {
namespace {

int64_t rows_of(const ActivationBatch& batch) {
  require(!batch.activations.empty(), "activations: expected at least one site");
  return batch.activations.front().size(0);
}

std::vector<ActivationSite> sites_of(const std::vector<std::string>& names,
                                     const ActivationBatch& batch) {
  require(names.size() == batch.activations.size(), "activations: {} names for {} tensors",
          names.size(), batch.activations.size());
  std::vector<ActivationSite> sites;
  for (size_t i = 0; i < names.size(); ++i) {
    const at::Tensor& rows = batch.activations[i];
    require(rows.dim() == 2 && rows.size(0) == rows_of(batch),
            "activations of {}: expected [{}, d], like those of the first site", names[i],
            rows_of(batch));
    sites.push_back({names[i], rows.size(1)});
  }
  return sites;
}

std::vector<ActivationStatistics> statistics_of(const ActivationBatch& batch) {
  std::vector<ActivationStatistics> all;
  constexpr int64_t kPiece = 8192;  // Rows in float64 at once.
  for (const at::Tensor& rows : batch.activations) {
    ActivationStatistics statistics;
    for (const at::Tensor& piece : rows.split(kPiece)) statistics.add(piece);
    all.push_back(std::move(statistics));
  }
  return all;
}

at::Tensor column(const at::Tensor& given, const at::Tensor& otherwise) {
  if (!given.defined()) return otherwise;
  require(given.sizes() == otherwise.sizes(), "activations: expected {} tokens and positions",
          otherwise.size(0));
  return given.to(at::kLong);
}

}  // namespace

IndexedActivations::IndexedActivations(std::vector<ActivationSite> sites,
                                       std::vector<ActivationStatistics> statistics, int64_t n_rows,
                                       const ShuffleOptions& options)
    : sites_(std::move(sites)),
      statistics_(std::move(statistics)),
      options_(options),
      order_(n_rows, options) {}

ActivationBatch IndexedActivations::next(int64_t n) {
  require(n >= 1, "activations: expected a batch of at least 1 row, got {}", n);
  const int64_t left = std::min(n, order_.n_places() - place_);
  if (left == 0) return {};
  ActivationBatch batch = gather(order_.rows(place_, left));
  place_ += left;
  return batch;
}

std::string IndexedActivations::state() const {
  const nlohmann::ordered_json state = {{"place", place_},
                                        {"rows", n_rows()},
                                        {"shuffle", options_.shuffle},
                                        {"seed", std::to_string(options_.seed)},
                                        {"block", options_.block_rows},
                                        {"window", options_.window_rows}};
  return io::dump_json(state);
}

void IndexedActivations::restore(const std::string& state) {
  const std::string what = "state of activations";
  nlohmann::json found = io::parse_json(state, what);
  const int64_t place = io::get_int(found, "place", 0, order_.n_places(), what);
  nlohmann::json own = io::parse_json(this->state(), what);
  found.erase("place");
  own.erase("place");
  require(found == own, "{}: expected one of {}, got {}", what, io::dump_json(own),
          io::dump_json(found));
  place_ = place;
}

TensorActivations::TensorActivations(const std::vector<std::string>& names,
                                     const ActivationBatch& batch, const ShuffleOptions& options)
    : IndexedActivations(sites_of(names, batch), statistics_of(batch), rows_of(batch), options),
      all_(batch) {
  const at::Tensor zeros = at::zeros({n_rows()}, at::kLong);
  all_.tokens = column(batch.tokens, zeros);
  all_.positions = column(batch.positions, zeros);
  all_.contexts = column(batch.contexts, at::arange(n_rows(), at::kLong));
}

ActivationBatch TensorActivations::gather(const at::Tensor& rows) const {
  ActivationBatch batch;
  for (const at::Tensor& site : all_.activations) {
    batch.activations.push_back(site.index_select(0, rows).to(at::kFloat));
  }
  batch.tokens = all_.tokens.index_select(0, rows);
  batch.positions = all_.positions.index_select(0, rows);
  batch.contexts = all_.contexts.index_select(0, rows);
  return batch;
}

}  // namespace weir::data
