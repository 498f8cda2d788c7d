#include "weir/io/json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "corruption.h"
#include "temporary_folder.h"

namespace weir::io {
namespace {

using nlohmann::json;

std::string refusal(const std::string& text) {
  std::string message;
  EXPECT_EQ(error_of([&] { parse_json(text, "a.json"); }, &message), ErrorCode::kCorruptData)
      << text;
  EXPECT_EQ(message.find("a.json: "), 0U) << message;
  return message;
}

std::string nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') +
         std::string(static_cast<size_t>(depth), ']');
}

TEST(Json, ReadsEveryKindOfValue) {
  const json value = parse_json(
      R"( {"a": [1, -2, 2.5, 1e3, true, false, null, "x\u00e9\ud83d\ude00"], "b": {}} )", "t");
  EXPECT_EQ(value, json({{"a", {1, -2, 2.5, 1000.0, true, false, nullptr, "xé😀"}},
                         {"b", json::object()}}));
  EXPECT_EQ(parse_json("3", "t"), json(3));
  EXPECT_EQ(parse_json("[]", "t"), json::array());
}

TEST(Json, KeepsTheWholeRangeOfIntegers) {
  EXPECT_EQ(parse_json("18446744073709551615", "t").get<uint64_t>(), UINT64_MAX);
  EXPECT_EQ(parse_json("-9223372036854775808", "t").get<int64_t>(), INT64_MIN);
  EXPECT_NE(refusal("18446744073709551616").find("does not fit 64 bits"), std::string::npos);
  EXPECT_NE(refusal("[-9223372036854775809]").find("does not fit 64 bits"), std::string::npos);
  refusal("1e999");
}

TEST(Json, RefusesAKeyGivenTwice) {
  EXPECT_NE(refusal(R"({"a": 1, "b": {"c": 1, "c": 2}})").find("'c' is given twice"),
            std::string::npos);
  EXPECT_EQ(parse_json(R"({"a": {"a": 1}})", "t")["a"]["a"], 1);
}

TEST(Json, BoundsTheDepth) {
  EXPECT_NO_THROW(parse_json(nested(kMaxJsonDepth), "t"));
  EXPECT_NE(refusal(nested(kMaxJsonDepth + 1)).find("deeper than 64"), std::string::npos);
  refusal(std::string(1000000, '['));
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  refusal(objects);
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text :
       {"",        " ",      "{",       "[1,]",        "{\"a\":}", "{\"a\" 1}",    "nul",
        "01",      "+1",     ".5",      "NaN",         "Infinity", "'a'",          "[1] 2",
        "// c\n1", "\"\n\"", "\"\\x\"", "\"\\ud800\"", "{1: 2}",   "\xef\xbb\xbf{"}) {
    refusal(text);
  }
  refusal("\"\xff\"");
  refusal("\"\xc0\xaf\"");      // Overlong.
  refusal("\"\xed\xa0\x80\"");  // A surrogate.
  refusal(std::string("[1\0]", 4));
}

TEST(Json, SaysWhere) {
  EXPECT_EQ(
      refusal("{\n  \"a\": 1,\n  \"b\": ?\n}").find("a.json: not valid JSON at line 3, column"),
      0U);
  EXPECT_EQ(refusal("[1, 1e999]").find("a.json: not valid JSON at line 1, column 10"), 0U)
      << refusal("[1, 1e999]");
}

TEST(Json, ReadsFiles) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_json(folder.write("a.json", "{\"a\": 1}"))["a"], 1);
  std::string message;
  EXPECT_EQ(error_of([&] { read_json(folder.write("b.json", "{")); }, &message),
            ErrorCode::kCorruptData);
  EXPECT_NE(message.find("b.json"), std::string::npos);
  EXPECT_EQ(error_of([&] { read_json(folder / "absent.json"); }), ErrorCode::kNotFound);
}

TEST(Json, LooksUpMembersByType) {
  const json object = parse_json(
      R"({"i": 7, "big": 9223372036854775808, "d": 2.5, "whole": 3.0, "b": true, "s": "x", "n": null})",
      "t");
  EXPECT_EQ(get_int(object, "i", 0, 10), 7);
  EXPECT_EQ(get_double(object, "d"), 2.5);
  EXPECT_EQ(get_double(object, "i"), 7.0);
  EXPECT_TRUE(get_bool(object, "b"));
  EXPECT_EQ(get_string(object, "s"), "x");
  EXPECT_FALSE(find_int(object, "n", 0, 1));
  EXPECT_FALSE(find_string(object, "absent"));
}

TEST(Json, RefusesMembersOfAnotherTypeOrRange) {
  const json object = parse_json(
      R"({"i": 7, "big": 9223372036854775808, "d": 2.5, "whole": 3.0, "b": true, "s": "x", "n": null})",
      "t");
  std::string message;
  const auto refused = [&](const std::function<void()>& work) {
    EXPECT_EQ(error_of(work, &message), ErrorCode::kCorruptData);
    return message;
  };
  EXPECT_EQ(refused([&] { get_int(object, "i", 8, 10, "c.json"); }),
            "c.json: key 'i': expected an integer from 8 to 10, found 7");
  EXPECT_EQ(refused([&] { get_int(object, "n", 0, 1, "c.json"); }),
            "c.json: the key 'n' is missing");
  refused([&] { get_int(object, "big", INT64_MIN, INT64_MAX); });
  refused([&] { get_int(object, "whole", 0, 10); });
  refused([&] { get_int(object, "b", 0, 10); });
  refused([&] { get_double(object, "s"); });
  refused([&] { get_bool(object, "i"); });
  refused([&] { get_string(object, "b"); });
  refused([&] { find_int(json::array(), "i", 0, 1); });
}

TEST(Json, WritesWhatItReads) {
  const std::string text = R"({"a":[1,2.5,null,"é"],"b":{"c":true}})";
  EXPECT_EQ(dump_json(parse_json(text, "t")), text);
  EXPECT_EQ(dump_json(json{{"a", 1}}, 2), "{\n  \"a\": 1\n}");
  nlohmann::ordered_json ordered;
  ordered["z"] = 1;
  ordered["a"] = 2;
  EXPECT_EQ(dump_json(ordered), R"({"z":1,"a":2})");
}

TEST(Json, WritesBrokenUtf8AsReplacementCharacters) {
  EXPECT_EQ(dump_json(json("a\xff"
                           "b")),
            "\"a\xef\xbf\xbd"
            "b\"");
}

TEST(Json, DoesNotWriteWhatItWouldNotRead) {
  json deep = json::array();
  for (int i = 0; i < kMaxJsonDepth; ++i) deep = json::array({std::move(deep)});
  EXPECT_EQ(error_of([&] { dump_json(deep); }), ErrorCode::kInvalidArgument);
  EXPECT_NO_THROW(dump_json(deep[0]));
}

TEST(Json, SurvivesEveryCutAndEveryDamagedByte) {
  const std::string valid = R"({"a": [1, -2.5e3, "x\u00e9é"], "b": {"c": null, "d": [[], {}]}})";
  const auto parse = [](auto file) { parse_json(file->bytes(), file->path()); };
  expect_survives_damage(parse, valid, valid.size());
  expect_survives_flips(parse, valid, 5000);
}

}  // namespace
}  // namespace weir::io
