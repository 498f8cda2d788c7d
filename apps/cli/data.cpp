#include <charconv>
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/data_verbs.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/data/tokenize.h"
#include "weir/data/train_tokenizer.h"
#include "weir/store/model_store.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct InputOptions {
  std::vector<std::string> inputs;
  data::TextOptions text;
  std::vector<std::filesystem::path> paths() const { return {inputs.begin(), inputs.end()}; }
};

void add_input_options(Verb& verb, InputOptions& options, const std::string& kinds) {
  verb.arguments("INPUT", &options.inputs, "Files (" + kinds + ") and folders of them")
      .option("--separator", &options.text.separator, "TEXT",
              "Documents of a .txt file lie between these; without, a file is one document")
      .flag("--blank-lines", &options.text.blank_lines,
            "Documents of a .txt file lie between blank lines")
      .option("--field", &options.text.field, "NAME", "The member of JSON lines that is the text");
}

struct TokenizeData {
  InputOptions input;
  std::string tokenizer, out, end = "eos";
  bool no_special = false;
  int64_t ends_at = -1, begins_at = -1, vocab_size = 0;
  OutputOptions output;
};

// "eos", "none", a token as the vocabulary spells it, or its id.
std::optional<int64_t> end_token(const TokenizeData& verb, const Tokenizer& tokenizer) {
  if (verb.end == "none") return std::nullopt;
  if (verb.end == "eos") {
    require_usage(
        tokenizer.special().eos.has_value(),
        "--end: this tokenizer states no end-of-text token; give one of its tokens, or none");
    return data::end_of_text(tokenizer);
  }
  if (const auto id = tokenizer.id_of(verb.end)) return id;
  int64_t id = -1;
  const char* const last = verb.end.data() + verb.end.size();
  const auto [rest, error] = std::from_chars(verb.end.data(), last, id);
  const bool is_id = error == std::errc() && rest == last && id >= 0 && id < tokenizer.vocab_size();
  require_usage(is_id, "--end: expected eos, none, a token or its id, found '" + verb.end + "'");
  return id;
}

data::TokenizeOptions library_options(const TokenizeData& verb,
                                      const std::optional<Tokenizer>& tokenizer) {
  data::TokenizeOptions options;
  options.text = verb.input.text;
  options.add_special = !verb.no_special;
  if (tokenizer) options.end = end_token(verb, *tokenizer);
  if (verb.ends_at >= 0) options.ids.ends_at = verb.ends_at;
  if (verb.begins_at >= 0) options.ids.begins_at = verb.begins_at;
  options.vocab_size = verb.vocab_size;
  return options;
}

void tokenize_data(const TokenizeData& verb) {
  require_usage(verb.tokenizer.empty() == (verb.vocab_size > 0),
                "expected --tokenizer, or --vocab-size for files of ids, and not both");
  set_progress_enabled(!verb.output.quiet);
  std::optional<Tokenizer> tokenizer;
  if (!verb.tokenizer.empty()) tokenizer = load_tokenizer(resolve_model(verb.tokenizer));
  const auto start = std::chrono::steady_clock::now();
  const data::TokenizeResult result =
      data::tokenize(verb.input.paths(), tokenizer, verb.out, library_options(verb, tokenizer));
  const double seconds = seconds_since(start);
  const data::ShardInfo& info = result.info;
  const auto n_bytes = static_cast<double>(result.n_text_bytes);
  std::string text = fmt::format("{}: {} tokens in {} documents{}", verb.out, info.n_tokens,
                                 info.n_documents, result.has_resumed ? ", resumed" : "");
  if (n_bytes > 0) {
    text += fmt::format("\n{:.1f} MB of text in {:.1f} s: {:.1f} MB/s", n_bytes / 1e6, seconds,
                        n_bytes / 1e6 / seconds);
  }
  Report report{"Tokenised", plain_provenance(), {TextBlock{"", text}}};
  report.provenance.model = verb.tokenizer;
  show_document(report, verb.output,
                {{"file", verb.out},
                 {"tokens", info.n_tokens},
                 {"documents", info.n_documents},
                 {"vocab_size", info.vocab_size},
                 {"tokenizer_sha256", info.tokenizer_sha256},
                 {"sha256", info.sha256},
                 {"resumed", result.has_resumed},
                 {"text_bytes", result.n_text_bytes},
                 {"seconds", seconds}});
}

