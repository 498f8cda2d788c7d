#include "weir/data/train_tokenizer.h"

#include <algorithm>
#include <cctype>
#include <deque>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/data/input_files.h"

namespace weir::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPieceBytes = size_t{32} << 10;

// The first line's end at or after `from` that has a letter or digit on both sides; GPT-2's rule,
// by which the trainer splits words, ends a word there whatever else is around.
size_t next_cut(std::string_view text, size_t from) {
  const auto is_plain = [&](size_t i) {
    return i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0;
  };
  for (size_t end = text.find('\n', from); end != std::string_view::npos;
       end = text.find('\n', end + 1)) {
    if (end > 0 && is_plain(end - 1) && is_plain(end + 1)) return end + 1;
  }
  return text.size();
}

/// The documents of several files in pieces, one after the other, so that all threads get work.
class Texts {
 public:
  Texts(std::vector<fs::path> files, const TextOptions& options)
      : files_(std::move(files)), options_(options), progress_("read", total_bytes(), "B") {}

  bool next(std::string* piece) {
    while (pieces_.empty()) {
      if (!next_document()) return false;
    }
    piece->assign(pieces_.front());
    pieces_.pop_front();
    return true;
  }

 private:
  uint64_t total_bytes() const {
    uint64_t sum = 0;
    for (const fs::path& file : files_) sum += fs::file_size(file);
    return sum;
  }

  bool next_document() {
    while (!documents_ || !documents_->next(&text_)) {
      if (next_file_ == files_.size()) return false;
      documents_ = TextDocuments::open(files_[next_file_++], options_);
      position_ = 0;
    }
    for (std::string_view rest = text_; !rest.empty();) {
      const size_t cut = next_cut(rest, std::min(kPieceBytes, rest.size()));
      pieces_.push_back(rest.substr(0, cut));
      rest.remove_prefix(cut);
    }
    progress_.advance(documents_->file_position() - position_);
    position_ = documents_->file_position();
    return true;
  }

  std::vector<fs::path> files_;
  TextOptions options_;
  Progress progress_;
  std::unique_ptr<TextDocuments> documents_;
  size_t next_file_ = 0;
  uint64_t position_ = 0;
  std::string text_;
  std::deque<std::string_view> pieces_;  ///< Of text_.
};

}  // namespace

Tokenizer train_tokenizer(const std::vector<fs::path>& inputs, const BpeTrainOptions& options,
                          const TextOptions& text) {
  Texts texts(find_files(inputs), text);
  return train_bpe([&](std::string* piece) { return texts.next(piece); }, options);
}

}  // namespace weir::data
