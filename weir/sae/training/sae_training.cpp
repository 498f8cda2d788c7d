#include "weir/sae/training/sae_training.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/sae/training/initial_sae.h"
#include "weir/train/run_options.h"
#include "weir/train/state_file.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr const char* kState = "training.safetensors";
constexpr double kReferenceWidth = 16384;  // At which a scaled rate is the recipe's.

double scale_of(const std::string& how, const data::ActivationStatistics& of,
                const std::string& key) {
  if (how == "none") return 1;
  if (how == "mean_square") return 1 / of.norm_factor();
  if (how == "mean_norm") return of.norm_scale();
  fail(ErrorCode::kInvalidArgument,
       "{}: expected none, mean_square (of ||x||: 1) or mean_norm (sqrt d), found \"{}\"", key,
       how);
}

}  // namespace

SaeTraining::SaeTraining(Recipe& recipe, std::unique_ptr<data::ActivationSource> source,
                         const Origin& origin, SaveSae save, std::shared_ptr<ProcessGroup> group)
    : source_(std::move(source)),
      save_(std::move(save)),
      group_(std::move(group)),
      run_(run_options(recipe)),
      batch_(recipe.integer("train.batch", 2048, 1)),
      alive_window_(recipe.integer("run.alive_window", 100000, 1)),
      default_site_(recipe.text("data.site", source_->sites().front().name)) {
  run_.loss_unit = "loss";
  const int64_t n_held_out = recipe.integer("run.validation_rows", 8192);
  if (n_held_out > 0) held_out_ = source_->next(n_held_out);
  const std::vector<std::string> tables = recipe.tables_in("sae");
  require(!tables.empty(), "{}: expected a table [sae.NAME] for each dictionary, found none",
          recipe.name());
  for (const std::string& name : tables) add(recipe, name, origin);
}

void SaeTraining::add(Recipe& recipe, const std::string& name, const Origin& origin) {
  const std::string prefix = "sae." + name;
  SaeTrainingPlan plan = read_training_plan(recipe, prefix);
  SaeConfig& config = plan.config;
  const std::string site = recipe.text(prefix + ".site", default_site_);
  const std::string site_out = recipe.text(prefix + ".site_out", site);
  Place place;
  place.in = static_cast<size_t>(source_->index_of(site));
  place.out = static_cast<size_t>(source_->index_of(site_out));
  config.d_in = source_->sites()[place.in].width;
  config.d_out = source_->sites()[place.out].width;
  if (config.d_sae == 0) config.d_sae = 8 * config.d_in;
  config.hook = site;
  config.hook_out = site_out == site ? "" : site_out;
  config.model = origin.model;
  config.context_size = origin.context_size;
  config.prepend_bos = origin.prepend_bos;
  place.scale = scale_of(recipe.text(prefix + ".normalise", "none"),
                         source_->statistics()[place.in], prefix + ".normalise");
  config.scale = place.scale;
  place.rate = recipe.number(prefix + ".rate", 1);
  if (recipe.flag(prefix + ".scales_rate", false)) {
    place.rate *= std::sqrt(kReferenceWidth / static_cast<double>(config.d_sae));
  }
  InitialSaeOptions start;
  start.decoder_norm = recipe.number(prefix + ".start.decoder_norm", start.decoder_norm);
  start.encoder_factor = recipe.number(prefix + ".start.encoder_factor", start.encoder_factor);
  start.threshold = recipe.number(prefix + ".start.threshold", start.threshold);
  start.log_var = recipe.number(prefix + ".start.log_var", start.log_var, -1e30);
  start.seed = static_cast<uint64_t>(recipe.integer(prefix + ".seed", 0));
  SaeTrainerOptions options;
  options.seed = start.seed;
  options.group = group_;
  names_.push_back(name);
  places_.push_back(place);
  trainers_.push_back(
      std::make_unique<SaeTrainer>(initial_sae(config, start), plan.settings, options));
}

SaeBatch SaeTraining::batch_of(const data::ActivationBatch& batch, size_t i) const {
  const Place& place = places_[i];
  const auto scaled = [&](size_t site) {
    const at::Tensor& rows = batch.activations[site];
    return place.scale == 1 ? rows : rows * place.scale;
  };
  SaeBatch result;
  result.x = scaled(place.in);
  if (place.out != place.in) result.y = scaled(place.out);
  return result;
}

