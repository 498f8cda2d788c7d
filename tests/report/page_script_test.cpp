#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "sample_reports.h"
#include "tests/io/temporary_folder.h"
#include "weir/io/json.h"
#include "weir/report/display_text.h"
#include "weir/report/links.h"
#include "weir/report/report.h"
#include "weir/report/site.h"

/// Runs pages in Chromium, where there is one; skipped elsewhere. Each test loads one page with a
/// script of its own at the end, which leaves what it saw in a text area.
namespace weir {
namespace {

using nlohmann::json;

class PageScript : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v chromium > /dev/null 2>&1") != 0) {
      GTEST_SKIP() << "needs chromium in PATH";
    }
  }

  // What `script`, the body of an async function, returns on the page.
  json run(const std::filesystem::path& page, const std::string& script) const {
    std::string text;
    std::getline(std::ifstream(page, std::ios::binary), text, '\0');
    const std::string probe =
        "<script>addEventListener('load', () => setTimeout(async () => { const out = "
        "document.createElement('textarea'); out.id = 'seen'; let value; try { value = await "
        "(async "
        "() => {" +
        script +
        "})(); } catch (error) { value = 'failed: ' + error; } out.textContent "
        "= encodeURIComponent(JSON.stringify(value)); document.body.append(out); }, "
        "300));</script></body>";
    text.replace(text.rfind("</body>"), 7, probe);
    // Chromium's virtual time goes on without frames.
    text.replace(
        text.find("</head>"), 7,
        "<script>window.requestAnimationFrame = (draw) => setTimeout(draw, 16);</script></head>");
    const auto file = page.parent_path() / "probe.html";
    std::ofstream(file, std::ios::binary) << text;
    const std::string command =
        "timeout 100 chromium --headless --no-sandbox --disable-gpu --user-data-dir='" +
        (folder_ / "profile").string() +
        "' --window-size=1300,1000 --virtual-time-budget=8000 --dump-dom 'file://" + file.string() +
        "' 2> /dev/null";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    std::string dom;
    std::array<char, 65536> part;
    while (const size_t n = std::fread(part.data(), 1, part.size(), pipe))
      dom.append(part.data(), n);
    ::pclose(pipe);
    const std::string open = "<textarea id=\"seen\">";
    const size_t start = dom.find(open);
    if (start == std::string::npos) throw std::runtime_error("the script did not come to its end");
    const size_t end = dom.find("</textarea>", start);
    const json seen =
        io::parse_json(decoded(dom.substr(start + open.size(), end - start - open.size())), "seen");
    if (seen.is_string()) throw std::runtime_error(seen);
    return seen;
  }

  json run(const Report& report, const std::string& script) const {
    write_html(report, folder_ / "page.html");
    return run(folder_ / "page.html", script);
  }

  io::TemporaryFolder folder_;

 private:
  static std::string decoded(const std::string& text) {
    std::string result;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '%') {
        result += text[i];
      } else {
        result += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
        i += 2;
      }
    }
    return result;
  }
};

TEST_F(PageScript, ShowsHiddenCharactersAndAnchorsAsTheLibraryDoes) {
  Report report;
  json shown = json::array(), anchors = json::array();
  for (const char* text :
       {" ",
        "  a ",
        "\u00a0",
        "a\u00a0b",
        "a\u200bb",
        "\u200d",
        "\u0645\u200c\u06cc",
        "a\u200c",
        "\u2764\ufe0f",
        "1\ufe0f",
        "1\ufe0f\u20e3",
        "a\nb\t\x1b\x7f",
        "\u202e",
        "\u0301x",
        "e\u0301",
        "\U0001f468\u200d\U0001f469",
        "\u3000",
        "\u2066",
        "\u6771\u4eac Two!",
        "\ufffd",
        "\U000e0041",
        "A long title, longer than the sixty bytes that an anchor may have, surely"}) {
    report.blocks.push_back(TextBlock{"", text});
    shown.push_back(report::visible(text, report::Spaces::kMarked));
    const std::string anchor = report::anchor_of(text);
    anchors.push_back(anchor.empty() ? "block-" : anchor);
  }
  const json seen = run(report,
                        "return [report.blocks.map((block) => visible(block.text)), "
                        "report.blocks.map((block) => anchorOf(block.text))];");
  EXPECT_EQ(seen[0], shown);
  EXPECT_EQ(seen[1], anchors);
}

