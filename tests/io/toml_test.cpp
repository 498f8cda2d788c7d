#include "weir/io/toml.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"

namespace weir::io {
namespace {

TEST(Toml, BecomesATreeAndBack) {
  const nlohmann::json tree = parse_toml(
      "# a comment\nsteps = 20\n[optimizer]\nrate = 1e-3\nbetas = [0.9, 0.95]\nkind = 'adamw'\n"
      "[model.config]\ntie = true\n\"odd key\" = \"line\\nend\"\n",
      "test");
  EXPECT_EQ(tree["steps"], 20);
  EXPECT_EQ(tree["optimizer"]["rate"], 1e-3);
  EXPECT_EQ(tree["model"]["config"]["odd key"], "line\nend");
  EXPECT_EQ(parse_toml(dump_toml(tree), "again"), tree);
  EXPECT_EQ(parse_toml(dump_toml({{"list", {{{"a", 1}}, {{"a", 2}}}}}), "tables in a list"),
            nlohmann::json::parse(R"({"list": [{"a": 1}, {"a": 2}]})"));
}

TEST(Toml, TakesLettersOfAnyAlphabetInTextsAndComments) {
  const auto tree = parse_toml(
      "# \xc3\xbc\na = \"\\\"\xc3\xbc\"\nb = '''\xc3\xbc\n\xc3\xbc''' # \xc3\xbc", "test");
  EXPECT_EQ(tree["a"], "\"\xc3\xbc");
  EXPECT_EQ(tree["b"], "\xc3\xbc\n\xc3\xbc");
  EXPECT_THROW(parse_toml("[\n", "no name"), Error);
}

// toml++ 3.3 reads quotes within a broken number as part of it: what follows is outside of quotes.
TEST(Toml, RefusesLettersWhereverABrokenTextPutsThem) {
  const std::string quotes(9, '\'');
  EXPECT_THROW(parse_toml("a = [1e-3\x1ft" + quotes + "x\xcf\x9f\n", "broken"), Error);
  for (const char* letter : {"\xc3\xbc", "\xcf\x9f", "\xe6\x9d\xb1", "\xf0\x9f\x98\x80"}) {
    EXPECT_THROW(parse_toml(std::string("a = [") + letter + "]", "value"), Error) << letter;
    EXPECT_THROW(parse_toml(std::string(letter) + " = 1", "key"), Error) << letter;
  }
}

TEST(Toml, SaysWhereItIsWrong) {
  for (const char* wrong :
       {"a = ", "a = 1\na = 2", "[t", "when = 1979-05-27", "a = 1\n\xc3\xbc = 2"}) {
    try {
      parse_toml(wrong, "recipe.toml");
      ADD_FAILURE() << wrong;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
      EXPECT_NE(std::string(error.what()).find("recipe.toml: line "), std::string::npos)
          << error.what();
    }
  }
}

}  // namespace
}  // namespace weir::io
