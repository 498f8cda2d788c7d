#include "weir/sae/training/sparse_step.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/sae/training/chosen_rows.h"
#include "weir/sae/training/dense_latents.h"
#include "weir/sae/training/noise.h"
#include "weir/sae/training/sparse_choice.h"
#include "weir/sae/training/sparse_gradient.h"

namespace weir {
namespace {

using Variance = VariationalSaeConfig::Variance;
using Offer = AuxKSettings::Offer;

template <class T>
class SparseStep {
 public:
  SparseStep(const Sae& sae, const SaeTrainingSettings& settings, const SaeBatch& batch,
             const SaeStepSituation& situation)
      : sae_(sae),
        settings_(settings),
        batch_(batch),
        situation_(situation),
        x_(batch.x.contiguous()),
        y_(batch.y.defined() ? batch.y.contiguous() : x_),
        input_(sae.config.apply_b_dec_to_input ? x_ - sae.weight("b_dec") : x_),
        encoder_(sae.weight("W_enc").t().contiguous()),
        decoder_(sae.weight("W_dec").contiguous()),
        n_rows_(x_.size(0)),
        n_latents_(sae.config.d_sae),
        d_out_(y_.size(1)),
        n_levels_(std::max<int64_t>(1, static_cast<int64_t>(sae.config.widths.size()))) {
    if (sae.config.rescale_acts_by_decoder_norm) norms_ = decoder_.norm(2, 1);
    if (n_levels_ > 1) set_levels();
  }

  SaeGradients run() {
    choose();
    sample();
    const at::Tensor fired = fired_latents();
    const at::Tensor dead = situation_.dead ? situation_.dead(fired) : at::Tensor();
    if (settings_.auxk.coefficient > 0 && dead.defined()) prepare_auxk(dead);
    reconstruct();
    finish_terms();
    gradients();
    tell();
    return std::move(result_);
  }

 private:
  static const T* data(const at::Tensor& tensor) { return tensor.data_ptr<T>(); }
  const T* row(const at::Tensor& tensor, int64_t t) const {
    return data(tensor) + t * tensor.size(-1);
  }

  // Over all processes, in place.
  void reduce(const at::Tensor& tensor) const {
    if (situation_.group) situation_.group->sum({tensor});
  }
  double reduced(double value) const {
    if (!situation_.group) return value;
    const at::Tensor one = at::full({1}, value, at::kDouble);
    reduce(one);
    return one.item<double>();
  }
  // Rows: each process has some; latents: each has all rows and some latents.
  double reduced_over_rows(double value) const { return is_sharded() ? value : reduced(value); }
  double reduced_over_latents(double value) const { return is_sharded() ? reduced(value) : value; }
  bool is_sharded() const { return situation_.shards && situation_.group != nullptr; }

  void set_levels() {
    int32_t level = 0;
    for (int64_t j = 0; j < n_latents_; ++j) {
      if (j == sae_.config.widths[static_cast<size_t>(level)]) ++level;
      level_.push_back(level);
    }
  }

  ChoiceRule rule() const {
    const std::string& kind = sae_.config.kind;
    if (kind == "abstopk") return ChoiceRule::kRowsBySize;
    if (kind == "groupmax") return ChoiceRule::kGroups;
    return kind.find("batchtopk") != std::string::npos ? ChoiceRule::kBatch : ChoiceRule::kRows;
  }

  void choose() {
    ChoiceInput input{input_, encoder_, sae_.weight("b_enc"), norms_, {}};
    if (settings_.auxk.coefficient > 0 && situation_.may_be_dead.defined()) {
      const at::Tensor ids = situation_.may_be_dead.nonzero().flatten();
      const auto* first = ids.data_ptr<int64_t>();
      input.kept.assign(first, first + ids.numel());
    }
    ChoiceResult<T> found = choose_latents<T>(input, rule(), situation_.k);
    chosen_ = std::move(found.chosen);
    offered_ = std::move(found.kept);
    offered_ids_ = std::move(input.kept);
    keeps_sign_ = sae_.config.kind == "abstopk";
    if (is_sharded()) keep_global_top(&chosen_, static_cast<int64_t>(situation_.k));
    values_ = chosen_.pre;
    if (keeps_sign_) return;
    for (T& value : values_) value = std::max(value, T(0));
  }

