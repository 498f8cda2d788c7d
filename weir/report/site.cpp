#include "weir/report/site.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"
#include "weir/io/sha256.h"
#include "weir/report/media_files.h"
#include "weir/report/page.h"
#include "weir/report/page_document.h"
#include "weir/report/report_json.h"
#include "weir/report/validate.h"

namespace weir {
namespace report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr size_t kEntriesPerPiece = 1000;  ///< Of the list that the index loads.
constexpr const char* kStateSchema = "weir.site/1";

void check(const Site& site) {
  validate(site.index);
  for (size_t i = 0; i < site.entries.size(); ++i) {
    require(site.entries[i].values.size() == site.columns.size(),
            "site: expected as many values in entry {} as columns ({}), found {}", i,
            site.columns.size(), site.entries[i].values.size());
  }
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return;
  fail(ErrorCode::kUnavailable, "{}: cannot make the folder: {}", folder.string(), error.message());
}

// A value of the list, short: what is no finite number is null.
Json value_json(const Cell& cell) {
  if (const std::string* text = text_of(cell)) return *text;
  if (const auto* value = std::get_if<int64_t>(&cell)) return *value;
  const double value = std::get<double>(cell);
  return std::isfinite(value) ? Json(std::stod(fmt::format("{:.6g}", value))) : Json(nullptr);
}

Json entries_json(const Site& site, size_t begin, size_t end) {
  Json list = Json::array();
  for (size_t i = begin; i < end; ++i) {
    Json line = Json::array({site.entries[i].title});
    for (const Cell& cell : site.entries[i].values) line.push_back(value_json(cell));
    list.push_back(std::move(line));
  }
  return list;
}

// What pages are made from, as far as it can be told without making them. The time that a run took
// and its threads are no part of that.
std::string fingerprint(const Site& site) {
  Report origin;
  origin.title = site.index.title;
  origin.provenance = site.index.provenance;
  origin.provenance.wall_seconds = 0;
  origin.provenance.threads = 0;
  io::Sha256 hash;
  hash.update(io::dump_json(to_json(origin)));
  hash.update(page_style());
  hash.update(page_script());
  hash.update(io::dump_json(Json(site.columns)));
  hash.update(io::dump_json(entries_json(site, 0, site.entries.size())));
  return hash.finish();
}

// A state without a fingerprint is that of a folder whose pages are being replaced.
void write_state(const fs::path& folder, const std::string& print, size_t n) {
  const Json state = {{"schema", kStateSchema}, {"fingerprint", print}, {"pages", n}};
  io::write_file(folder / "site.json", io::dump_json(state, 1) + '\n');
}

// The fingerprint of what lies in the folder; nothing for a folder without a site.
std::optional<std::string> read_state(const fs::path& folder) {
  const fs::path file = folder / "site.json";
  if (fs::exists(file)) {
    const auto state = io::read_json(file);
    if (io::get_string(state, "schema", file.string()) == kStateSchema) {
      return io::get_string(state, "fingerprint", file.string());
    }
  }
  for (const char* name : {"site.json", "index.html", "pages", "assets", "list"}) {
    require(!fs::exists(folder / name),
            "{}: expected a new folder or one with a site of Weir, found another '{}' in it",
            folder.string(), name);
  }
  return std::nullopt;
}

std::string file_name(size_t i) { return fmt::format("{:06}.html", i); }

std::string step(const Site& site, size_t i, std::string_view rel) {
  // Before the first page and after the last there is an empty place, so that the rest stays put.
  if (i >= site.entries.size()) return fmt::format("<span class=\"{}\"></span>", rel);
  const std::string title = escaped(site.entries[i].title);
  return fmt::format("<a class=\"{0}\" rel=\"{0}\" href=\"{1}\">{2}</a>", rel, file_name(i),
                     rel == "prev" ? "\u2190 " + title : title + " \u2192");
}

std::string navigation(const Site& site, size_t i) {
  const std::string up = site.index.title.empty() ? "Index" : escaped(site.index.title);
  const size_t before = i == 0 ? site.entries.size() : i - 1;
  return "<nav class=\"pages\" aria-label=\"Pages\">" + step(site, before, "prev") +
         fmt::format(
             "<a class=\"up\" href=\"../index.html\">{}</a><span class=\"count\">{} of {}</span>",
             up, i + 1, site.entries.size()) +
         step(site, i + 1, "next") + "</nav>\n";
}

// The list that the script fills.
std::string list_html(const Site& site) {
  const size_t n = site.entries.size();
  if (n == 0) return "<p class=\"note\">(no pages)</p>\n";
  std::string columns;
  for (size_t column = 0; column < site.columns.size(); ++column) {
    const bool is_number = std::all_of(
        site.entries.begin(), site.entries.end(),
        [column](const SiteEntry& entry) { return text_of(entry.values[column]) == nullptr; });
    columns += fmt::format("<th scope=\"col\"{}>{}</th>", is_number ? " class=\"number\"" : "",
                           escaped(site.columns[column]));
  }
  return fmt::format(
      "<section class=\"site\" data-pages=\"{}\" data-piece=\"{}\" aria-label=\"Pages\">\n"
      "<div class=\"scroll\"><table class=\"site-list\"><thead><tr><th scope=\"col\" "
      "class=\"number\">page</th>"
      "<th scope=\"col\">title</th>{}</tr></thead><tbody></tbody></table></div>\n"
      "<noscript><p class=\"note\">The list needs its script; <a href=\"{}\">the first page</a> "
      "leads to all others.</p></noscript>\n</section>\n",
      n, kEntriesPerPiece, columns, site_page(0));
}

class SiteWriter {
 public:
  SiteWriter(const Site& site, const fs::path& folder) : site_(site), folder_(folder) {}

