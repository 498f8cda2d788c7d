#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/io/safetensors.h"
#include "weir/subnet/ngram.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

std::string name_of(int64_t order) {
  const char* const names[] = {"unigram", "bigram", "trigram"};
  return order <= 3 ? names[order - 1] : std::to_string(order) + "gram";
}

at::Tensor sums_of(const at::Tensor& count, const at::Tensor& start) {
  const at::Tensor running =
      at::cat({at::zeros({1}, at::kDouble), count.to(at::kDouble).cumsum(0)});
  const at::Tensor sums =
      running.index_select(0, start.slice(0, 1)) - running.index_select(0, start.slice(0, 0, -1));
  return count.scalar_type() == at::kInt ? sums.round() : sums;
}

/// Reads one order; its tensors are checked, since the file comes from outside.
class LevelReader {
 public:
  LevelReader(const io::TensorMap& file, int64_t vocabulary)
      : file_(file), vocabulary_(vocabulary) {}

  /// [V] counts or shares of single tokens.
  NgramLevel unigrams(const at::Tensor& all) const {
    NgramLevel level;
    const at::Tensor index = all.nonzero().squeeze(1);
    level.context = at::zeros({index.size(0) > 0 ? 1 : 0}, at::kLong);
    level.start = index.size(0) > 0 ? at::tensor(std::vector<int64_t>{0, index.size(0)}, at::kLong)
                                    : at::zeros({1}, at::kLong);
    level.id = index.to(at::kInt);
    level.count = all.index_select(0, index).to(stored_count(all));
    return summed(level);
  }

  NgramLevel read(int64_t order) const {
    NgramLevel level;
    level.order = order;
    const std::string name = name_of(order);
    level.start = long_tensor(name + ".row_ptr");
    const bool has_counts = file_.find(name + ".count") != nullptr;
    const at::Tensor count = to_tensor(file_.at(name + (has_counts ? ".count" : ".prob")));
    level.count = count.to(has_counts ? at::kInt : at::kDouble).contiguous();
    const at::Tensor ids = long_tensor(name + ".ids");
    level.context = order == 2 ? at::arange(level.start.size(0) - 1, at::kLong)
                               : long_tensor(name + ".context");
    check(level, ids, name);
    level.id = ids.to(at::kInt).contiguous();
    return summed(without_empty(level));
  }

  bool has(int64_t order) const { return file_.find(name_of(order) + ".row_ptr") != nullptr; }

 private:
  static at::ScalarType stored_count(const at::Tensor& all) {
    return all.is_floating_point() ? at::kDouble : at::kInt;
  }
  static NgramLevel summed(NgramLevel level) {
    level.total = sums_of(level.count, level.start);
    return level;
  }
  static NgramLevel without_empty(NgramLevel level) {
    const at::Tensor sizes = level.start.slice(0, 1) - level.start.slice(0, 0, -1);
    const at::Tensor filled = (sizes > 0).nonzero().squeeze(1);
    level.context = level.context.index_select(0, filled).contiguous();
    level.start = at::cat({at::zeros({1}, at::kLong), sizes.index_select(0, filled).cumsum(0)});
    return level;
  }
  at::Tensor long_tensor(const std::string& name) const {
    const at::Tensor found = to_tensor(file_.at(name));
    expect(found.dim() == 1 && at::isIntegralType(found.scalar_type(), false),
           "'" + name + "' is no row of whole numbers");
    return found.to(at::kLong).contiguous();
  }
  void expect(bool good, const std::string& fault) const {
    if (!good) fail(ErrorCode::kCorruptData, "{}: not an n-gram table: {}", file_.source, fault);
  }
  void check(const NgramLevel& level, const at::Tensor& ids, const std::string& name) const {
    const int64_t n = ids.size(0);
    const at::Tensor& start = level.start;
    expect(start.size(0) > 0 && start[0].item<int64_t>() == 0 && start[-1].item<int64_t>() == n &&
               start.diff().ge(0).all().item<bool>(),
           "'" + name + ".row_ptr' does not rise from 0 to the number of entries");
    expect(level.count.dim() == 1 && level.count.size(0) == n &&
               level.context.size(0) == start.size(0) - 1,
           "'" + name + "' has parts of different lengths");
    expect(level.order != 2 || start.size(0) == vocabulary_ + 2,
           "'bigram.row_ptr' has not two entries more than there are tokens");
    expect(level.context.diff().gt(0).all().item<bool>(), "contexts of '" + name + "' do not rise");
    expect(n == 0 || (ids.min().item<int64_t>() >= 0 && ids.max().item<int64_t>() < vocabulary_ &&
                      level.count.min().item<double>() >= 0),
           "'" + name + "' has ids outside the vocabulary or negative counts");
    at::Tensor rises = ids.diff() > 0;
    const at::Tensor ends = start.slice(0, 1, -1).masked_select((start.slice(0, 1, -1) > 0) &
                                                                (start.slice(0, 1, -1) < n));
    if (n > 1) rises.index_fill_(0, ends - 1, true);
    expect(rises.all().item<bool>(), "ids of '" + name + "' do not rise within a context");
  }