  bool samples() const {
    return is_variational(sae_) && sae_.config.variational.variance != Variance::kNone;
  }

  // Values become mu + sigma eps, latents that were chosen alone.
  void sample() {
    if (!samples()) return;
    const VariationalSaeConfig& how = sae_.config.variational;
    const bool learned = how.variance == Variance::kLearned;
    at::Tensor weight, bias;
    if (learned) weight = sae_.weight("W_var").t().contiguous(), bias = sae_.weight("b_var");
    const auto fixed = static_cast<T>(2 * std::log(settings_.variational.sigma));
    log_var_.assign(values_.size(), fixed);
    moved_.assign(values_.size(), 0);
    each_row([&](int64_t t, int64_t first, int64_t n) {
      const int32_t* ids = chosen_.ids.data() + first;
      if (learned) {
        row_dots({data(weight), weight.size(1), ids, n}, row(input_, t), log_var_.data() + first);
      }
      for (int64_t i = 0; i < n; ++i) {
        T& log_var = log_var_[static_cast<size_t>(first + i)];
        if (learned) log_var += data(bias)[ids[i]];
        if (!settings_.variational.samples) continue;
        const auto bounded = std::clamp<double>(log_var, how.log_var_min, how.log_var_max);
        moved_[static_cast<size_t>(first + i)] =
            static_cast<T>(std::exp(0.5 * bounded) * noise(t, ids[i]));
        values_[static_cast<size_t>(first + i)] += moved_[static_cast<size_t>(first + i)];
      }
    });
  }

  double noise(int64_t t, int64_t latent) const {
    return batch_.noise.defined()
               ? static_cast<double>(row(batch_.noise, t)[latent])
               : normal_at(batch_.noise_seed, batch_.first_row + t, batch_.first_latent + latent);
  }

  // use(row, first entry, entries) on all threads.
  template <class Use>
  void each_row(const Use& use) const {
    at::parallel_for(0, n_rows_, 16, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t first = chosen_.start[static_cast<size_t>(t)];
        use(t, first, chosen_.start[static_cast<size_t>(t) + 1] - first);
      }
    });
  }

  at::Tensor fired_latents() const {
    if (settings_.dead.fired == DeadSettings::Fired::kPositiveSum) {
      const at::Tensor sums = latent_sums({{&chosen_, values_.data(), nullptr, 0}});
      if (!is_sharded()) reduce(sums);
      return sums > 0;
    }
    at::Tensor fired = at::zeros({n_latents_}, at::kBool);
    auto* flags = fired.data_ptr<bool>();
    for (size_t i = 0; i < values_.size(); ++i) {
      const T value = values_[i];
      bool is = value != 0;
      if (settings_.dead.fired == DeadSettings::Fired::kSelected) is = true;
      if (settings_.dead.fired == DeadSettings::Fired::kAboveThousandth) is = value > T(1e-3);
      if (is) flags[chosen_.ids[i]] = true;
    }
    if (situation_.group && !is_sharded()) {
      const at::Tensor count = fired.to(at::kLong);
      reduce(count);
      fired = count > 0;
    }
    return fired;
  }

  // What the dead may offer: the columns of those that fired after all are taken out.
  // Sharded, each process offers its own and all keep the highest of all of them.
  void prepare_auxk(const at::Tensor& dead) {
    choose_auxk(dead);
    if (!is_sharded() || n_dead_ == 0) return;
    keep_global_top(&aux_, std::min(n_dead_, most_));
    aux_gradients_.resize(aux_.ids.size());
    aux_error_ = sum_of_shards(aux_, aux_.pre);
  }

