#include "weir/report/site.h"

#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "sample_reports.h"
#include "tests/io/temporary_folder.h"
#include "weir/base/error.h"
#include "weir/io/json.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

Site site_of(size_t n) {
  Site site;
  site.index.title = "Features <6>";
  site.index.provenance.model = "made-up";
  site.index.blocks = {TextBlock{"About", "words"}};
  site.columns = {"density", "top token", "count"};
  for (size_t i = 0; i < n; ++i) {
    site.entries.push_back(
        {"feature & " + std::to_string(i),
         {i == 1 ? NAN : 1.0 / (1.0 + static_cast<double>(i)),
          std::string(i % 2 == 0 ? " the" : "</script>"), static_cast<int64_t>(i)}});
  }
  return site;
}

Report page_of(size_t i) {
  Report report;
  report.title = "Page " + std::to_string(i);
  report.blocks = {
      TableBlock{"Near", {"feature"}, {{Link{"next", site_page(i + 1).substr(6)}}}, ""}};
  return report;
}

class ReportSite : public ::testing::Test {
 protected:
  fs::path at(const std::string& name) const { return folder_ / ("site/" + name); }
  SiteResult write(const Site& site, const SiteOptions& options = {}) {
    return write_site(
        site,
        [this](size_t i) {
          made_.push_back(i);
          return page_of(i);
        },
        at(""), options);
  }
  // The entries as the page's script gets them.
  json list() const {
    json entries = json::array();
    for (int piece = 0; fs::exists(at(fmt::format("list/{:03}.js", piece))); ++piece) {
      const std::string text = read(at(fmt::format("list/{:03}.js", piece)));
      const std::string open = fmt::format("sitePiece({}, ", piece);
      EXPECT_EQ(text.rfind(open, 0), 0U);
      for (const json& entry :
           io::parse_json(text.substr(open.size(), text.size() - open.size() - 3), "piece")) {
        entries.push_back(entry);
      }
    }
    return entries;
  }

  io::TemporaryFolder folder_;
  std::vector<size_t> made_;
};

TEST_F(ReportSite, WritesAPageAnEntryAndAnIndex) {
  const SiteResult result = write(site_of(12));
  EXPECT_EQ(result.written, 12U);
  EXPECT_EQ(result.kept, 0U);
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_NE(read(at(site_page(i))).find("<h1>Page " + std::to_string(i) + "</h1>"),
              std::string::npos);
  }
  EXPECT_FALSE(fs::exists(at(site_page(12))));
  const std::string index = read(at("index.html"));
  EXPECT_NE(index.find("<h1>Features &lt;6&gt;</h1>"), std::string::npos);
  EXPECT_NE(index.find("data-pages=\"12\""), std::string::npos);
}

TEST_F(ReportSite, LinksEachPageToItsNeighboursAndTheIndex) {
  write(site_of(3));
  const auto has = [&](size_t i, const std::string& text) {
    return read(at(site_page(i))).find(text) != std::string::npos;
  };
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(has(i, "href=\"../index.html\">Features &lt;6&gt;</a>"));
  }
  EXPECT_FALSE(has(0, "rel=\"prev\""));
  EXPECT_TRUE(has(0, "rel=\"next\" href=\"000001.html\">feature &amp; 1"));
  EXPECT_TRUE(has(1, "rel=\"prev\" href=\"000000.html\""));
  EXPECT_TRUE(has(1, "rel=\"next\" href=\"000002.html\""));
  EXPECT_FALSE(has(2, "rel=\"next\""));
}

TEST_F(ReportSite, KeepsTheIndexSmallAndItsListInPieces) {
  const Site site = site_of(2500);
  write(site);
  // No line of the list is in the index itself.
  EXPECT_LT(read(at("index.html")).size(), 6000U);
  EXPECT_EQ(read(at("index.html")).find("feature &amp; 7"), std::string::npos);
  EXPECT_TRUE(fs::exists(at("list/002.js")));
  EXPECT_FALSE(fs::exists(at("list/003.js")));
  const json entries = list();
  ASSERT_EQ(entries.size(), 2500U);
  EXPECT_EQ(entries[0], json::array({"feature & 0", 1.0, " the", 0}));
  EXPECT_TRUE(entries[1][1].is_null());
  EXPECT_EQ(entries[2499][0], "feature & 2499");
  EXPECT_NEAR(entries[2499][1].get<double>(), 1 / 2500.0, 1e-9);
}

