#include "apps/cli/command.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/cli/help.h"
#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/base/terminal.h"
#include "weir/base/version.h"
#include "weir/io/atomic_file.h"
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

at::Device parse_device(const std::string& name) {
  const bool is_cpu = name == "cpu";
  const bool is_cuda = name == "cuda" || name.rfind("cuda:", 0) == 0;
  const bool has_number = name.size() > 5 && name.size() < 9 &&
                          name.find_first_not_of("0123456789", 5) == std::string::npos;
  require_usage(is_cpu || name == "cuda" || (is_cuda && has_number),
                fmt::format("--device: expected cpu or cuda:N, got '{}'", name));
  require(!is_cuda || at::hasCUDA(),
          "--device: '{}' needs a LibTorch built with CUDA and a GPU; "
          "this one has none, use cpu",
          name);
  return at::Device(name);
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

CLI::App* add_verb(CLI::App& app, const VerbText& text) {
  CLI::App* verb = app.add_subcommand(text.name, text.summary);
  verb->footer(manual_footer(text.description, text.examples));
  return verb;
}

void add_model_options(CLI::App& verb, ModelOptions& options) {
  verb.add_option(
          "MODEL", options.model,
          "A name in the model store (weir models list), a folder in Hugging Face layout, or a "
          "file: .gguf, llama2.c .bin, or a .safetensors or .pt of minGPT or nanoGPT")
      ->required();
  verb.add_option("--device", options.device, "Where to compute")
      ->type_name("cpu|cuda:N")
      ->capture_default_str();
  verb.add_option("--threads", options.threads, "Threads; 0: every CPU the process may use")
      ->type_name("N")
      ->capture_default_str();
  verb.add_option("--dtype", options.dtype,
                  "Of the computation: float32, bfloat16, float16, float64")
      ->type_name("D")
      ->capture_default_str();
}

at::ScalarType parse_option_dtype(const std::string& name) {
  try {
    return parse_dtype(name);
  } catch (const Error& error) {
    throw CLI::ValidationError(std::string("--") + error.what());
  }
}

LanguageModel load(const ModelOptions& options, const std::string& process, bool hash) {
  require_usage(process == "none" || process == "fold",
                fmt::format("--process: expected none or fold, got '{}'", process));
  set_threads(options.threads);
  LoadOptions load_options;
  load_options.device = parse_device(options.device);
  load_options.dtype = parse_option_dtype(options.dtype);
  load_options.fold = process == "fold";
  load_options.hash = hash;
  return LanguageModel::load(resolve_model(options.model), load_options);
}

void add_output_options(CLI::App& verb, OutputOptions& options) {
  verb.add_flag("--json", options.json, "Print JSON on stdout instead of text");
  verb.add_option("--html", options.html, "Also write one self-contained HTML page")
      ->type_name("FILE");
  verb.add_option("--csv", options.csv, "Also write one CSV file for each table or map")
      ->type_name("DIR");
  verb.add_flag("--quiet", options.quiet, "No progress and no text");
}

void require_usage(bool ok, const std::string& message) {
  if (!ok) throw CLI::ValidationError(message);
}

void show(Report report, const OutputOptions& output, const nlohmann::ordered_json& result) {
  nlohmann::ordered_json document;
  if (output.json) {
    document = nlohmann::ordered_json::parse(render_json(report));
    if (!result.is_null()) document["result"] = result;
  }
  show_document(report, output, document);
}

void show_document(const Report& report, const OutputOptions& output,
                   const nlohmann::ordered_json& document) {
  write_files(report, output);
  if (output.json) return print_json(document);
  if (output.quiet) return;
  print(render_terminal(report, {terminal_width(), use_color()}));
  if (!output.html.empty()) print("HTML page: " + output.html + "\n");
  if (!output.csv.empty()) print("CSV files: " + output.csv + "\n");
}

void write_files(const Report& report, const OutputOptions& output) {
  if (!output.html.empty()) io::write_file(output.html, render_html(report));
  if (!output.csv.empty()) write_csv(report, output.csv);
}

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    fail(ErrorCode::kUnavailable, "stdout: cannot write");
  }
}

void print_json(const nlohmann::ordered_json& value) { print(io::dump_json(value, 1) + "\n"); }

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

std::string read_text(const std::string& text, const std::string& text_file) {
  require_usage(text.empty() || text_file.empty(),
                "text: give it as an argument or as --text-file, not both");
  if (text == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  if (text_file.empty()) return text;
  std::ifstream file(text_file, std::ios::binary);
  if (!file) fail(ErrorCode::kNotFound, "text: cannot open '{}'", text_file);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace weir::cli