double SaeTraining::alive(size_t i) const {
  const SaeTrainer& trainer = *trainers_[i];
  const bool by_tokens = trainer.settings().dead.count == DeadSettings::Count::kTokens;
  const double tokens = by_tokens ? 1 : static_cast<double>(batch_ * (group_ ? group_->size() : 1));
  const at::Tensor recent =
      trainer.dead().since_fired() * tokens < static_cast<double>(alive_window_);
  return recent.to(at::kDouble).mean().item<double>();
}

Trainee::Update SaeTraining::update(int64_t step, double rate) {
  const int64_t rank = group_ ? group_->rank() : 0, size = group_ ? group_->size() : 1;
  data::ActivationBatch batch = source_->next(size * batch_);
  require(batch.size() == size * batch_, "sae training: the activations end after {} updates",
          step);
  Update sums;
  sums.n_units = batch.size();
  for (at::Tensor& rows : batch.activations) rows = rows.narrow(0, rank * batch_, batch_);
  figures_.clear();
  const auto n = static_cast<double>(trainers_.size());
  for (size_t i = 0; i < trainers_.size(); ++i) {
    const SaeStep done = trainers_[i]->step(batch_of(batch, i), step, rate * places_[i].rate);
    sums.loss += done.found.loss / n;
    sums.gradient_norm += done.gradient_norm / n;
    const auto add_figure = [&](const char* figure, double value) {
      figures_.emplace_back(names_[i] + "/" + figure, value);
    };
    add_figure("loss", done.found.loss);
    add_figure("explained variance", done.found.explained_variance);
    add_figure("L0", done.found.l0);
    add_figure("alive", alive(i));
    if (done.found.kl > 0) {
      add_figure("KL", done.found.kl);
      add_figure("sigma", done.found.mean_sigma);
    }
  }
  return sums;
}

std::vector<HeldOutFigures> SaeTraining::held_out() const {
  const at::NoGradGuard no_grad;
  std::vector<HeldOutFigures> found;
  for (size_t i = 0; i < trainers_.size() && held_out_.size() > 0; ++i) {
    Sae sae = trainers_[i]->sae();
    sae.config.scale = 1;  // batch_of has done it.
    const SaeBatch batch = batch_of(held_out_, i);
    const at::Tensor y = batch.y.defined() ? batch.y : batch.x;
    double error = 0, n_active = 0;
    for (int64_t first = 0; first < y.size(0); first += batch_) {
      const int64_t n = std::min(batch_, y.size(0) - first);
      const SparseLatents latents = encode_sparse(sae, batch.x.narrow(0, first, n));
      const at::Tensor x_hat =
          decode(sae, latents, read_sae_input(sae, batch.x.narrow(0, first, n)));
      error += (y.narrow(0, first, n) - x_hat).square().sum().item<double>();
      n_active += static_cast<double>((latents.values != 0).sum().item<int64_t>());
    }
    const double total = (y - y.mean(0)).square().sum().item<double>();
    found.push_back(
        {names_[i], 1 - error / total, n_active / static_cast<double>(y.size(0)), alive(i)});
  }
  return found;
}

double SaeTraining::validate() {
  double sum = 0;
  const std::vector<HeldOutFigures> all = held_out();
  for (const HeldOutFigures& of : all) sum += 1 - of.explained_variance;
  return all.empty() ? NAN : sum / static_cast<double>(all.size());
}

void SaeTraining::save(const fs::path& folder) const {
  TrainingState state;
  state.texts["source"] = source_->state();
  for (size_t i = 0; i < trainers_.size(); ++i) {
    for (const auto& [name, tensor] : trainers_[i]->state()) {
      state.tensors[names_[i] + "/" + name] = tensor;
    }
    if (save_) save_(trainers_[i]->sae(), folder / names_[i]);
  }
  save_state(state, folder / kState);
}

void SaeTraining::load(const fs::path& folder) {
  const TrainingState state = read_state(folder / kState);
  for (size_t i = 0; i < trainers_.size(); ++i) {
    std::map<std::string, at::Tensor> own;
    const std::string prefix = names_[i] + "/";
    for (const auto& [name, tensor] : state.tensors) {
      if (name.rfind(prefix, 0) == 0) own[name.substr(prefix.size())] = tensor;
    }
    trainers_[i]->load_state(own);
  }
  source_->restore(state.texts.at("source"));
}

void SaeTraining::strip(const fs::path& folder) const {
  std::error_code ignored;
  fs::remove(folder / kState, ignored);
}

}  // namespace weir