TEST_F(ReportSite, SharesStyleAndScriptAmongItsPages) {
  write(site_of(2));
  const std::string page = read(at(site_page(0)));
  EXPECT_LT(page.size(), 6000U);
  EXPECT_NE(page.find("<script src=\"../assets/page.js\"></script>"), std::string::npos);
  EXPECT_NE(page.find("<link rel=\"stylesheet\" href=\"../assets/page.css\">"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(read(at("assets/page.js")).find("class SiteList"), std::string::npos);
  EXPECT_NE(read(at("assets/page.css")).find(".site-list"), std::string::npos);
}

TEST_F(ReportSite, GoesOnWhereItWasStopped) {
  const Site site = site_of(10);
  const auto stops_at_6 = [&](size_t i) {
    if (i == 6) fail(ErrorCode::kInterrupted, "stopped");
    return page_of(i);
  };
  EXPECT_THROW(write_site(site, stops_at_6, at("")), Error);
  EXPECT_FALSE(fs::exists(at("index.html")));
  EXPECT_TRUE(fs::exists(at(site_page(5))));
  EXPECT_FALSE(fs::exists(at(site_page(6))));
  std::vector<size_t> done;
  SiteOptions options;
  options.on_page = [&](size_t n) { done.push_back(n); };
  const SiteResult result = write(site, options);
  EXPECT_EQ(result.kept, 6U);
  EXPECT_EQ(made_, (std::vector<size_t>{6, 7, 8, 9}));
  EXPECT_EQ(done.size(), 10U);
  EXPECT_TRUE(fs::exists(at("index.html")));
  EXPECT_EQ(write(site).kept, 10U);
}

TEST_F(ReportSite, GoesOnAlthoughTheTimeItTookDiffers) {
  Site site = site_of(3);
  write(site);
  site.index.provenance.wall_seconds = 12;
  site.index.provenance.threads = 1;
  EXPECT_EQ(write(site).kept, 3U);
}

TEST_F(ReportSite, MakesPagesAnewThatAreOfSomethingElse) {
  write(site_of(5));
  Site changed = site_of(3);
  changed.index.provenance.model_sha256 = "other";
  made_.clear();
  EXPECT_EQ(write(changed).written, 3U);
  // What was page 4 of the other site is no page of this.
  EXPECT_FALSE(fs::exists(at(site_page(4))));
  changed.entries[1].values[2] = int64_t{77};
  EXPECT_EQ(write(changed).written, 3U);
  SiteOptions again;
  again.resume = false;
  EXPECT_EQ(write(changed, again).written, 3U);
  EXPECT_EQ(write(changed).kept, 3U);
}

TEST_F(ReportSite, LetsNoOldPageCountAfterAStopWhileReplacing) {
  write(site_of(4));
  Site other = site_of(4);
  other.index.provenance.model = "other";
  const auto stops_at_1 = [&](size_t i) {
    if (i == 1) fail(ErrorCode::kInterrupted, "stopped");
    return page_of(i);
  };
  EXPECT_THROW(write_site(other, stops_at_1, at("")), Error);
  EXPECT_FALSE(fs::exists(at("index.html")));
  EXPECT_EQ(write(other).kept, 1U);
  EXPECT_EQ(write(site_of(4)).written, 4U);
}

TEST_F(ReportSite, LeavesFoldersOfOthersAlone) {
  fs::create_directories(at(""));
  std::ofstream(at("index.html")) << "mine";
  EXPECT_THROW(write(site_of(2)), Error);
  EXPECT_EQ(read(at("index.html")), "mine");
  fs::remove(at("index.html"));
  std::ofstream(at("notes.txt")) << "mine";
  write(site_of(2));
  EXPECT_EQ(read(at("notes.txt")), "mine");
}

TEST_F(ReportSite, RefusesEntriesThatDoNotFitItsColumns) {
  Site site = site_of(2);
  site.entries[1].values.pop_back();
  EXPECT_THROW(write(site), Error);
  EXPECT_FALSE(fs::exists(at("")));
}

TEST_F(ReportSite, CanHaveNoPages) {
  EXPECT_EQ(write(Site{}).written, 0U);
  EXPECT_NE(read(at("index.html")).find("(no pages)"), std::string::npos);
}

TEST_F(ReportSite, PutsLargeMediaBesideTheirPage) {
  Site site = site_of(1);
  const std::string bytes(300'000, 'x');
  write_site(
      site,
      [&](size_t) {
        Report report;
        report.blocks = {MediaBlock{"Face", "video/mp4", bytes, "", ""}};
        return report;
      },
      at(""));
  EXPECT_NE(read(at(site_page(0))).find("src=\"000000-media/01-face.mp4\""), std::string::npos);
  EXPECT_EQ(read(at("pages/000000-media/01-face.mp4")), bytes);
}

}  // namespace
}  // namespace weir