  void choose_auxk(const at::Tensor& dead) {
    n_dead_ =
        static_cast<int64_t>(reduced_over_latents(static_cast<double>(dead.sum().item<int64_t>())));
    most_ = settings_.auxk.k > 0 ? settings_.auxk.k : std::max<int64_t>(1, sae_.config.d_in / 2);
    const int64_t n_own = is_sharded() ? dead.sum().item<int64_t>() : n_dead_;
    n_aux_ = std::min(n_own, most_);
    has_aux_ = n_dead_ > 0;
    aux_.start.resize(static_cast<size_t>(n_rows_ + 1), 0);
    if (n_aux_ == 0) return;
    const auto* is_dead = dead.data_ptr<bool>();
    std::vector<int32_t> revived;
    for (size_t j = 0; j < offered_ids_.size(); ++j) {
      if (!is_dead[offered_ids_[j]]) revived.push_back(static_cast<int32_t>(j));
    }
    for (int64_t t = 0; t <= n_rows_; ++t) aux_.start[static_cast<size_t>(t)] = t * n_aux_;
    const auto n = static_cast<size_t>(n_rows_ * n_aux_);
    aux_.ids.resize(n);
    aux_.pre.resize(n);
    aux_gradients_.resize(n);
    aux_error_ = at::empty({n_rows_, d_out_}, x_.options());
    at::parallel_for(0, n_rows_, 16, [&](int64_t begin, int64_t end) {
      TopOfRow<T> top(offered_.size(1));
      std::vector<T> sizes(static_cast<size_t>(offered_.size(1)));
      for (int64_t t = begin; t < end; ++t) choose_auxk_of_row(t, revived, &top, &sizes);
    });
  }

  void choose_auxk_of_row(int64_t t, const std::vector<int32_t>& revived, TopOfRow<T>* top,
                          std::vector<T>* sizes) {
    T* offered = offered_.data_ptr<T>() + t * offered_.size(1);
    const bool by_size = settings_.auxk.offer == Offer::kSize;
    T* ranked = offered;
    if (by_size) {
      ranked = sizes->data();
      for (int64_t j = 0; j < offered_.size(1); ++j) ranked[j] = std::abs(offered[j]);
    }
    for (const int32_t j : revived) ranked[j] = -std::numeric_limits<T>::infinity();
    int32_t* ids = aux_.ids.data() + t * n_aux_;
    T* values = aux_.pre.data() + t * n_aux_;
    top->find(ranked, offered_.size(1), n_aux_, ids);
    const T* norms = norms_.defined() ? data(norms_) : nullptr;
    for (int64_t i = 0; i < n_aux_; ++i) {
      T value = offered[ids[i]];
      ids[i] = offered_ids_[static_cast<size_t>(ids[i])];
      if (settings_.auxk.offer == Offer::kRelu) value = std::max(value, T(0));
      values[i] = norms == nullptr ? value : value / norms[ids[i]];
    }
  }

  // d loss / d x^ of level h is scale_[h] times its error, up to the factor 2.
  void set_scales() {
    n_total_ = reduced_over_rows(static_cast<double>(n_rows_));
    at::Tensor mean = y_.mean(0, false, at::kDouble);
    if (situation_.group && !is_sharded()) {
      mean = y_.sum(0, false, at::kDouble) / n_total_;
      reduce(mean);
    }
    total_variance_ =
        reduced_over_rows((y_ - mean.to(y_.scalar_type())).square().sum().template item<double>());
    double scale = 1 / n_total_;
    if (settings_.reconstruction == Reconstruction::kMean) {
      scale *= settings_.reconstruction_scale / static_cast<double>(d_out_);
    } else if (settings_.reconstruction == Reconstruction::kVarianceShare) {
      scale = 1 / total_variance_;
    }
    const double share = settings_.mean_of_levels ? 1.0 / static_cast<double>(n_levels_) : 1;
    for (int64_t h = 0; h < n_levels_; ++h) {
      const auto& weights = settings_.level_weights;
      weights_.push_back(weights.empty() ? share : share * weights[static_cast<size_t>(h)]);
    }
    unweighted_ = scale;
  }

  void reconstruct() {
    set_scales();
    errors_ = at::empty({n_levels_, n_rows_, d_out_}, x_.options());
    squares_.assign(static_cast<size_t>(n_levels_ * n_rows_), 0);
    aux_squares_.assign(static_cast<size_t>(n_rows_), 0);
    slopes_.resize(values_.size());
    const at::Tensor skip = sae_.find("W_skip");
    at::Tensor base = sae_.weight("b_dec");
    if (skip.defined()) base = at::addmm(base, x_, skip.t());
    if (is_sharded()) base = base + sum_of_shards(chosen_, values_);
    const bool by_row = base.dim() == 2;
    each_row([&](int64_t t, int64_t first, int64_t n) {
      const T* start = data(base) + (by_row ? t * d_out_ : 0);
      std::vector<T> last(start, start + d_out_);
      reconstruct_row(t, first, n, &last);
      if (has_aux_) reconstruct_aux(t, last);
    });
  }

