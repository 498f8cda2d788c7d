#include <filesystem>

#include "tests/cli/cli_fixture.h"

namespace {

TEST_F(Cli, InspectReadsEveryFormat) {
  const auto format = [](const std::string& file) {
    const auto run = run_weir("inspect " + file + " --json");
    EXPECT_EQ(run.status, 0) << run.error;
    EXPECT_FALSE(run.json().at("tensors").empty()) << file;
    return run.json().at("format").get<std::string>();
  };
  EXPECT_EQ(format(kLlama + "/model.safetensors"), "safetensors");
  EXPECT_EQ(format(kGolden + "/models/gpt2_sharded/model.safetensors.index.json"),
            "safetensors, sharded");
  EXPECT_EQ(format(kGolden + "/gguf/tiny.gguf"), "GGUF v3");
  EXPECT_EQ(format(kStories), "llama2.c");
  EXPECT_EQ(format(kGolden + "/torch/state_dict.pt"), "PyTorch archive");
  EXPECT_EQ(format(kGolden + "/torch_models/whole/pytorch_model.bin"), "PyTorch archive");
  EXPECT_EQ(format(kGolden + "/torch/pytorch_model.bin.index.json"), "PyTorch archives, sharded");
  EXPECT_EQ(format(kGolden + "/npy/stored.npz"), "npz");
  EXPECT_EQ(format(kGolden + "/npy/version1.npy"), "npy");
}

TEST_F(Cli, InspectRefusesPyTorchsOldFormatByName) {
  // The golden file was saved by PyTorch itself; its usual name is also that of llama2.c's files.
  std::filesystem::copy(kGolden + "/torch/legacy.pt", path("pytorch_model.bin"));
  for (const std::string& file :
       {path("pytorch_model.bin"), write("short.bin", std::string("\x80\x02\x8a\x0a", 4))}) {
    const auto run = run_weir("inspect " + file);
    EXPECT_EQ(run.status, 1);
    EXPECT_EQ(count_lines(run.error), 1) << run.error;
    EXPECT_NE(run.error.find("before 1.6"), std::string::npos) << run.error;
  }
}

TEST_F(Cli, InspectGivesTheSameJsonWhateverElseIsWritten) {
  const std::string line = "inspect " + kLlama + "/model.safetensors --json";
  EXPECT_EQ(run_weir(line + " --csv " + path("csv")).out, run_weir(line).out);
  EXPECT_FALSE(std::filesystem::is_empty(path("csv")));
}

}  // namespace
