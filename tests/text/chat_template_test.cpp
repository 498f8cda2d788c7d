#include "weir/text/chat_template.h"

#include "tests/io/corruption.h"
#include "tests/io/temporary_folder.h"
#include "tests/text/golden_cases.h"

namespace weir {
namespace {

using io::error_of;

// A tokenizer that has nothing but a template and a BOS token.
Tokenizer with_template(const std::string& text) {
  const io::TemporaryFolder folder;
  folder.write("tokenizer.json", R"({"version": "1.0", "model": {"type": "BPE",
    "vocab": {"<s>": 0, "a": 1}, "merges": []}})");
  folder.write("tokenizer_config.json", R"({"bos_token": "<s>"})");
  folder.write("chat_template.jinja", text);
  return Tokenizer::from_folder(folder.path());
}

std::string rendered(const std::string& text) {
  return apply_chat_template(with_template(text), {{"user", " Hi "}});
}

TEST(ChatTemplate, OfARealModel) {
  const Tokenizer tokenizer = Tokenizer::from_folder(golden_file("smollm2"));
  EXPECT_EQ(apply_chat_template(tokenizer, {{"user", "Hi there"}}),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
            "Face<|im_end|>\n<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(
      apply_chat_template(tokenizer, {{"system", "Be short."}, {"user", "<&'\"日本>"}}, false),
      "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\n<&'\"日本><|im_end|>\n");
}

TEST(ChatTemplate, BlocksAreTrimmedAsHuggingFaceDoes) {
  EXPECT_EQ(rendered("{% for m in messages %}\n    {% if true %}\n{{ m.role }}\n    {% endif %}\n"
                     "{% endfor %}\n"),
            "user\n");
}

TEST(ChatTemplate, VariablesAndPythonMethodsWork) {
  EXPECT_EQ(rendered("{{ bos_token }}{{ messages[0]['content'].strip().upper() }}"), "<s>HI");
  EXPECT_EQ(
      rendered("{{ messages[0].content | trim }}{{ tools is none }}{{ eos_token is defined }}"),
      "HiTrueFalse");
  EXPECT_EQ(rendered("{% for i in [1, 2, 3] %}{% if i == 2 %}{% break %}{% endif %}{{ i }}"
                     "{% endfor %}"),
            "1");
  EXPECT_EQ(rendered("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}"
                     "{% endfor %}{{ ns.n }}"),
            "1");
}

TEST(ChatTemplate, JsonIsWrittenAsPythonWritesIt) {
  EXPECT_EQ(rendered("{{ messages | tojson }}"), R"([{"role": "user", "content": " Hi "}])");
  EXPECT_EQ(rendered("{{ {'b': [1, 2.5], 'a': '<é>'} | tojson(indent=2) }}"),
            "{\n  \"b\": [\n    1,\n    2.5\n  ],\n  \"a\": \"<é>\"\n}");
}

TEST(ChatTemplate, TimeIsOfNow) {
  const std::string year = rendered("{{ strftime_now('%Y') }}");
  EXPECT_EQ(year.size(), 4);
  EXPECT_GE(year, "2024");
}

TEST(ChatTemplate, GenerationMarksKeepTheirWhitespaceControl) {
  EXPECT_EQ(rendered("a {%- generation -%} b {%- endgeneration %}\nc"), "abc");
}

TEST(ChatTemplate, RefusalCarriesItsOwnMessage) {
  std::string message;
  const auto work = [] { rendered("{{ raise_exception('roles must alternate') }}"); };
  EXPECT_EQ(error_of(work, &message), ErrorCode::kInvalidArgument);
  EXPECT_NE(message.find("roles must alternate"), std::string::npos) << message;
}

TEST(ChatTemplate, BrokenAndEndlessTemplatesAreErrors) {
  EXPECT_EQ(error_of([] { rendered("{% if %}"); }), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of([] { rendered("{{ messages.no.such }}"); }), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of([] {
              rendered(
                  "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}"
                  "{% endfor %}");
            }),
            ErrorCode::kCorruptData);
}

TEST(ChatTemplate, TokenizerWithoutOneSaysSo) {
  const Tokenizer tokenizer = Tokenizer::from_llama2c(golden_file("llama2c/tok512.bin"), 512);
  EXPECT_EQ(error_of([&] {
              apply_chat_template(tokenizer, {{"user", "hi"}});
            }),
            ErrorCode::kNotFound);
}

}  // namespace
}  // namespace weir
