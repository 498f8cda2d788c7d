#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "apps/cli/verb.h"
#include "weir/base/bootstrap.h"
#include "weir/report/report.h"

namespace at {
class Tensor;
}

/// How a result reaches the user. Places are tried before the work, and what was computed is
/// printed before files are written: a full disk costs nobody their numbers.
namespace weir::cli {

/// --json, --html FILE, --csv DIR, --quiet.
struct OutputOptions {
  bool json = false, quiet = false;
  std::string html, csv;
  bool wants_files() const { return !html.empty() || !csv.empty(); }
  /// More than text on the terminal: then provenance names the model by its hash.
  bool is_kept() const { return json || wants_files(); }
};
void add_output_options(Verb& verb, OutputOptions& options);
/// An option that names a file to write.
Verb& add_output_file(Verb& verb, const std::string& name, std::string* place,
                      const std::string& value, const std::string& help);

/// Shows a report in every form that was asked for: text, HTML, CSV and, for --json, the report's
/// own document, with `result` (raw numbers; may be null) as its key "result".
void show(Report report, const OutputOptions& output, const nlohmann::ordered_json& result);
/// The same for verbs whose JSON form is `document` alone, with no report around it.
void show_document(const Report& report, const OutputOptions& output,
                   const nlohmann::ordered_json& document);
/// The HTML and CSV that were asked for, nothing else.
void write_files(const Report& report, const OutputOptions& output);

/// A tensor as nested lists of numbers; null when it is undefined.
nlohmann::ordered_json to_json(const at::Tensor& tensor);

/// {"mean", "low", "high"}
nlohmann::ordered_json to_json(const MeanInterval& interval);

/// On stdout; kUnavailable when it cannot be written.
void print(const std::string& text);
/// The same, and seen at once: for what comes piece by piece.
void print_now(const std::string& text);
/// One JSON value.
void print_json(const nlohmann::ordered_json& value);

/// Puts stand-ins for closed standard streams: a file opened later must not become one of them.
/// Writing to a stand-in fails.
void hold_standard_streams();
/// Whether all that was written has arrived, on stdout and stderr.
bool streams_are_well();

}  // namespace weir::cli