TEST_F(PageScript, ZoomsMapsAndFindsPoints) {
  Report report;
  report.blocks = {testing::long_text_map(400), testing::large_scatter(4000)};
  const json seen = run(report, R"(
    const pause = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const key = (node, name) => node.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
    const [map, scatter] = document.querySelectorAll("canvas");
    const seen = { canvases: document.querySelectorAll("canvas").length, svg: document.querySelectorAll(".map svg").length };
    // Texts that the map draws, before and after enlarging.
    const texts = () => {
      const drawn = [], real = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) { drawn.push(text); real.call(this, text, ...rest); };
      return () => { CanvasRenderingContext2D.prototype.fillText = real; return drawn; };
    };
    key(map, "ArrowRight");
    let end = texts();
    key(map, "0");
    await pause();
    seen.small = end().length;
    for (let i = 0; i < 12; ++i) key(map, "+");
    end = texts();
    key(map, "ArrowDown");
    await pause();
    seen.large = end().length;
    key(map, "ArrowRight");
    seen.tip = document.querySelector(".tip").textContent;
    const field = document.querySelector(".find");
    field.value = "feature 399";
    field.dispatchEvent(new Event("input"));
    seen.found = field.nextSibling.textContent;
    key(field, "Enter");
    seen.point = document.querySelector(".tip .head").textContent;
    return seen;)");
  EXPECT_EQ(seen["canvases"], 2) << seen;
  EXPECT_EQ(seen["svg"], 0) << seen;
  // As a whole: row labels, some column labels; enlarged: a text in each of some hundred cells.
  EXPECT_LT(seen["small"], 150) << seen;
  EXPECT_GT(seen["large"], 300) << seen;
  EXPECT_NE(seen["tip"].get<std::string>().find("probability"), std::string::npos) << seen;
  EXPECT_EQ(seen["found"], "11 found") << seen;  // 399 and 3990 to 3999.
  EXPECT_EQ(seen["point"], "feature 399") << seen;
}

TEST_F(PageScript, OpensGroupsAndTabsThatALinkLeadsInto) {
  const json seen = run(testing::grouped_sample(20), R"(
    const seen = {};
    const tabs = [...document.querySelectorAll("[role=tab]")];
    const shown = () => tabs.map((tab) => !document.getElementById(tab.getAttribute("aria-controls")).hidden);
    seen.tabs = tabs.length;
    seen.before = shown();
    tabs[0].focus();
    tabs[0].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true, cancelable: true }));
    seen.left = shown();
    const open = () => document.querySelectorAll("details.group[open]").length;
    seen.closed = open();
    document.querySelector('td a[href="#block-prompt-7"]').click();
    await new Promise((done) => setTimeout(done, 200));
    seen.opened = open();
    seen.which = document.querySelector("details.group[open]").closest("section").id;
    const field = document.querySelector("nav.contents .filter");
    field.value = "prompt 1";
    field.dispatchEvent(new Event("input"));
    // Prompt 1 and 10 to 19, and the group that they are in.
    seen.entries = [...document.querySelectorAll("nav.contents li")].filter((entry) => !entry.hidden).length;
    return seen;)");
  EXPECT_EQ(seen["tabs"], 4) << seen;
  EXPECT_EQ(seen["before"], json::array({true, false, false, false})) << seen;
  EXPECT_EQ(seen["left"], json::array({false, false, false, true})) << seen;
  EXPECT_EQ(seen["closed"], 0) << seen;
  EXPECT_EQ(seen["opened"], 1) << seen;
  EXPECT_EQ(seen["which"], "block-prompt-7") << seen;
  EXPECT_EQ(seen["entries"], 12) << seen;
}

