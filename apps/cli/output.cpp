#include "apps/cli/output.h"

#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <system_error>
#include <unistd.h>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/terminal.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"

namespace weir::cli {
namespace {

namespace fs = std::filesystem;

void try_file(const std::string& path) {
  if (!path.empty()) const io::AtomicFile file(path);  // Uncommitted, it leaves nothing.
}

// Makes the folder as it will be made, and takes it away again.
void try_folder(const std::string& path) {
  if (path.empty()) return;
  std::error_code error, ignored;
  std::vector<fs::path> made;
  for (fs::path at = path; !at.empty() && !fs::exists(at, ignored); at = at.parent_path()) {
    made.push_back(at);
  }
  fs::create_directories(path, error);
  std::string why = error ? path + ": cannot be made: " + error.message() : "";
  try {
    if (!error) try_file((fs::path(path) / "provenance.csv").string());
  } catch (const Error& failure) {
    why = failure.what();
  }
  for (const fs::path& folder : made) fs::remove(folder, ignored);
  if (!why.empty()) fail(ErrorCode::kUnavailable, "{}", why);
}

bool can_write(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

void try_outputs(const OutputOptions& output) {
  if ((output.json || !output.quiet) && !can_write(STDOUT_FILENO)) {
    fail(ErrorCode::kUnavailable, "stdout: cannot be written (closed?)");
  }
  try_file(output.html);
  try_folder(output.csv);
}

}  // namespace

void add_output_options(Verb& verb, OutputOptions& options) {
  verb.flag("--json", &options.json, "Print JSON on stdout instead of text")
      .option("--html", &options.html, "FILE", "Also write one self-contained HTML page")
      .option("--csv", &options.csv, "DIR", "Also write one CSV file for each table or map")
      .flag("--quiet", &options.quiet, "No progress and no text")
      .before([&options] { try_outputs(options); });
}

Verb& add_output_file(Verb& verb, const std::string& name, std::string* place,
                      const std::string& value, const std::string& help) {
  return verb.option(name, place, value, help).before([place] { try_file(*place); });
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
  const bool has_text = !output.json && !output.quiet;
  if (output.json) print_json(document);
  if (has_text) print_now(render_terminal(report, {terminal_width(), use_color()}));
  write_files(report, output);
  if (has_text && !output.html.empty()) print("HTML page: " + output.html + "\n");
  if (has_text && !output.csv.empty()) print("CSV files: " + output.csv + "\n");
}

void write_files(const Report& report, const OutputOptions& output) {
  if (!output.html.empty()) write_html(report, output.html);
  if (!output.csv.empty()) write_csv(report, output.csv);
}

nlohmann::ordered_json to_json(const at::Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  if (tensor.dim() == 0) {
    if (tensor.scalar_type() == at::kLong) return tensor.item<int64_t>();
    return tensor.item<double>();
  }
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (int64_t i = 0; i < tensor.size(0); ++i) list.push_back(to_json(tensor[i]));
  return list;
}

nlohmann::ordered_json to_json(const MeanInterval& interval) {
  return {{"mean", interval.mean}, {"low", interval.low}, {"high", interval.high}};
}

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    fail(ErrorCode::kUnavailable, "stdout: cannot be written (disk full?)");
  }
}

void print_now(const std::string& text) {
  print(text);
  if (std::fflush(stdout) != 0) {
    fail(ErrorCode::kUnavailable, "stdout: cannot be written (disk full?)");
  }
}

void print_json(const nlohmann::ordered_json& value) { print_now(io::dump_json(value, 1) + "\n"); }

void hold_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    // The lowest free number, so this one. What only reads cannot be written, and the reverse.
    ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

bool streams_are_well() {
  const bool flushed = std::fflush(stdout) == 0;
  return flushed && std::ferror(stdout) == 0 && std::ferror(stderr) == 0;
}

}  // namespace weir::cli