  const io::TensorMap& file_;
  int64_t vocabulary_;
};

/// int64 [V]: what each token was counted, from the bigrams: every token ends one of them.
at::Tensor last_tokens(const NgramLevel& bigrams, int64_t vocabulary) {
  return at::zeros({vocabulary}, at::kLong)
      .index_add(0, bigrams.id.to(at::kLong), bigrams.count.to(at::kLong));
}

}  // namespace

void NgramModel::save(const std::filesystem::path& file,
                      const std::map<std::string, std::string>& notes) const {
  std::vector<io::TensorView> views;
  const NgramLevel& single = levels_.front();
  const bool has_counts = single.count.scalar_type() == at::kInt;
  const at::Tensor unigrams = at::zeros({vocabulary_}, has_counts ? at::kLong : at::kDouble)
                                  .index_put({single.id.to(at::kLong)},
                                             single.count.to(has_counts ? at::kLong : at::kDouble));
  views.push_back(to_view(has_counts ? "unigram.count" : "unigram.prob", unigrams));
  for (const NgramLevel& level : levels_) {
    if (level.order == 1) continue;
    const std::string name = name_of(level.order);
    const bool counted = level.count.scalar_type() == at::kInt;
    at::Tensor start = level.start;
    if (level.order == 2) {
      const at::Tensor sizes =
          at::zeros({vocabulary_ + 1}, at::kLong).index_put({level.context}, level.start.diff());
      start = at::cat({at::zeros({1}, at::kLong), sizes.cumsum(0)});
      views.push_back(to_view(
          name + ".row_total",
          at::zeros({vocabulary_ + 1}, at::kDouble).index_put({level.context}, level.total)));
    } else {
      views.push_back(to_view(name + ".context", level.context));
    }
    views.push_back(to_view(name + ".row_ptr", start));
    views.push_back(to_view(name + ".ids", level.id));
    views.push_back(to_view(name + (counted ? ".count" : ".prob"), level.count));
  }
  std::map<std::string, std::string> metadata = notes;
  metadata["format"] = "weir.ngram";
  metadata["vocabulary"] = std::to_string(vocabulary_);
  metadata["order"] = std::to_string(order());
  io::write_safetensors(file, views, metadata);
}

NgramModel NgramModel::load(const std::filesystem::path& path) {
  const io::TensorMap file = io::read_safetensors(path);
  const io::TensorView* counts = file.find("unigram.count");
  const at::Tensor singles = to_tensor(counts != nullptr ? *counts : file.at("unigram.prob"));
  if (singles.dim() != 1 || singles.size(0) == 0) {
    fail(ErrorCode::kCorruptData, "{}: not an n-gram table: unigrams are no row", file.source);
  }
  const int64_t vocabulary = singles.size(0);
  const LevelReader reader(file, vocabulary);
  std::vector<NgramLevel> levels = {reader.unigrams(singles)};
  for (int64_t order = 2; reader.has(order); ++order) levels.push_back(reader.read(order));
  const bool bigrams_counted = levels.size() > 1 && levels[1].count.scalar_type() == at::kInt;
  if (counts == nullptr && bigrams_counted) {
    levels[0] = reader.unigrams(last_tokens(levels[1], vocabulary));
  }
  return {vocabulary, std::move(levels)};
}

}  // namespace weir
