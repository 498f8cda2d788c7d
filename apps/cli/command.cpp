#include "apps/cli/command.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/parallel.h"
#include "weir/base/version.h"
#include "weir/io/json.h"
#include "weir/store/model_store.h"
#include "weir/tensor/convert.h"
#include "weir/tensor/threads.h"

namespace weir::cli {
namespace {

std::string& stored_command_line() {
  static std::string line;  // Set once, before any verb runs.
  return line;
}

void check_device(const std::string& name) {
  const bool has_number = name.rfind("cuda:", 0) == 0 && name.size() > 5 && name.size() < 9 &&
                          name.find_first_not_of("0123456789", 5) == std::string::npos;
  require_usage(name == "cpu" || name == "cuda" || has_number,
                fmt::format("expected cpu or cuda:N, found '{}'", name));
}

at::Device device_of(const std::string& name) {
  require(name == "cpu" || at::hasCUDA(),
          "--device: '{}' needs a LibTorch built with CUDA and a GPU; "
          "this one has none, use cpu",
          name);
  return at::Device(name);
}

std::string read_stream(std::istream& stream, const std::string& name) {
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (stream.bad()) fail(ErrorCode::kUnavailable, "{}: cannot be read", name);
  return text;
}

std::string quoted(const std::string& word) {
  const bool is_plain =
      !word.empty() &&
      word.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+") ==
          std::string::npos;
  if (is_plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

void add_model_options(Verb& verb, ModelOptions& options) {
  verb.argument("MODEL", &options.model,
                "A name in the model store (weir models list), a folder in Hugging Face layout, or "
                "a file: .gguf, llama2.c .bin, or a .safetensors or .pt of minGPT or nanoGPT");
  verb.option("--device", &options.device, "cpu|cuda:N", "Where to compute", check_device);
  verb.option("--threads", &options.threads, "N", "Threads; 0: every CPU the process may use",
              {0, most_threads()});
  add_dtype_option(verb, options.dtype, "Of the computation: float32, bfloat16, float16, float64");
}

void add_dtype_option(Verb& verb, std::string& dtype, const std::string& help) {
  verb.option("--dtype", &dtype, "D", help, [](const std::string& name) {
    try {
      parse_dtype(name);
    } catch (const Error&) {
      throw UsageError("expected float32, bfloat16, float16 or float64, found '" + name + "'");
    }
  });
}

LanguageModel load(const ModelOptions& options, const std::string& process, bool hash) {
  set_threads(options.threads);
  LoadOptions load_options;
  load_options.device = device_of(options.device);
  load_options.dtype = parse_dtype(options.dtype);
  load_options.fold = process == "fold";
  load_options.hash = hash;
  return LanguageModel::load(resolve_model(options.model), load_options);
}

void add_text_options(Verb& verb, TextOptions& options, const std::string& name,
                      const std::string& help) {
  options.name = name;
  verb.option(name, &options.text, name[0] == '-' ? "S" : "", help);
  verb.option("--text-file", &options.file, "F", "A file that holds the text");
}

std::string read_text(const TextOptions& options) {
  require_usage(options.is_given(), "expected " + options.name + " or --text-file");
  require_usage(!options.text || options.file.empty(),
                "expected " + options.name + " or --text-file, found both");
  if (options.text) return *options.text == "-" ? read_stream(std::cin, "stdin") : *options.text;
  require_usage(!std::filesystem::is_directory(options.file),
                fmt::format("--text-file: expected a file, '{}' is a folder", options.file));
  std::ifstream file(options.file, std::ios::binary);
  if (!file) fail(ErrorCode::kNotFound, "--text-file: cannot open '{}'", options.file);
  return read_stream(file, options.file);
}

std::string read_some_text(const TextOptions& options) {
  std::string text = read_text(options);
  const std::string place = options.file.empty() ? options.name : "--text-file";
  require_usage(!text.empty(), place + ": expected a text, found an empty one");
  return text;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Provenance provenance(const LanguageModel& lm, const ModelOptions& options, double wall_seconds) {
  Provenance p = plain_provenance();
  p.model = options.model;
  p.model_sha256 = lm.source().sha256;
  p.tokenizer = lm.has_tokenizer() ? "of the model" : "none";
  p.processing = lm.processing();
  p.dtype = dtype_name(lm.transformer().dtype());
  p.device = options.device;
  p.threads = at::get_num_threads();
  p.wall_seconds = wall_seconds;
  return p;
}

Provenance plain_provenance() {
  Provenance p;
  p.command = command_line();
  p.version = std::string(version());
  return p;
}

const std::string& command_line() { return stored_command_line(); }

void set_command_line(int argc, char** argv) {
  std::string& line = stored_command_line();
  line = "weir";
  for (int i = 1; i < argc; ++i) line += " " + quoted(argv[i]);
}

std::vector<Intervention> read_interventions(const std::string& file) {
  if (file.empty()) return {};
  const std::string folder = std::filesystem::path(file).parent_path().string();
  return interventions_from_json(io::read_json(file), folder.empty() ? "." : folder);
}

}  // namespace weir::cli