void add_tokenize_data(Verb& group) {
  auto options = std::make_shared<TokenizeData>();
  Verb& verb = group.verb(
      {"tokenize",
       "makes a shard of tokens out of texts",
       "Each document is tokenised for itself and ended by a token. A call that was stopped or "
       "killed goes on where it was when it is given again, and ends with the same file.",
       {"weir data tokenize stories.jsonl.zst --tokenizer smollm2-135m --out stories.shard",
        "weir data tokenize corpus/ --separator '<|endoftext|>' --tokenizer smollm2-135m --out "
        "corpus.shard",
        "weir data tokenize train.bin --vocab-size 50257 --ends-at 50256 --out train.shard"}});
  add_input_options(verb, options->input, ".txt, .jsonl, each also .zst; .npy, .bin of ids");
  verb.option("--tokenizer", &options->tokenizer, "T",
              "A model of the store, or a folder or file with a tokenizer")
      .option("--end", &options->end, "TOKEN",
              "What ends a text: eos (the tokenizer's own), none, a token or its id")
      .flag("--no-special", &options->no_special, "Without BOS and the like")
      .option("--ends-at", &options->ends_at, "ID",
              "Documents of files of ids end with this id (nanoGPT); -1: none", {-1})
      .option("--begins-at", &options->begins_at, "ID", "They begin with it (llm.c); -1: none",
              {-1})
      .option("--vocab-size", &options->vocab_size, "N",
              "In place of --tokenizer, for files of ids alone", {0, int64_t{1} << 32});
  add_output_file(verb, "--out", &options->out, "SHARD", "Where the shard goes").required();
  add_output_options(verb, options->output);
  verb.run([options] { tokenize_data(*options); });
}

struct TrainTokenizer {
  InputOptions input;
  BpeTrainOptions bpe;
  std::string out;
  std::vector<std::string> special;
  OutputOptions output;
};

void train(const TrainTokenizer& verb) {
  set_progress_enabled(!verb.output.quiet);
  BpeTrainOptions bpe = verb.bpe;
  if (!verb.special.empty()) bpe.special_tokens = verb.special;
  const auto start = std::chrono::steady_clock::now();
  const Tokenizer tokenizer = data::train_tokenizer(verb.input.paths(), bpe, verb.input.text);
  tokenizer.save(verb.out);
  const double seconds = seconds_since(start);
  const std::string text =
      fmt::format("{}: {} tokens, in {:.1f} s", verb.out, tokenizer.vocab_size(), seconds);
  show_document({"Tokenizer", plain_provenance(), {TextBlock{"", text}}}, verb.output,
                {{"folder", verb.out},
                 {"vocab_size", tokenizer.vocab_size()},
                 {"tokenizer_sha256", data::tokenizer_sha256(tokenizer)},
                 {"seconds", seconds}});
}

void add_train_tokenizer(Verb& group) {
  auto options = std::make_shared<TrainTokenizer>();
  Verb& verb = group.verb(
      {"train-tokenizer",
       "trains a byte-level BPE on texts",
       "The folder is one that Hugging Face's tools and --tokenizer read. The first special token "
       "ends texts.",
       {"weir data train-tokenizer corpus/ --vocab-size 8192 --out tokenizer"}});
  add_input_options(verb, options->input, ".txt, .jsonl, each also .zst");
  verb.option("--vocab-size", &options->bpe.vocab_size, "N", "Bytes and special tokens included",
              {257, (int64_t{1} << 24) - 1})
      .option("--min-frequency", &options->bpe.min_frequency, "N",
              "How often a pair must come to be merged", {0})
      .texts("--special", &options->special, "TOKEN",
             "A special token, in place of <|endoftext|>; may be repeated");
  verb.option("--out", &options->out, "FOLDER", "Where the tokenizer goes").required();
  add_output_options(verb, options->output);
  verb.run([options] { train(*options); });
}

}  // namespace

void add_data(Verb& weir) {
  Verb& group = weir.verb(
      Heading::kMake, {"data",
                       "makes shards of tokens out of texts, and tokenizers",
                       "",
                       {"weir data tokenize corpus/ --tokenizer smollm2-135m --out corpus.shard"}});
  add_tokenize_data(group);
  add_data_info(group);
  add_data_sample(group);
  add_train_tokenizer(group);
}

}  // namespace weir::cli
