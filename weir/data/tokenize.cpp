#include "weir/data/tokenize.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/progress.h"
#include "weir/data/input_files.h"
#include "weir/data/shard_writer.h"
#include "weir/io/json.h"
#include "weir/io/sha256.h"

namespace weir::data {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<uint32_t>;

/// The ids that go before and after each text.
struct Frame {
  Ids before, after;
};

Frame frame_of(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  Frame frame;
  if (options.add_special) {
    const std::vector<int64_t> plain = tokenizer.encode("a", false).ids;
    const std::vector<int64_t> framed = tokenizer.encode("a", true).ids;
    const auto place = std::search(framed.begin(), framed.end(), plain.begin(), plain.end());
    if (place == framed.end()) {
      fail(ErrorCode::kUnsupported,
           "the tokenizer's special tokens do not stand around a text; go without them");
    }
    frame.before.assign(framed.begin(), place);
    frame.after.assign(place + static_cast<int64_t>(plain.size()), framed.end());
  }
  const bool ends = options.end && !frame.after.empty() && frame.after.back() == *options.end;
  if (options.end && !ends) frame.after.push_back(static_cast<uint32_t>(*options.end));
  return frame;
}

/// Text documents on their way into the shard, tokenised a batch at a time.
class TextPipeline {
 public:
  TextPipeline(const Tokenizer& tokenizer, const TokenizeOptions& options, ShardWriter* writer)
      : tokenizer_(tokenizer),
        frame_(frame_of(tokenizer, options)),
        batch_bytes_(options.batch_bytes),
        writer_(writer),
        place_(writer->place()) {}

  /// `after`: the place behind the document.
  void add(std::string text, const ShardWriter::Place& after) {
    n_bytes_ += text.size();
    n_waiting_ += text.size();
    waiting_.push_back({std::move(text), after});
    if (n_waiting_ >= batch_bytes_) flush();
  }
  void flush();
  uint64_t n_bytes() const { return n_bytes_; }
  /// Behind the last document that is in the shard.
  const ShardWriter::Place& place() const { return place_; }

 private:
  struct Document {
    std::string text;
    ShardWriter::Place after;
  };
  const Tokenizer& tokenizer_;
  Frame frame_;
  size_t batch_bytes_;
  ShardWriter* writer_;
  std::vector<Document> waiting_;
  size_t n_waiting_ = 0;  ///< Bytes.
  uint64_t n_bytes_ = 0;
  ShardWriter::Place place_;
};

void TextPipeline::flush() {
  std::vector<std::string_view> texts;
  for (const Document& document : waiting_) texts.emplace_back(document.text);
  const IdLists lists = tokenizer_.encode_ids(texts);
  size_t begin = 0;
  for (size_t i = 0; i < waiting_.size(); ++i) {
    writer_->append(frame_.before.data(), frame_.before.size());
    writer_->append(lists.ids.data() + begin, lists.ends[i] - begin);
    writer_->append(frame_.after.data(), frame_.after.size());
    writer_->end_document();
    begin = lists.ends[i];
    place_ = waiting_[i].after;
  }
  waiting_.clear();
  n_waiting_ = 0;
}

std::string job_of(const std::vector<fs::path>& files, const ShardInfo& head,
                   const TokenizeOptions& options) {
  nlohmann::ordered_json job = {{"format", 1},
                                {"tokenizer", head.tokenizer_sha256},
                                {"vocab_size", head.vocab_size},
                                {"separator", options.text.separator},
                                {"blank_lines", options.text.blank_lines},
                                {"field", options.text.field},
                                {"add_special", options.add_special},
                                {"end", options.end.value_or(-1)},
                                {"ends_at", options.ids.ends_at.value_or(-1)},
                                {"begins_at", options.ids.begins_at.value_or(-1)}};
  for (const fs::path& file : files) {
    job["files"].push_back({fs::absolute(file).string(), fs::file_size(file),
                            fs::last_write_time(file).time_since_epoch().count()});
  }
  return io::sha256_hex(io::dump_json(job));
}

/// One call of tokenize().
class Work {
 public:
  Work(std::vector<fs::path> files, const std::optional<Tokenizer>& tokenizer,
       const TokenizeOptions& options, ShardWriter* writer)
      : files_(std::move(files)),
        options_(options),
        writer_(writer),
        progress_("tokenize", total_bytes(), "B") {
    if (tokenizer) pipeline_.emplace(*tokenizer, options, writer);
  }

  void run(int64_t vocab_size) {
    const ShardWriter::Place start = writer_->place();
    for (int64_t file = 0; file < start.file; ++file) done_ += fs::file_size(files_[file]);
    recorded_ = shown_ = done_;
    progress_.set(done_);
    for (auto file = start.file; file < static_cast<int64_t>(files_.size()); ++file) {
      const int64_t skip = file == start.file ? start.document : 0;
      if (kind_of(files_[file]) == FileKind::kIds) {
        take_ids(file, skip, vocab_size);
      } else {
        take_text(file, skip);
      }
      done_ += fs::file_size(files_[file]);
    }
    if (pipeline_) pipeline_->flush();
    require(writer_->n_documents() > 0, "{}: expected at least one document, found none",
            files_.front().string());
  }
  uint64_t n_text_bytes() const { return pipeline_ ? pipeline_->n_bytes() : 0; }

