#include "weir/store/file_choice.h"

#include <gmock/gmock.h>

#include "tests/store/store_fixture.h"

namespace weir::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> chosen(const std::string& model, const std::vector<std::string>& names) {
  std::vector<RemoteFile> files;
  for (const std::string& name : names) files.push_back({name, {}});
  std::vector<std::string> result;
  for (const RemoteFile& file : choose_files(*parse_model_name(model), files)) {
    result.push_back(file.name);
  }
  return result;
}

TEST(FileChoice, TakesDescriptionTokenizerAndSafetensors) {
  EXPECT_THAT(chosen("o/m", {".gitattributes", "README.md", "config.json", "generation_config.json",
                             "merges.txt", "model.safetensors", "onnx/model.onnx",
                             "pytorch_model.bin", "tf_model.h5", "tokenizer.json",
                             "tokenizer_config.json", "vocab.json", "special_tokens_map.json",
                             "chat_template.jinja", "chat_template.json", "training_args.bin"}),
              ElementsAre("config.json", "generation_config.json", "merges.txt", "tokenizer.json",
                          "tokenizer_config.json", "vocab.json", "special_tokens_map.json",
                          "chat_template.jinja", "model.safetensors"));
}

TEST(FileChoice, TakesShardsWithTheirIndexAndNoOtherForm) {
  EXPECT_THAT(
      chosen("o/m", {"config.json", "consolidated.safetensors", "model-00001-of-00002.safetensors",
                     "model-00002-of-00002.safetensors", "model.safetensors.index.json",
                     "original/model.safetensors", "model.fp16.safetensors"}),
      ElementsAre("config.json", "model-00001-of-00002.safetensors",
                  "model-00002-of-00002.safetensors", "model.safetensors.index.json"));
}

TEST(FileChoice, FallsBackToPytorchFiles) {
  EXPECT_THAT(chosen("o/m", {"config.json", "pytorch_model-00001-of-00001.bin",
                             "pytorch_model.bin.index.json", "flax_model.msgpack"}),
              ElementsAre("config.json", "pytorch_model-00001-of-00001.bin",
                          "pytorch_model.bin.index.json"));
}

TEST(FileChoice, TakesTheOnlyGguf) {
  EXPECT_THAT(chosen("o/m", {"README.md", "m.Q4_0.gguf"}), ElementsAre("m.Q4_0.gguf"));
}

TEST(FileChoice, AsksWhichOfSeveralGguf) {
  const Error error = error_of([] { chosen("o/m", {"m.Q4_0.gguf", "m.Q8_0.gguf"}); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.what(), HasSubstr("o/m:FILE: m.Q4_0.gguf, m.Q8_0.gguf"));
  EXPECT_THAT(chosen("o/m:m.Q8_0.gguf", {"config.json", "m.Q4_0.gguf", "m.Q8_0.gguf"}),
              ElementsAre("m.Q8_0.gguf"));
}

TEST(FileChoice, TakesANamedBinWithItsTokenizer) {
  EXPECT_THAT(chosen("o/m:stories15M.bin", {"stories15M.bin", "stories42M.bin", "tokenizer.model"}),
              ElementsAre("tokenizer.model", "stories15M.bin"));
}

TEST(FileChoice, NamesTheNearestFile) {
  const Error error = error_of([] { chosen("o/m:m.Q8.gguf", {"m.Q4_0.gguf", "m.Q8_0.gguf"}); });
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_THAT(error.what(), HasSubstr("did you mean m.Q8_0.gguf"));
}

TEST(FileChoice, RefusesARepositoryWithoutWeights) {
  EXPECT_EQ(error_of([] {
              chosen("o/m", {"config.json", "model.onnx"});
            }).code(),
            ErrorCode::kUnsupported);
  EXPECT_EQ(error_of([] { chosen("o/m:config.json", {"config.json"}); }).code(),
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir::store