  // What the latents of all processes decode to, without the bias [B, d].
  at::Tensor sum_of_shards(const SparseChoice<T>& chosen, const std::vector<T>& values) const {
    const at::Tensor sum = at::zeros({n_rows_, d_out_}, x_.options());
    at::parallel_for(0, n_rows_, 16, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const auto first = chosen.start[static_cast<size_t>(t)];
        const auto n = chosen.start[static_cast<size_t>(t) + 1] - first;
        add_rows({data(decoder_), d_out_, chosen.ids.data() + first, n}, values.data() + first,
                 sum.data_ptr<T>() + t * d_out_);
      }
    });
    reduce(sum);
    return sum;
  }

  // Of each row the entries that are among its k highest over all processes.
  void keep_global_top(SparseChoice<T>* chosen, int64_t k) const {
    const int64_t rank = situation_.group->rank(), size = situation_.group->size();
    const at::Tensor all =
        at::full({n_rows_, size, k}, 0, x_.options());  // Summed: each writes its own part.
    const T* norms = norms_.defined() ? data(norms_) : nullptr;
    const auto score = [&](int64_t i) {
      const T pre = chosen->pre[static_cast<size_t>(i)];
      const T ranked = norms == nullptr ? pre : pre * norms[chosen->ids[static_cast<size_t>(i)]];
      return keeps_sign_ ? std::abs(ranked) : ranked;
    };
    const T nothing = -std::numeric_limits<T>::max();
    for (int64_t t = 0; t < n_rows_; ++t) {
      T* own = all.data_ptr<T>() + (t * size + rank) * k;
      const int64_t first = chosen->start[static_cast<size_t>(t)];
      const int64_t n = chosen->start[static_cast<size_t>(t) + 1] - first;
      for (int64_t i = 0; i < k; ++i) own[i] = i < n ? score(first + i) : nothing;
    }
    reduce(all);
    SparseChoice<T> kept;
    kept.start.push_back(0);
    for (int64_t t = 0; t < n_rows_; ++t) {
      std::vector<T> row(all.data_ptr<T>() + t * size * k, all.data_ptr<T>() + (t + 1) * size * k);
      std::nth_element(row.begin(), row.begin() + (k - 1), row.end(), std::greater<T>());
      const T least = row[static_cast<size_t>(k - 1)];
      for (int64_t i = chosen->start[static_cast<size_t>(t)];
           i < chosen->start[static_cast<size_t>(t) + 1]; ++i) {
        if (score(i) < least) continue;
        kept.ids.push_back(chosen->ids[static_cast<size_t>(i)]);
        kept.pre.push_back(chosen->pre[static_cast<size_t>(i)]);
      }
      kept.start.push_back(static_cast<int64_t>(kept.ids.size()));
    }
    *chosen = std::move(kept);
  }

  T* error(int64_t level, int64_t t) const {
    return errors_.data_ptr<T>() + (level * n_rows_ + t) * d_out_;
  }

  // `sum` begins as what is there without latents and ends as the last level's error.
  void reconstruct_row(int64_t t, int64_t first, int64_t n, std::vector<T>* sum) {
    const int32_t* ids = chosen_.ids.data() + first;
    const T* y = row(y_, t);
    std::vector<int64_t> ends;
    int64_t begin = 0;
    for (int64_t h = 0; h < n_levels_; ++h) {
      const int64_t width = n_levels_ > 1 ? sae_.config.widths[static_cast<size_t>(h)] : n_latents_;
      const int64_t end = std::lower_bound(ids, ids + n, width) - ids;
      if (!is_sharded()) {
        add_rows({data(decoder_), d_out_, ids + begin, end - begin}, values_.data() + first + begin,
                 sum->data());
      }
      ends.push_back(begin = end);
      T* e = error(h, t);
      double square = 0;
      for (int64_t i = 0; i < d_out_; ++i) {
        e[i] = (*sum)[static_cast<size_t>(i)] - y[i];
        square += static_cast<double>(e[i]) * static_cast<double>(e[i]);
      }
      squares_[static_cast<size_t>(h * n_rows_ + t)] = square;
    }
    std::copy(error(n_levels_ - 1, t), error(n_levels_ - 1, t) + d_out_, sum->begin());
    // A latent of level h is in the reconstructions of h and all after it.
    for (int64_t h = n_levels_ - 1; h >= 0; --h) {
      const auto scale = static_cast<T>(2 * unweighted_ * weights_[static_cast<size_t>(h)]);
      T* e = error(h, t);
      const T* next = h + 1 < n_levels_ ? error(h + 1, t) : nullptr;
      for (int64_t i = 0; i < d_out_; ++i) e[i] = scale * e[i] + (next == nullptr ? 0 : next[i]);
      const int64_t from = h == 0 ? 0 : ends[static_cast<size_t>(h - 1)];
      row_dots({data(decoder_), d_out_, ids + from, ends[static_cast<size_t>(h)] - from}, e,
               slopes_.data() + first + from);
    }
  }

  // `last`: x^ - y. The dead reconstruct y - x^.
  void reconstruct_aux(int64_t t, const std::vector<T>& last) {
    T* e = aux_error_.data_ptr<T>() + t * d_out_;
    for (int64_t i = 0; i < d_out_; ++i) {
      e[i] = last[static_cast<size_t>(i)] + (is_sharded() ? e[i] : T(0));
    }
    if (settings_.auxk.bias == AuxKSettings::Bias::kReconstruction) {
      const T* bias = data(sae_.weight("b_dec"));
      for (int64_t i = 0; i < d_out_; ++i) e[i] += bias[i];
    }
    const int64_t first = aux_.start[static_cast<size_t>(t)];
    const int64_t n = aux_.start[static_cast<size_t>(t) + 1] - first;
    const RowChoice<T> rows{data(decoder_), d_out_, aux_.ids.data() + first, n};
    if (!is_sharded()) add_rows(rows, aux_.pre.data() + first, e);
    double square = 0;
    for (int64_t i = 0; i < d_out_; ++i) square += static_cast<double>(e[i]) * e[i];
    aux_squares_[static_cast<size_t>(t)] = square;
    if (settings_.auxk.trains_encoder) row_dots(rows, e, aux_gradients_.data() + first);
  }

  // Of the error of each level, over all rows.
  void sum_squares() {
    for (int64_t h = 0; h < n_levels_; ++h) {
      double sum = 0;
      for (int64_t t = 0; t < n_rows_; ++t) sum += squares_[static_cast<size_t>(h * n_rows_ + t)];
      sums_.push_back(reduced_over_rows(sum));
    }
  }

  void add_term(const std::string& name, double value, double weight) {
    result_.terms.push_back({name, value, weight});
    result_.loss += weight * value;
  }

  void finish_terms() {
    sum_squares();
    for (int64_t h = 0; h < n_levels_; ++h) {
      const bool is_last = h + 1 == n_levels_;
      const std::string name =
          is_last ? "reconstruction"
                  : "level_" + std::to_string(sae_.config.widths[static_cast<size_t>(h)]);
      add_term(name, unweighted_ * sums_[static_cast<size_t>(h)], weights_[static_cast<size_t>(h)]);
    }
    if (settings_.auxk.coefficient > 0) finish_auxk();
    if (is_variational(sae_)) finish_kl();
  }

  void finish_auxk() {
    double sum = 0;
    for (const double square : aux_squares_) sum += square;
    sum = reduced_over_rows(sum);
    const AuxKSettings& how = settings_.auxk;
    const double rows = n_total_;
    double scale = 1 / rows;
    if (how.per == AuxKSettings::Per::kTotalVariance) {
      scale = 1 / total_variance_;
    } else if (how.per == AuxKSettings::Per::kResidualVariance) {
      const double factor = 2 * unweighted_ * weights_.back();
      const at::Tensor mean =
          errors_.select(0, n_levels_ - 1).sum(0).to(at::kDouble) / (factor * rows);
      if (!is_sharded()) reduce(mean);
      const double variance = sums_.back() - rows * mean.square().sum().template item<double>();
      scale = 1 / (rows * (variance / (rows - (how.unbiased ? 1 : 0)) + how.eps));
    }
    if (!std::isfinite(scale)) scale = 0;
    if (how.scaled_by_dead && most_ > 0) {
      scale *= std::min(1.0, static_cast<double>(n_dead_) / static_cast<double>(most_));
    }
    add_term("auxk", has_aux_ ? scale * sum : 0, how.coefficient);
    aux_weight_ = static_cast<T>(2 * scale * how.coefficient);
  }

  bool within(double value, double least, double most) const {
    return value >= least && value <= most;
  }

  // Adds to the slopes of mu and of log sigma^2 of chosen latents.
  void finish_kl() {
    const KlSettings& how = settings_.kl;
    const VariationalSaeConfig& bounds = sae_.config.variational;
    const bool has_variance = samples();
    std::vector<double> by_latent(static_cast<size_t>(n_latents_), 0);
    const double most = how.mean_max > 0 ? how.mean_max : std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < values_.size(); ++i) {
      const double mu = std::min<double>(std::max<double>(chosen_.pre[i], 0), most);
      double kl = 0.5 * mu * mu;
      if (has_variance) {
        const double l = std::clamp<double>(log_var_[i], how.log_var_min, how.log_var_max);
        kl += 0.5 * (std::exp(l) - 1 - l);
      }
      by_latent[static_cast<size_t>(chosen_.ids[i])] += kl;
    }
    if (!is_sharded()) {
      reduce(at::from_blob(by_latent.data(), {n_latents_}, at::kDouble));
    }
    const double rows = n_total_;
    double sum = 0;
    for (const double kl : by_latent) sum += std::max(kl / rows, how.free_nats);
    result_.kl = reduced_over_latents(sum) * how.factor;
    add_term("kl", result_.kl, situation_.kl);
    mu_slopes_.assign(values_.size(), 0);
    log_var_slopes_.assign(has_variance ? values_.size() : 0, 0);
    const double weight = how.factor * situation_.kl / rows;
    for (size_t i = 0; i < values_.size(); ++i) {
      const bool costs = by_latent[static_cast<size_t>(chosen_.ids[i])] / rows > how.free_nats ||
                         how.free_nats == 0;
      const double mu = std::max<double>(chosen_.pre[i], 0);
      if (costs && mu <= most) mu_slopes_[i] = static_cast<T>(weight * mu);
      if (!has_variance) continue;
      const double l = log_var_[i];
      double slope = 0;
      if (costs && within(l, how.log_var_min, how.log_var_max))
        slope = weight * 0.5 * (std::exp(l) - 1);
      if (within(l, bounds.log_var_min, bounds.log_var_max)) {
        slope += 0.5 * static_cast<double>(slopes_[i]) * static_cast<double>(moved_[i]);
      }
      log_var_slopes_[i] = static_cast<T>(slope);
      result_.mean_sigma += std::exp(0.5 * std::clamp(l, bounds.log_var_min, bounds.log_var_max));
    }
    if (has_variance) {
      const double n = reduced(static_cast<double>(values_.size()));
      result_.mean_sigma = reduced(result_.mean_sigma) / std::max(n, 1.0);
    }
  }

  at::Tensor latent_sums(const std::vector<GradientPart<T>>& parts) const {
    const at::Tensor sums = at::zeros({n_latents_}, x_.options());
    T* out = sums.data_ptr<T>();
    for (const GradientPart<T>& part : parts) {
      for (size_t i = 0; i < part.where->ids.size(); ++i)
        out[part.where->ids[i]] += part.factors[i];
    }
    return sums;
  }

  void gradients() {
    const at::TensorOptions like = x_.options();
    const bool has_aux = has_aux_ && settings_.auxk.coefficient > 0;
    // What chosen values and their pre-activations receive.
    std::vector<T> to_pre(values_.size());
    for (size_t i = 0; i < to_pre.size(); ++i) {
      const bool passes = keeps_sign_ || settings_.passes_zeros || chosen_.pre[i] > 0;
      to_pre[i] = passes ? slopes_[i] : T(0);
      if (!mu_slopes_.empty() && chosen_.pre[i] > 0) to_pre[i] += mu_slopes_[i];
    }
    std::vector<GradientPart<T>> decoder = {
        {&chosen_, values_.data(), data(errors_), n_rows_ * d_out_}};
    std::vector<GradientPart<T>> encoder = {{&chosen_, to_pre.data(), data(input_), 0}};
    std::vector<T> aux_values;
    if (has_aux) {
      aux_values = aux_.pre;
      for (size_t i = 0; i < aux_values.size(); ++i) {
        const bool passes = settings_.auxk.offer != Offer::kRelu || aux_values[i] > 0;
        aux_gradients_[i] = passes ? aux_weight_ * aux_gradients_[i] : T(0);
        aux_values[i] *= aux_weight_;
      }
      decoder.push_back({&aux_, aux_values.data(), data(aux_error_), 0});
      if (settings_.auxk.trains_encoder) {
        encoder.push_back({&aux_, aux_gradients_.data(), data(input_), 0});
      }
    }
    auto& found = result_.gradients;
    found["W_dec"] = sum_by_latent(decoder, n_latents_, d_out_, level_, like);
    const at::Tensor by_latent = sum_by_latent(encoder, n_latents_, input_.size(1), {}, like);
    found["W_enc"] = by_latent.t();
    const at::Tensor to_bias = latent_sums(encoder);
    found["b_enc"] = to_bias;
    at::Tensor to_b_dec = errors_.select(0, 0).sum(0);
    if (has_aux && settings_.auxk.bias != AuxKSettings::Bias::kNone) {
      to_b_dec = to_b_dec + aux_weight_ * aux_error_.sum(0);
    }
    at::Tensor through_input = at::mv(encoder_.t(), to_bias);
    if (samples() && sae_.config.variational.variance == Variance::kLearned) {
      const std::vector<GradientPart<T>> variance = {
          {&chosen_, log_var_slopes_.data(), data(input_), 0}};
      found["W_var"] = sum_by_latent(variance, n_latents_, input_.size(1), {}, like).t();
      found["b_var"] = latent_sums(variance);
      through_input = through_input + at::mv(sae_.weight("W_var"), found["b_var"]);
    }
    if (is_sharded()) reduce(through_input);
    if (sae_.config.apply_b_dec_to_input) to_b_dec = to_b_dec - through_input;
    found["b_dec"] = to_b_dec;
    if (sae_.find("W_skip").defined()) found["W_skip"] = at::mm(errors_.select(0, 0).t(), x_);
    if (is_sharded()) return;
    for (auto& [name, gradient] : found) {
      at::Tensor plain = gradient.contiguous();
      if (name == "W_enc" || name == "W_var") plain = gradient.t();  // As it lies in memory.
      reduce(plain);
      if (!gradient.is_contiguous() && name != "W_enc" && name != "W_var") gradient = plain;
    }
  }

  void tell() {
    int64_t n_active = 0;
    double least = std::numeric_limits<double>::infinity(), least_sum = 0;
    for (int64_t t = 0; t < n_rows_; ++t) {
      double of_row = std::numeric_limits<double>::infinity();
      for (int64_t i = chosen_.start[static_cast<size_t>(t)];
           i < chosen_.start[static_cast<size_t>(t) + 1]; ++i) {
        const T value = values_[static_cast<size_t>(i)];
        n_active += value != 0 ? 1 : 0;
        const T norm = norms_.defined() ? data(norms_)[chosen_.ids[static_cast<size_t>(i)]] : T(1);
        if (value > 0) of_row = std::min(of_row, static_cast<double>(value * norm));
      }
      least = std::min(least, of_row);
      least_sum += of_row;
    }
    const bool of_rows = sae_.config.kind == "topk" || sae_.config.kind == "vsae_topk";
    // Sharded, a process sees a part of each row only: no threshold is followed.
    const double found = of_rows ? reduced_over_rows(least_sum) / n_total_ : least;
    result_.least_positive = std::isfinite(found) && !is_sharded() ? found : 0;
    result_.l0 = reduced(static_cast<double>(n_active)) / n_total_;
    result_.explained_variance = 1 - sums_.back() / total_variance_;
    if (situation_.keeps_tensors) keep_tensors();
  }

  void keep_tensors() {
    result_.latents = at::zeros({n_rows_, n_latents_}, x_.options());
    for (int64_t t = 0; t < n_rows_; ++t) {
      T* out = result_.latents.template data_ptr<T>() + t * n_latents_;
      for (int64_t i = chosen_.start[static_cast<size_t>(t)];
           i < chosen_.start[static_cast<size_t>(t) + 1]; ++i) {
        out[chosen_.ids[static_cast<size_t>(i)]] = values_[static_cast<size_t>(i)];
      }
    }
    const double factor = 2 * unweighted_ * weights_.back();
    result_.x_hat = y_ + errors_.select(0, n_levels_ - 1) / factor;
    if (norms_.defined()) result_.latents = result_.latents * norms_;
  }

  const Sae& sae_;
  const SaeTrainingSettings& settings_;
  const SaeBatch& batch_;
  const SaeStepSituation& situation_;
  at::Tensor x_, y_, input_, encoder_, decoder_, norms_;
  int64_t n_rows_, n_latents_, d_out_, n_levels_;
  std::vector<int32_t> level_;

  SparseChoice<T> chosen_;
  bool keeps_sign_ = false;
  std::vector<T> values_, slopes_;  ///< Decoded values; d loss / d value.
  std::vector<T> log_var_, moved_;  ///< log sigma^2, sigma eps
  std::vector<T> mu_slopes_, log_var_slopes_;

  double unweighted_ = 1, total_variance_ = 0, n_total_ = 1;
  std::vector<double> sums_;
  std::vector<double> weights_;  ///< Of levels
  at::Tensor errors_;            ///< [levels, B, d]: d loss / d x^ of all levels from there on
  std::vector<double> squares_;  ///< [levels, B]

  at::Tensor offered_;  ///< [B, who may be dead]
  std::vector<int32_t> offered_ids_;
  int64_t n_dead_ = 0, most_ = 0, n_aux_ = 0;  ///< n_aux_: offered by this process in a row.
  bool has_aux_ = false;
  SparseChoice<T> aux_;
  std::vector<T> aux_gradients_;
  at::Tensor aux_error_;  ///< [B, d]
  std::vector<double> aux_squares_;
  T aux_weight_ = 0;

  SaeGradients result_;
};