  SiteResult write(const std::function<Report(size_t)>& page_of, const SiteOptions& options) {
    const bool resumes = prepare(options.resume);
    SiteResult result;
    for (size_t i = 0; i < site_.entries.size(); ++i) {
      throw_if_interrupted();
      if (resumes && fs::exists(folder_ / site_page(i))) {
        ++result.kept;
      } else {
        write_page(i, page_of(i));
        ++result.written;
      }
      if (options.on_page) options.on_page(i + 1);
    }
    write_index();
    return result;
  }

 private:
  // True when pages that are there may stay.
  bool prepare(bool resume) {
    const std::string print = fingerprint(site_);
    const std::optional<std::string> found = read_state(folder_);
    for (const char* name : {"pages", "assets", "list"}) make_folder(folder_ / name);
    if (resume && found == print) return true;
    // While old pages are replaced nothing leads to a mixture, and a stop before the end must not
    // let old pages count as new ones.
    write_state(folder_, "", site_.entries.size());
    remove("index.html");
    remove_pages();
    io::write_file(folder_ / "assets" / "page.css", page_style());
    io::write_file(folder_ / "assets" / "page.js", page_script());
    write_state(folder_, print, site_.entries.size());
    return false;
  }

  void remove_pages() const {
    for (const auto& entry : fs::directory_iterator(folder_ / "pages")) {
      const fs::path name = entry.path().filename();
      const std::string stem = name.stem().string();
      const bool is_number = stem.find_first_not_of("0123456789") == std::string::npos;
      if (name.extension() == ".html" && is_number) remove("pages/" + name.string());
    }
  }

  void remove(std::string_view name) const {
    std::error_code error;
    fs::remove(folder_ / name, error);
    if (error) {
      fail(ErrorCode::kUnavailable, "{}: cannot be replaced: {}", (folder_ / name).string(),
           error.message());
    }
  }

  void write_page(size_t i, const Report& report) const {
    validate(report);
    PageFrame frame;
    frame.assets = "../assets/";
    frame.navigation = navigation(site_, i);
    const fs::path file = folder_ / site_page(i);
    io::write_file(file, has_large_media(report)
                             ? page_document(with_media_beside(report, file), frame)
                             : page_document(report, frame));
  }

  void write_index() const {
    const size_t n = site_.entries.size();
    for (size_t begin = 0; begin < n; begin += kEntriesPerPiece) {
      const size_t piece = begin / kEntriesPerPiece;
      const Json list = entries_json(site_, begin, std::min(n, begin + kEntriesPerPiece));
      io::write_file(folder_ / "list" / fmt::format("{:03}.js", piece),
                     fmt::format("sitePiece({}, {});\n", piece, io::dump_json(list)));
    }
    PageFrame frame;
    frame.assets = "assets/";
    frame.list = list_html(site_);
    io::write_file(folder_ / "index.html", page_document(site_.index, frame));
  }

  const Site& site_;
  fs::path folder_;
};

}  // namespace
}  // namespace report

std::string site_page(size_t i) { return "pages/" + report::file_name(i); }

SiteResult write_site(const Site& site, const std::function<Report(size_t)>& page_of,
                      const std::filesystem::path& folder, const SiteOptions& options) {
  report::check(site);
  return report::SiteWriter(site, folder).write(page_of, options);
}

}  // namespace weir
