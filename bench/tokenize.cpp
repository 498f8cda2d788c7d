#include "weir/data/tokenize.h"

#include <filesystem>
#include <unistd.h>

#include "bench/measure.h"
#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/lm/language_model.h"

namespace weir::bench {
namespace {

constexpr size_t kTextBytes = 8'000'000, kDocumentBytes = 40'000;
constexpr int64_t kWords = 16384;

/// Made-up prose: words of one to four syllables, frequent ones by far the most; the same as
/// bench/peers/tokenize_text.py makes.
class Prose {
 public:
  Prose() {
    const std::vector<std::string> syllables = {"ba", "con", "di", "er",  "fo", "ing", "ka", "le",
                                                "mi", "nor", "o",  "pre", "ra", "st",  "ti", "un"};
    for (int64_t i = 0; i < kWords; ++i) {
      std::string word;
      for (uint64_t n = 1 + draw_.below(4); n > 0; --n) word += draw_.pick(syllables);
      words_.push_back(word);
    }
  }
  std::string document() {
    std::string text;
    while (text.size() < kDocumentBytes) {
      for (uint64_t n = 6 + draw_.below(12); n > 0; --n) {
        const uint64_t most = uint64_t{1} << (1 + draw_.below(14));  // Halves: nearly Zipf's law.
        text += words_[draw_.below(most)] + (n == 1 ? "." : " ");
      }
      text += draw_.below(4) == 0 ? "\n" : " ";
    }
    return text;
  }

 private:
  Draw draw_{0};
  std::vector<std::string> words_;
};

class TemporaryFolder {
 public:
  TemporaryFolder()
      : path_(std::filesystem::temp_directory_path() / fmt::format("weir-bench-{}", ::getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

// The whole work of `weir data tokenize`: reading, tokenising, writing, the checksum.
Result bench_tokenize(const Options& options) {
  const TemporaryFolder folder;
  const std::filesystem::path text = folder.path() / "text.txt", shard = folder.path() / "shard";
  Prose prose;
  std::string all;
  while (all.size() < kTextBytes) all += prose.document() + "<|sep|>";
  io::write_file(text, all);
  const Tokenizer tokenizer = load_tokenizer(options.model);
  data::TokenizeOptions tokenize;
  tokenize.text.separator = "<|sep|>";
  data::TokenizeResult made;
  Result result;
  result.name = "tokenize";
  result.work = "8 MB of text in documents of 40 KB, file to shard, SmolLM2's tokenizer";
  result.seconds =
      measure(options.runs, [&] { made = data::tokenize({text}, tokenizer, shard, tokenize); });
  result.amount = static_cast<double>(made.n_text_bytes) / 1e6;
  result.unit = "MB/s";
  result.peak_rss = peak_rss();
  result.extra = {{"tokens", static_cast<double>(made.info.n_tokens)}};
  const auto read = data::TokenShard::open(shard);
  read->verify();
  std::vector<int64_t> ids;
  for (int64_t t = 0; t < read->document(0).size(); ++t) ids.push_back(read->document(0)[t]);
  const bool is_same = tokenizer.decode(ids) == all.substr(0, all.find("<|sep|>"));
  result.check = checked("text of the first document", is_same ? 0 : 1, 0);
  return result;
}

}  // namespace weir::bench
