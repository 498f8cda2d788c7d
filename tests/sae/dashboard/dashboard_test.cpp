#include "weir/sae/dashboard/dashboard.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <zlib.h>

#include "tests/sae/harvest/made_corpus.h"
#include "weir/sae/dashboard/latent_cache.h"
#include "weir/sae/dashboard/neuronpedia.h"
#include "weir/sae/harvest/harvester.h"

namespace weir {
namespace {

using nlohmann::json;
using testing::golden_model;
using testing::made_rows;

std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

// Lines of a .jsonl.gz.
std::vector<json> unpacked_lines(const std::filesystem::path& file) {
  std::string text(size_t{1} << 22, '\0');
  gzFile packed = gzopen(file.c_str(), "rb");
  const int n = gzread(packed, text.data(), static_cast<unsigned>(text.size()));
  gzclose(packed);
  text.resize(static_cast<size_t>(std::max(0, n)));
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

class Dashboard : public ::testing::Test {
 protected:
  Dashboard() : lm_(golden_model("gpt2")), rows_(made_rows(lm_, {12})) {
    at::manual_seed(4);
    const int64_t d = lm_.config().d_model;
    sae_.config.kind = "topk";
    sae_.config.d_in = sae_.config.d_out = d;
    sae_.config.d_sae = 24;
    sae_.config.k = 3;
    sae_.config.hook = "blocks.1.hook_resid_post";
    sae_.weights = {{"W_enc", at::randn({d, 24})},
                    {"b_enc", at::zeros({24})},
                    {"W_dec", at::randn({24, d})},
                    {"b_dec", at::zeros({d})}};
    // One that never fires.
    sae_.weights["b_enc"][7] = -1e6;
    options_.names = {sae_.config.hook};
  }

  LatentEvents collect() {
    Harvester harvester(lm_, rows_, options_);
    return collect_latents(
        sae_,
        [&]() -> data::ActivationBlock {
          const int64_t left = rows_.n_rows() - harvester.n_contexts();
          return left > 0 ? harvester.next(std::min<int64_t>(left, 4)) : data::ActivationBlock();
        },
        0, 12, rows_.n_rows() * 12);
  }

  LanguageModel lm_;
  data::TokenRows rows_;
  Sae sae_;
  HarvestOptions options_;
};

TEST_F(Dashboard, OnePassFindsWhatTheEncoderSays) {
  const LatentEvents events = collect();
  Harvester harvester(lm_, rows_, options_);
  const data::ActivationBlock block = harvester.next(rows_.n_rows());
  const at::Tensor latents = encode(sae_, block.rows.activations[0]);
  EXPECT_EQ(events.n_contexts(), rows_.n_rows());
  ASSERT_EQ(events.n_rows(), latents.size(0));
  EXPECT_EQ(events.n_events(), latents.count_nonzero().item<int64_t>());
  EXPECT_EQ(events.dropped().n_kept(), events.n_rows());
  for (int64_t row = 0; row < events.n_rows(); ++row) {
    const auto [context, position] = events.place(row);
    EXPECT_EQ(context, block.rows.contexts[row].item<int64_t>());
    EXPECT_EQ(events.token(context, position), block.rows.tokens[row].item<int64_t>());
    for (const auto& event : events.of_row(row)) {
      // Batches of other sizes: sums in another order.
      EXPECT_NEAR(event.value, latents[row][event.latent].item<float>(), 1e-3);
    }
  }
}

TEST_F(Dashboard, WritesAPageForEveryLatent) {
  const LatentEvents events = collect();
  const std::vector<LatentView> views = view_latents(lm_, sae_, events);
  const auto folder = testing::fresh_folder("dashboard");
  write_dashboard(lm_, events, views, {"A dictionary", {}}, folder);
  write_latent_lines(lm_, views, folder / "latents.jsonl");
  EXPECT_TRUE(std::filesystem::exists(folder / "index.html"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "pages"), {}), 24);
  const std::string page = text_of(folder / "pages/000003.html");
  EXPECT_NE(page.find("Latent 3"), std::string::npos);
  EXPECT_NE(page.find("Where it is strongest"), std::string::npos);
  EXPECT_NE(page.find("What it promotes"), std::string::npos);
  const std::string dead = text_of(folder / "pages/000007.html");
  EXPECT_NE(dead.find("Never fired"), std::string::npos);
  EXPECT_EQ(dead.find("Where it is strongest"), std::string::npos);
  std::istringstream lines(text_of(folder / "latents.jsonl"));
  int64_t n = 0, n_fired = 0;
  for (std::string line; std::getline(lines, line); ++n) {
    const json latent = json::parse(line);
    EXPECT_EQ(latent["latent"], n);
    n_fired += latent["fired"].get<int64_t>();
  }
  EXPECT_EQ(n, 24);
  EXPECT_EQ(n_fired, events.n_events());
}

TEST_F(Dashboard, GivesDelphiEveryFiring) {
  const LatentEvents events = collect();
  const LatentCache cache = latent_cache(events);
  const auto folder = testing::fresh_folder("delphi");
  write_delphi_cache(cache, folder, {"tiny", "made"}, 3);
  const LatentCache back = read_delphi_cache(folder);
  EXPECT_EQ(back.d_sae, 24);
  EXPECT_TRUE(back.tokens.equal(cache.tokens));
  EXPECT_EQ(cache.locations.size(0), events.n_events());
  // As one dense table of [context, position, latent]; halves have 11 bits.
  const auto dense = [&](const LatentCache& from) {
    at::Tensor table = at::zeros({events.n_contexts() * 12 * 24});
    const at::Tensor place = (from.locations.select(1, 0) * 12 + from.locations.select(1, 1)) * 24 +
                             from.locations.select(1, 2);
    return table.index_put_({place}, from.activations.to(at::kFloat));
  };
  EXPECT_TRUE(at::allclose(dense(back), dense(cache), 1e-3, 1e-4));
  const auto [context, position] = events.place(5);
  for (const auto& event : events.of_row(5)) {
    EXPECT_EQ(dense(cache)[(context * 12 + position) * 24 + event.latent].item<float>(),
              event.value);
  }
}

TEST_F(Dashboard, WritesWhatNeuronpediaTakes) {
  const LatentEvents events = collect();
  const std::vector<LatentView> views = view_latents(lm_, sae_, events);
  const auto folder = testing::fresh_folder("neuronpedia");
  NeuronpediaOptions options;
  options.model_id = "tiny";
  options.layer = 1;
  options.source_set = "res-24";
  options.hook = sae_.config.hook;
  options.dataset = "made";
  options.created_at = "2026-01-01T00:00:00Z";
  options.batch = 10;
  options.vectors = true;
  write_neuronpedia(lm_, sae_, events, views, options, folder);
  const json batch = json::parse(text_of(folder / "batch-0.json"));
  EXPECT_EQ(batch["model_id"], "tiny");
  json dead = json::array();
  for (const LatentView& view : views) {
    if (view.facts.n_fired == 0) dead.push_back(view.facts.latent);
  }
  const auto n_dead = std::count_if(dead.begin(), dead.end(), [](const json& i) { return i < 10; });
  EXPECT_GE(n_dead, 1);
  EXPECT_EQ(batch["features"].size(), static_cast<size_t>(10 - n_dead));
  for (const json& feature : batch["features"]) {
    const LatentFacts& facts = views[feature["feature_index"].get<size_t>()].facts;
    EXPECT_EQ(feature["frac_nonzero"], facts.density);
    EXPECT_EQ(feature["pos_str"].size(), feature["pos_values"].size());
    EXPECT_EQ(feature["freq_hist_data_bar_heights"].size(),
              feature["freq_hist_data_bar_values"].size());
    EXPECT_EQ(feature["activations"][0]["bin_min"], -1);
    for (const json& activation : feature["activations"]) {
      ASSERT_EQ(activation["tokens"].size(), activation["values"].size());
      const size_t at = activation["qualifying_token_index"];
      EXPECT_NE(activation["values"][at].get<double>(), 0);
    }
  }
  EXPECT_EQ(json::parse(text_of(folder / "skipped_indexes.json"))["skipped_indexes"], dead);
  const auto exported = folder / "export/tiny/1-res-24";
  const auto features = unpacked_lines(exported / "features/batch-2.jsonl.gz");
  ASSERT_EQ(features.size(), 4U);
  EXPECT_EQ(features[1]["index"], "21");
  EXPECT_EQ(features[1]["layer"], "1-res-24");
  EXPECT_EQ(features[1]["vector"].size(), static_cast<size_t>(lm_.config().d_model));
  EXPECT_NEAR(features[1]["vector"][2].get<double>(), sae_.weights["W_dec"][21][2].item<double>(),
              1e-6);
  for (const json& row : unpacked_lines(exported / "activations/batch-0.jsonl.gz")) {
    const size_t at = row["maxValueTokenIndex"];
    EXPECT_EQ(row["values"][at], row["maxValue"]);
    EXPECT_EQ(row["tokens"].size(), row["values"].size());
  }
  for (const char* file : {"release", "model", "sourceset", "source"}) {
    EXPECT_TRUE(json::accept(text_of(exported / (std::string(file) + ".jsonl")))) << file;
  }
}

}  // namespace
}  // namespace weir
