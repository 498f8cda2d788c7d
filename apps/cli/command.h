#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "weir/lm/language_model.h"
#include "weir/report/report.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

/// What the verbs share: their common options, how a model is found and loaded, and how a result
/// reaches the user. A verb is one file: arguments -> library -> report.
namespace weir::cli {

/// Adds a verb with its one-line summary, what `--help` says under DESCRIPTION, and examples (one
/// a line).
struct VerbText {
  std::string name, summary, description;
  std::vector<std::string> examples;
};
CLI::App* add_verb(CLI::App& app, const VerbText& text);

/// MODEL, --device, --threads, --dtype.
struct ModelOptions {
  std::string model;
  std::string device = "cpu";
  int threads = 0;
  std::string dtype = "float32";
};
void add_model_options(CLI::App& verb, ModelOptions& options);
/// Of --dtype; another word is a usage error.
at::ScalarType parse_option_dtype(const std::string& name);
/// Finds the model (store names, paths, Hugging Face's cache), sets the threads and loads it.
LanguageModel load(const ModelOptions& options, const std::string& process = "none",
                   bool hash = false);

/// --json, --html FILE, --csv DIR, --quiet.
struct OutputOptions {
  bool json = false, quiet = false;
  std::string html, csv;
  bool wants_files() const { return !html.empty() || !csv.empty(); }
};
void add_output_options(CLI::App& verb, OutputOptions& options);

/// Ends the program with status 2 and `message` unless `ok`: for what is wrong with the command
/// line itself, not with what it names.
void require_usage(bool ok, const std::string& message);

/// Shows a report in every form that was asked for: text, HTML, CSV and, for --json, the report's
/// own document, with `result` (raw numbers; may be null) as its key "result".
void show(Report report, const OutputOptions& output, const nlohmann::ordered_json& result);
/// The same for verbs whose JSON form is `document` alone, with no report around it.
void show_document(const Report& report, const OutputOptions& output,
                   const nlohmann::ordered_json& document);
/// The HTML and CSV that were asked for, nothing else.
void write_files(const Report& report, const OutputOptions& output);
/// One JSON value on stdout.
void print_json(const nlohmann::ordered_json& value);
void print(const std::string& text);

/// Fills what is known about a run: model, hash, dtype, device, threads, version, command line.
Provenance provenance(const LanguageModel& lm, const ModelOptions& options, double wall_seconds);
/// The same for verbs that run no model: version and command line.
Provenance plain_provenance();
/// The command line as it was typed, quoted for a shell; set once by main.
const std::string& command_line();
void set_command_line(int argc, char** argv);

/// The interventions of a JSON file; none for "".
std::vector<Intervention> read_interventions(const std::string& file);
/// The prompt that PROMPT or --text-file gives: "-" reads stdin.
std::string read_text(const std::string& text, const std::string& text_file);

}  // namespace weir::cli