 private:
  uint64_t total_bytes() const {
    uint64_t sum = 0;
    for (const fs::path& file : files_) sum += fs::file_size(file);
    return sum;
  }
  void take_text(int64_t file, int64_t skip);
  void take_ids(int64_t file, int64_t skip, int64_t vocab_size);
  /// `position`: of the current file. `place`: behind what is in the shard, or that of the last
  /// record where there is nothing to record.
  void advance(uint64_t position, const ShardWriter::Place& place);

  std::vector<fs::path> files_;
  const TokenizeOptions& options_;
  ShardWriter* writer_;
  Progress progress_;
  std::optional<TextPipeline> pipeline_;
  uint64_t done_ = 0;      ///< Bytes of files that are behind.
  uint64_t shown_ = 0;     ///< Bytes that progress has heard of.
  uint64_t recorded_ = 0;  ///< Bytes at the last record.
};

void Work::take_text(int64_t file, int64_t skip) {
  const auto documents = TextDocuments::open(files_[file], options_.text);
  std::string text;
  for (int64_t document = 0; documents->next(&text); ++document) {
    if (document < skip) continue;
    pipeline_->add(std::move(text), {file, document + 1});
    text.clear();
    advance(documents->file_position(), pipeline_->place());
  }
}

void Work::take_ids(int64_t file, int64_t skip, int64_t vocab_size) {
  if (pipeline_) pipeline_->flush();  // What came before goes before.
  IdDocuments documents(files_[file], options_.ids);
  const auto bytes = static_cast<double>(fs::file_size(files_[file]));
  IdDocuments::Piece piece;
  int64_t document = 0, n_ids = 0;
  while (documents.next(vocab_size, &piece)) {
    n_ids += static_cast<int64_t>(piece.ids.size());
    if (document >= skip) writer_->append(piece.ids.data(), piece.ids.size());
    if (document >= skip && piece.ends_document) writer_->end_document();
    if (piece.ends_document) ++document;
    const double share = static_cast<double>(n_ids) / static_cast<double>(documents.size());
    const bool is_between = piece.ends_document && document > skip;
    advance(static_cast<uint64_t>(bytes * share),
            is_between ? ShardWriter::Place{file, document} : writer_->place());
  }
}

void Work::advance(uint64_t position, const ShardWriter::Place& place) {
  const uint64_t at = done_ + position;
  const bool is_due = at - recorded_ >= options_.record_bytes;
  const ShardWriter::Place last = writer_->place();
  const bool has_new = place.file != last.file || place.document != last.document;
  if (has_new && (is_due || interrupted())) {
    writer_->record(place);
    recorded_ = at;
  }
  progress_.advance(at > shown_ ? at - shown_ : 0);
  shown_ = std::max(shown_, at);
}

}  // namespace

std::string tokenizer_sha256(const Tokenizer& tokenizer) {
  return io::sha256_hex(tokenizer.to_json());
}

int64_t end_of_text(const Tokenizer& tokenizer) {
  require(tokenizer.special().eos.has_value(),
          "the tokenizer states no end-of-text token; name one of its tokens, or none");
  return *tokenizer.special().eos;
}

TokenizeResult tokenize(const std::vector<fs::path>& inputs,
                        const std::optional<Tokenizer>& tokenizer, const fs::path& out,
                        const TokenizeOptions& options) {
  std::vector<fs::path> files = find_files(inputs);
  ShardInfo head;
  head.vocab_size = tokenizer ? tokenizer->vocab_size() : options.vocab_size;
  if (tokenizer) head.tokenizer_sha256 = tokenizer_sha256(*tokenizer);
  for (const fs::path& file : files) {
    require(tokenizer || kind_of(file) == FileKind::kIds, "{}: text needs a tokenizer",
            file.string());
  }
  require(head.vocab_size >= 1 && head.vocab_size <= int64_t{1} << 32,
          "ids without a tokenizer: expected the size of their vocabulary, got {}",
          head.vocab_size);
  require(options.batch_bytes >= 1, "tokenise: expected batches of at least 1 byte, got 0");
  require(!options.end || (*options.end >= 0 && *options.end < head.vocab_size),
          "end of a text: expected an id of 0 to {}, got {}", head.vocab_size - 1,
          options.end.value_or(0));
  head.token_bytes = head.vocab_size <= 65536 ? 2 : 4;
  ShardWriter writer(out, head, job_of(files, head, options));
  TokenizeResult result;
  result.has_resumed = writer.n_documents() > 0;
  Work work(std::move(files), tokenizer, options, &writer);
  work.run(head.vocab_size);
  result.n_text_bytes = work.n_text_bytes();
  result.info = writer.finish();
  return result;
}

std::shared_ptr<const TokenShard> tokenize_once(const std::vector<std::filesystem::path>& inputs,
                                                const Tokenizer& tokenizer,
                                                const std::filesystem::path& out,
                                                const TokenizeOptions& options) {
  if (out.has_parent_path()) std::filesystem::create_directories(out.parent_path());
  if (!std::filesystem::exists(out)) tokenize(inputs, tokenizer, out, options);
  auto shard = TokenShard::open(out);
  require(shard->info().tokenizer_sha256 == tokenizer_sha256(tokenizer),
          "{}: made with another tokenizer; remove it", out.string());
  return shard;
}

}  // namespace weir::data
