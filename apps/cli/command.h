#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli/output.h"
#include "apps/cli/verb.h"
#include "weir/lm/language_model.h"
#include "weir/report/report.h"

/// What the verbs share: their common options, how a model is found and loaded. A verb is one file:
/// arguments -> library -> report.
namespace weir::cli {

/// MODEL, --device, --threads, --dtype.
struct ModelOptions {
  std::string model;
  std::string device = "cpu";
  int threads = 0;
  std::string dtype = "float32";
};
void add_model_options(Verb& verb, ModelOptions& options);
/// --dtype alone.
void add_dtype_option(Verb& verb, std::string& dtype, const std::string& help);
/// Finds the model (store names, paths, Hugging Face's cache), sets the threads and loads it.
LanguageModel load(const ModelOptions& options, const std::string& process = "none",
                   bool hash = false);

/// A text by argument or option, or by --text-file.
struct TextOptions {
  std::optional<std::string> text;
  std::string file;
  std::string name;  ///< Of the argument or option.
  bool is_given() const { return text || !file.empty(); }
};
/// `name`: "PROMPT" for an argument, "--text" for an option.
void add_text_options(Verb& verb, TextOptions& options, const std::string& name,
                      const std::string& help);
/// The text; "-" reads stdin. UsageError when it is given twice or not at all, or the file is a
/// folder.
std::string read_text(const TextOptions& options);
/// The same; an empty text is a UsageError too.
std::string read_some_text(const TextOptions& options);

/// Of the wall clock.
double seconds_since(std::chrono::steady_clock::time_point start);
/// Fills what is known about a run: model, hash, dtype, device, threads, version, command line.
Provenance provenance(const LanguageModel& lm, const ModelOptions& options, double wall_seconds);
/// The same for verbs that run no model: version and command line.
Provenance plain_provenance();
/// The command line as it was typed, quoted for a shell; set once by main.
const std::string& command_line();
void set_command_line(int argc, char** argv);

/// The interventions of a JSON file; none for "".
std::vector<Intervention> read_interventions(const std::string& file);

}  // namespace weir::cli