TEST_F(PageScript, TakesUpWhereTheReaderOfTheVersionBeforeWas) {
  // Of the last version too, which loads itself no more.
  for (const int seconds : {3600, 0}) {
    write_html(testing::grouped_sample(20), folder_ / "page.html", {seconds});
    const json seen = run(folder_ / "page.html", R"(
      store(liveKey, { scroll: 640, open: { "block-prompt-7 0": true }, tabs: ["tab-block-a-sound"], modified: 0, unchanged: 0 });
      takeLiveState();
      const line = document.querySelector(".live");
      return { scroll: scrollY, open: [...document.querySelectorAll("details.group[open]")].map((one) => one.closest("section").id),
               tab: document.querySelector("[role=tab][aria-selected=true]").textContent, isForgotten: stored(liveKey) === null,
               live: line ? line.querySelector("button").textContent : "" };)");
    EXPECT_EQ(seen["scroll"], 640) << seen;
    EXPECT_EQ(seen["open"], json::array({"block-prompt-7"})) << seen;
    EXPECT_EQ(seen["tab"], "A sound") << seen;
    EXPECT_EQ(seen["isForgotten"], true) << seen;
    EXPECT_EQ(seen["live"], seconds > 0 ? "Pause" : "") << seen;
  }
}

TEST_F(PageScript, SearchesAndSortsASiteFromTheDisk) {
  Site site;
  site.columns = {"density", "token"};
  for (int i = 0; i < 2500; ++i) {
    site.entries.push_back(
        {"feature " + std::to_string(i),
         {static_cast<double>(i * 7 % 2500), std::string(i % 9 ? "a" : " Paris")}});
  }
  const auto page = [](size_t i) { return Report{std::to_string(i), {}, {}}; };
  write_site(site, page, folder_ / "site");
  const json seen = run(folder_ / "site/index.html", R"(
    const seen = {}, pause = () => new Promise((done) => setTimeout(done, 700));
    const rows = () => [...document.querySelectorAll(".site-list tbody tr")];
    const status = () => document.querySelector(".site-tools .hint").textContent;
    await pause();
    seen.first = [rows().length, status(), document.querySelectorAll("script[src^='list/']").length];
    const field = document.querySelector(".site-tools .filter");
    field.value = "PARIS 99";
    field.dispatchEvent(new Event("input"));
    await pause();
    seen.found = rows().map((row) => row.cells[0].textContent);
    field.value = "";
    document.querySelectorAll(".site-list th button")[2].click();
    await pause();
    seen.sorted = rows().slice(0, 3).map((row) => Number(row.cells[2].textContent));
    seen.link = rows()[1].querySelector("a").getAttribute("href");
    document.querySelectorAll(".site-tools button")[1].click();
    await pause();
    seen.turned = [rows().length, status()];
    return seen;)");
  EXPECT_EQ(seen["first"], json::array({100, "1 to 100 of 2500", 1})) << seen;
  json expected = json::array();
  for (int i = 0; i < 2500; i += 9) {
    if (std::to_string(i).find("99") != std::string::npos) expected.push_back(std::to_string(i));
  }
  EXPECT_GT(expected.size(), 2U);
  EXPECT_EQ(seen["found"], expected) << seen;
  EXPECT_EQ(seen["sorted"], json::array({0, 1, 2})) << seen;
  EXPECT_EQ(seen["link"], site_page(2143))
      << seen;  // 7 x 2143 = 15001, which is 1 more than 6 x 2500.
  EXPECT_EQ(seen["turned"], json::array({100, "101 to 200 of 2500"})) << seen;
}

}  // namespace
}  // namespace weir
