#include <filesystem>
#include <fstream>
#include <map>

#include "tests/cli/cli_fixture.h"
#include "tests/cli/saved_tensors.h"
#include "weir/io/sha256.h"

namespace {

TEST_F(Cli, InfoDescribesAModel) {
  const auto json = run_weir("models info " + kGolden + "/models/llama_gqa_tied --json").json();
  EXPECT_EQ(json.at("family"), "llama");
  EXPECT_EQ(json.at("heads"), 6);
  EXPECT_EQ(json.at("kv_heads"), 2);
  EXPECT_EQ(json.at("tied_embedding"), true);
  EXPECT_EQ(json.at("context"), 64);  // max_position_embeddings of its config.json.
  EXPECT_GT(json.at("parameters").get<int64_t>(), 1000);
  EXPECT_EQ(json.at("memory_bytes").get<int64_t>(), json.at("parameters").get<int64_t>() * 4);
}

TEST_F(Cli, AConvertedModelGivesTheSameLogits) {
  const std::string tokens = kLlama + "/expected.safetensors";
  ASSERT_EQ(run_weir("models convert " + kLlama + " " + path("hf") + " --quiet").status, 0);
  ASSERT_EQ(
      run_weir("run " + path("hf") + " --tokens " + tokens + " --save " + path("a.safetensors"))
          .status,
      0);
  ASSERT_EQ(
      run_weir("run " + kLlama + " --tokens " + tokens + " --save " + path("b.safetensors")).status,
      0);
  EXPECT_TRUE(
      at::equal(tensor(path("a.safetensors"), "logits"), tensor(path("b.safetensors"), "logits")));
}

// Matrices are most of a model; the rest of a Llama are its norms' gains, held as float32.
int64_t norm_bytes(const nlohmann::json& info) {
  return (2 * info.at("layers").get<int64_t>() + 1) * info.at("d_model").get<int64_t>() * 4;
}

TEST_F(Cli, InfoCountsEveryMatrixOnceByItsDtype) {
  // Untied, tied (the embedding is also the unembedding), half precision.
  for (const auto& [name, dtype] : std::map<std::string, std::string>{
           {"llama_mha", "F32"}, {"llama_gqa_tied", "F32"}, {"llama_bf16", "BF16"}}) {
    const auto info = run_weir("models info " + kGolden + "/models/" + name + " --json").json();
    const auto& bytes = info.at("matrix_bytes_by_dtype");
    EXPECT_EQ(bytes.size(), 1u) << bytes;
    EXPECT_EQ(bytes.value(dtype, int64_t{0}),
              info.at("memory_bytes").get<int64_t>() - norm_bytes(info))
        << name << bytes;
  }
}

TEST_F(Cli, InfoGivesTheHashOnlyWhenAsked) {
  const std::string line = "models info " + kLlama + " --json";
  EXPECT_FALSE(run_weir(line).json().contains("sha256"));
  EXPECT_EQ(run_weir(line + " --sha256").json().at("sha256"),
            weir::io::sha256_file(kLlama + "/model.safetensors"));
}

TEST_F(Cli, ListAndInfoWriteTheirPagesBesideJson) {
  const std::string home = "WEIR_HOME=" + path("home") + " HF_HOME=" + path("hf");
  std::filesystem::create_directories(path("home/models"));
  const auto empty = run_weir("models list --json --html " + path("list.html"), home);
  EXPECT_EQ(empty.json(), nlohmann::json::array());
  EXPECT_TRUE(std::filesystem::exists(path("list.html")));
  EXPECT_EQ(run_weir("models list --quiet", home).out, "");
  EXPECT_NE(run_weir("models list", home).out.find("models pull"), std::string::npos);

  std::filesystem::copy(kLlama, path("home/models/small"));
  const auto models = run_weir("models list --json", home).json();
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0].at("name"), "small");
  EXPECT_EQ(models[0].at("origin"), "store");
  EXPECT_GT(models[0].at("bytes").get<int64_t>(), 1000);
  EXPECT_EQ(std::filesystem::path(models[0].at("path").get<std::string>()),
            path("home/models/small"));

  const auto info = run_weir("models info small --json --html " + path("info.html"), home);
  EXPECT_EQ(info.json().at("family"), "llama");
  EXPECT_NE(file_text(path("info.html")).find("vocabulary"), std::string::npos);
}

TEST_F(Cli, ConvertWritesTheDtypeAndTheTokenizer) {
  std::filesystem::copy(kLlama, path("whole"));
  std::filesystem::copy(kGolden + "/tokenizers/smollm2", path("whole"));
  const auto run = run_weir("models convert " + path("whole") + " " + path("hf") + " --dtype bf16");
  ASSERT_EQ(run.status, 0) << run.error;
  const auto original = weir::io::read_safetensors(kLlama + "/model.safetensors");
  for (const weir::io::TensorView& view : original.tensors) {
    const at::Tensor rounded = weir::to_tensor(view).to(at::kBFloat16);
    EXPECT_TRUE(at::equal(tensor(path("hf/model.safetensors"), view.name), rounded)) << view.name;
  }
  const std::string text = " 'Hello, wörld 123' --json";
  EXPECT_EQ(run_weir("tokenize " + path("hf") + text).json(),
            run_weir("tokenize " + path("whole") + text).json());
  EXPECT_EQ(file_text(path("hf/chat_template.jinja")),
            file_text(kGolden + "/tokenizers/smollm2/chat_template.jinja"));
  expect_usage_error("models convert " + kLlama + " " + path("no") + " --dtype int3", "bfloat16");
}

TEST_F(Cli, ConvertAsksBeforeItWritesIntoAFolderWithFiles) {
  const std::string convert = "models convert " + kLlama + " " + path("taken") + " --quiet";
  std::filesystem::create_directory(path("taken"));
  std::ofstream(path("taken/notes.txt")) << "mine";
  std::ofstream(path("taken/config.json")) << "old";
  const auto refused = run_weir(convert);
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.error.find("not empty"), std::string::npos) << refused.error;
  EXPECT_EQ(file_text(path("taken/config.json")), "old");
  ASSERT_EQ(run_weir(convert + " --force").status, 0);
  EXPECT_EQ(file_text(path("taken/notes.txt")), "mine");
  EXPECT_EQ(run_weir("models info " + path("taken") + " --json").json().at("family"), "llama");
}

TEST_F(Cli, ConvertSaysInOneLineThatAFileIsNoFolder) {
  std::ofstream(path("file")) << "";
  const auto run = run_weir("models convert " + kLlama + " " + path("file"));
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.error.find("expected a folder or a new name, found a file"), std::string::npos)
      << run.error;
  EXPECT_EQ(run_weir("models convert " + kLlama + " " + path("file/inside")).status, 1);
  EXPECT_TRUE(std::filesystem::is_regular_file(path("file")));
}

}  // namespace
