// Channels planted among random heads of two-layer models, and those of the golden models: the
// detector must find all of them and nothing else.
#include <algorithm>
#include <filesystem>
#include <set>
#include <tuple>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/channels/golden_channels.h"
#include "tests/channels/planted_model.h"
#include "weir/base/error.h"
#include "weir/channels/surprising_links.h"

namespace weir {
namespace {

using testing::Form;
using testing::kForms;
using testing::kHeads;
using testing::Planted;
using testing::PlantedModel;

using Link = std::tuple<CompositionType, int64_t, int64_t, int64_t>;  // writer, its component

/// What must be found, and what may be found: also heads that share a reader's keys or values.
struct Expected {
  std::set<Link> planted, with_siblings;
};

double share(const std::set<Link>& part, const std::set<Link>& of) {
  int64_t n = 0;
  for (const Link& link : of) n += static_cast<int64_t>(part.count(link));
  return of.empty() ? 1 : static_cast<double>(n) / static_cast<double>(of.size());
}

void expect_found(const std::vector<SurprisingLink>& links, const Expected& expected) {
  std::set<Link> found;
  for (const SurprisingLink& link : links) {
    EXPECT_LT(link.writer.layer, link.reader.layer);
    found.insert({link.type, link.writer.head, link.writer_component, link.reader.head});
    EXPECT_NEAR(link.inside, 1, 1e-4);  // Weights of the golden models are float32.
  }
  EXPECT_EQ(found.size(), links.size());
  EXPECT_EQ(share(expected.with_siblings, found), 1) << "precision";
  EXPECT_EQ(share(found, expected.planted), 1) << "recall";
  EXPECT_EQ(found, expected.with_siblings);
}

/// The components by which the links between two heads are read.
std::vector<int64_t> readers_of(const std::vector<SurprisingLink>& links, CompositionType type,
                                int64_t writer, int64_t reader,
                                const std::vector<int64_t>& writer_components) {
  std::set<int64_t> found;
  for (const SurprisingLink& link : links) {
    const bool is_it =
        link.type == type && link.writer.head == writer && link.reader.head == reader &&
        std::count(writer_components.begin(), writer_components.end(), link.writer_component) > 0;
    if (is_it) found.insert(link.reader_components.begin(), link.reader_components.end());
  }
  return {found.begin(), found.end()};
}

Expected expected_of(const PlantedModel& model) {
  Expected expected;
  for (const Planted& c : model.channels) {
    for (const int64_t i : c.writer_components) {
      expected.planted.insert({c.type, c.writer, i, c.reader});
      for (int64_t h = 0; h < kHeads; ++h) {
        const bool reads =
            c.type == CompositionType::kQ ? h == c.reader : model.group(h) == model.group(c.reader);
        if (reads) expected.with_siblings.insert({c.type, c.writer, i, h});
      }
    }
  }
  return expected;
}

/// A few dozen models with some 20 links each: at this rate the chance of one false link in any of
/// them is a few in a hundred.
SurpriseOptions strict() {
  SurpriseOptions options;
  options.rate = 1e-4;
  return options;
}

class PlantedChannels : public ::testing::TestWithParam<std::tuple<Form, int>> {
 protected:
  const Form& form() const { return std::get<0>(GetParam()); }
  int seed() const { return std::get<1>(GetParam()); }
};

TEST_P(PlantedChannels, AreAllFoundAndNothingElse) {
  const PlantedModel model(form(), seed());
  const ModelComponents components =
      model_components(head_source(model.weights, model.config, PlantedModel::options()));
  const auto links = surprising_links(components, model.n_dimensions(), strict());
  expect_found(links, expected_of(model));
  for (const Planted& c : model.channels) {
    EXPECT_EQ(readers_of(links, c.type, c.writer, c.reader, c.writer_components),
              c.reader_components);
  }
}

// Turning queries against keys moves neither what queries nor what keys read.
TEST_P(PlantedChannels, AreFoundAtAnOffset) {
  const PlantedModel model(form(), seed());
  if (!model.config.has_rotary(0)) GTEST_SKIP() << "not rotary";
  const ModelComponents components =
      model_components(head_source_at(model.weights, model.config, 3, PlantedModel::options()));
  expect_found(surprising_links(components, model.n_dimensions(), strict()), expected_of(model));
}

TEST_P(PlantedChannels, NothingIsFoundWhereNothingIsPlanted) {
  const PlantedModel model(form(), seed(), /*n_channels=*/0);
  const ModelComponents components =
      model_components(head_source(model.weights, model.config, PlantedModel::options()));
  EXPECT_TRUE(surprising_links(components, model.n_dimensions(), strict()).empty());
}

INSTANTIATE_TEST_SUITE_P(Forms, PlantedChannels,
                         ::testing::Combine(::testing::ValuesIn(kForms), ::testing::Range(0, 6)),
                         [](const auto& i) {
                           return std::get<0>(i.param).name + "_" +
                                  std::to_string(std::get<1>(i.param));
                         });

// At a loose rate some links are false, and their share is what was allowed.
TEST(SurprisingLinks, KeepsItsRateOfFalseLinks) {
  double false_share = 0, n_false = 0;
  const int n_models = 20;
  SurpriseOptions loose;
  loose.rate = 0.2;
  for (int seed = 100; seed < 100 + n_models; ++seed) {
    const PlantedModel model(kForms[0], seed);
    const auto links = surprising_links(
        model_components(head_source(model.weights, model.config, PlantedModel::options())),
        model.n_dimensions(), loose);
    const Expected expected = expected_of(model);
    double n = 0;
    for (const SurprisingLink& link : links) {
      n += 1 - static_cast<double>(expected.with_siblings.count(
                   {link.type, link.writer.head, link.writer_component, link.reader.head}));
    }
    n_false += n;
    false_share += n / static_cast<double>(links.size()) / n_models;
  }
  EXPECT_GT(n_false, 0);
  EXPECT_LT(false_share, loose.rate);
}

TEST(SurprisingLinks, WantsATypeAndHeedsZ) {
  const PlantedModel model(kForms[0], 1);
  const ModelComponents components =
      model_components(head_source(model.weights, model.config, PlantedModel::options()));
  SurpriseOptions options = strict();
  const auto all = surprising_links(components, model.n_dimensions(), options);
  ASSERT_GT(all.size(), 2U);
  options.min_z = all[1].z;  // the largest come first
  EXPECT_EQ(surprising_links(components, model.n_dimensions(), options).size(), 2U);
  options.types.clear();
  EXPECT_THROW(surprising_links(components, model.n_dimensions(), options), Error);
}

std::vector<std::string> golden_planted() {
  std::vector<std::string> names;
  const auto models = golden_topic("channels") / "models";
  if (!std::filesystem::exists(models)) return names;
  for (const auto& folder : std::filesystem::directory_iterator(models)) {
    if (std::filesystem::exists(folder.path() / "planted.json")) {
      names.push_back(folder.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenChannelsPlanted : public ::testing::TestWithParam<std::string> {};

TEST(GoldenChannelsPlantedFolder, HasCases) { EXPECT_FALSE(golden_planted().empty()); }

TEST_P(GoldenChannelsPlanted, AreAllFoundAndNothingElse) {
  const auto folder = golden_topic("channels") / "models" / GetParam();
  const LanguageModel lm = LanguageModel::load(folder, {at::kDouble});
  const ModelComponents components = model_components(
      head_source(lm.transformer().weights(), lm.config(), PlantedModel::options()));
  const int64_t n = lm.config().d_model - (is_centred(lm.config(), {}) ? 1 : 0);
  const auto links = surprising_links(components, n, strict());
  Expected expected;
  const nlohmann::json notes = io::read_json(folder / "planted.json");
  for (const auto& channel : notes["channels"]) {
    const CompositionType type = composition_type_of(channel["type"].get<std::string>());
    const auto writer = channel["writer"][1].get<int64_t>();
    const auto reader = channel["reader"][1].get<int64_t>();
    const auto components_of = [&](const char* key) {
      return channel[key].get<std::vector<int64_t>>();
    };
    const std::vector<int64_t> written = components_of("writer_components");
    for (const int64_t i : written) {
      expected.planted.insert({type, writer, i, reader});
      expected.with_siblings.insert({type, writer, i, reader});
      if (!channel.contains("siblings_that_read_the_same_subspace")) continue;
      for (const auto& sibling : channel["siblings_that_read_the_same_subspace"]) {
        expected.with_siblings.insert({type, writer, i, sibling[1].get<int64_t>()});
      }
    }
    EXPECT_EQ(readers_of(links, type, writer, reader, written), components_of("reader_components"));
  }
  expect_found(links, expected);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenChannelsPlanted, ::testing::ValuesIn(golden_planted()),
                         [](const auto& i) { return case_name(i.param); });

}  // namespace
}  // namespace weir
