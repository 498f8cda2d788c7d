#include "weir/train/recipe.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/toml.h"

namespace weir {
namespace {

Recipe recipe(const std::string& toml) {
  return Recipe(io::parse_toml(toml, "test"), "/recipes", "test.toml");
}

std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return "";
}

TEST(Recipe, ReadsKeysAndSaysWhatItUsed) {
  Recipe of =
      recipe("steps = 3\n[optimizer]\nrate = 1\nbetas = [0.8, 0.9]\n[data]\ntext = 'a.txt'");
  of.set("optimizer.rate=2e-3");
  of.set("data.more=[\"b.txt\", \"c.txt\"]");
  of.set("name=plain words");
  EXPECT_EQ(of.integer("steps", 10), 3);
  EXPECT_EQ(of.number("optimizer.rate", 1), 2e-3);
  EXPECT_EQ(of.number("optimizer.eps", 1e-8), 1e-8);
  EXPECT_EQ(of.numbers("optimizer.betas", {}), (std::vector<double>{0.8, 0.9}));
  EXPECT_EQ(of.text("name", ""), "plain words");
  EXPECT_EQ(of.paths("data.text").at(0), "/recipes/a.txt");
  EXPECT_EQ(of.paths("data.more").at(1), std::filesystem::absolute("c.txt"));
  EXPECT_FALSE(of.flag("optimizer.amsgrad", false));
  of.finish();
  Recipe again = recipe(of.merged());
  EXPECT_EQ(again.number("optimizer.eps", 0), 1e-8);
  EXPECT_EQ(again.paths("data.text").at(0), "/recipes/a.txt");
}

TEST(Recipe, RefusesWhatItDoesNotKnowOrCannotBe) {
  Recipe of = recipe("[optimizer]\nrats = 1\nbeta = 2.0\n");
  of.number("optimizer.rate", 1);
  EXPECT_NE(refusal([&] { of.number("optimizer.beta", 0.9, 0, 1); }).find("from 0 to 1, found 2"),
            std::string::npos);
  EXPECT_NE(refusal([&] { of.integer("optimizer.beta", 1); }).find("whole number"),
            std::string::npos);
  EXPECT_NE(refusal([&] { of.text("optimizer.beta", ""); }).find("a text"), std::string::npos);
  const std::string unknown = refusal([&] { of.finish(); });
  EXPECT_NE(unknown.find("'optimizer.beta'"), std::string::npos) << unknown;
  of.number("optimizer.beta", 1);
  EXPECT_NE(refusal([&] { of.finish(); }).find("did you mean optimizer.rate"), std::string::npos);
  EXPECT_THROW(of.set("no assignment"), Error);
  EXPECT_THROW(of.set("optimizer.rats.deeper=1"), Error);
}

}  // namespace
}  // namespace weir