bool knows_kl(const Sae& sae, const SaeTrainingSettings& settings) {
  const KlSettings& kl = settings.kl;
  const VariationalSettings& how = settings.variational;
  const bool is_quiet = !how.samples || sae.config.variational.variance == Variance::kNone;
  return sae.config.variational.relu_mu && (how.after_selection || is_quiet) &&
         how.mean_path == 0 && kl.selected_only && kl.prior == KlPrior::kNormal &&
         kl.prior_scale == 1 && kl.variance_log_min < kl.log_var_min;
}

}  // namespace

bool has_sparse_step(const Sae& sae, const SaeTrainingSettings& settings) {
  const std::string& kind = sae.config.kind;
  const bool knows_kind = kind == "topk" || kind == "abstopk" || kind == "batchtopk" ||
                          kind == "matryoshka_batchtopk" || kind == "groupmax" ||
                          (kind == "vsae_topk" && knows_kl(sae, settings));
  return knows_kind && sae.config.n_sources == 1 && sae.config.k > 0 &&
         settings.sparsity.kind == SparsityKind::kNone && settings.multi_topk == 0 &&
         !settings.auxk.each_level && !settings.auxk.reaches_residual && !settings.last_level_only;
}

SaeGradients sparse_gradients(const Sae& sae, const SaeTrainingSettings& settings,
                              const SaeBatch& batch, const SaeStepSituation& situation) {
  const at::NoGradGuard no_grad;
  if (batch.x.scalar_type() == at::kDouble) {
    return SparseStep<double>(sae, settings, batch, situation).run();
  }
  require(batch.x.scalar_type() == at::kFloat, "sae step: expected float32 or float64 activations");
  return SparseStep<float>(sae, settings, batch, situation).run();
}

}  // namespace weir
