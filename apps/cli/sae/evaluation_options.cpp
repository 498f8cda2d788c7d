#include "apps/cli/sae/evaluation_options.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/base/error.h"
#include "weir/subnet/corpus.h"

namespace weir::cli {
namespace {

std::vector<int64_t> numbers_of(const std::vector<std::string>& words) {
  std::vector<int64_t> numbers;
  for (const std::string& word : words) {
    const bool is_number = !word.empty() && word.size() < 7 &&
                           word.find_first_not_of("0123456789") == std::string::npos;
    require_usage(is_number && word[0] != '0', "--ks: expected numbers from 1 on, found " + word);
    numbers.push_back(std::stoll(word));
  }
  return numbers;
}

std::vector<int64_t> special_tokens(const LanguageModel& lm) {
  std::vector<int64_t> ids;
  if (!lm.has_tokenizer()) return ids;
  const SpecialIds& special = lm.tokenizer().special();
  for (const auto& id : {special.bos, special.eos, special.pad}) {
    if (id) ids.push_back(*id);
  }
  return ids;
}

/// The first rows of the text; with BOS in front where dictionaries were trained so.
at::Tensor rows_of(const EvaluationOptions& options, const LanguageModel& lm, bool with_bos) {
  require_usage(!options.text.empty(), "expected --text, on which the dictionary is measured");
  const Tokenizer* tokenizer = lm.has_tokenizer() ? &lm.tokenizer() : nullptr;
  const Corpus corpus = Corpus::open(options.text, tokenizer, options.length - (with_bos ? 1 : 0));
  const int64_t n = options.rows > 0 ? std::min(options.rows, corpus.n_rows()) : corpus.n_rows();
  const at::Tensor rows = corpus.rows(0, n);
  if (!with_bos) return rows;
  require(tokenizer != nullptr && tokenizer->special().bos.has_value(),
          "the dictionary was trained on rows that begin with BOS; the model has none");
  return at::cat({at::full({n, 1}, *tokenizer->special().bos, at::kLong), rows}, 1);
}

bool reads_tokens(const SuiteOptions& suite) { return suite.has("core") || suite.has("mdl"); }
bool reads_texts(const SuiteOptions& suite) {
  return suite.has("sparse_probing") || suite.has("sparse_probing_sae_probes") ||
         suite.has("tpp") || suite.has("scr");
}

LabelledTexts texts_of(const EvaluationOptions& options, const SuiteOptions& suite) {
  require_usage(!suite.has("scr") || !options.attribute_field.empty(),
                "scr needs texts with a label and an attribute: --texts and --attribute-field");
  if (options.texts.empty()) return subject_passages();
  LabelledTextsOptions read;
  read.text_field = options.text_field;
  read.label_field = options.label_field;
  read.attribute_field = options.attribute_field;
  read.most_per_label = options.most_texts;
  read.seed = options.seed;
  return read_labelled_texts(options.texts, read);
}

SuiteOptions suite_of(const EvaluationOptions& options) {
  SuiteOptions suite;
  suite.evaluations = options.evaluations;
  suite.core.batch = suite.pool.batch = suite.absorption.batch = options.batch;
  suite.core.n_loss_rows = options.loss_rows;
  suite.pool.context = options.length;
  suite.core.filter.skip_positions = options.skip_positions;
  suite.core.filter.max_norm_multiple = options.max_norm;
  suite.probing.ks = numbers_of(options.ks);
  suite.absorption.n_words = options.words;
  suite.seed = options.seed;
  return suite;
}

}  // namespace

void add_evaluation_options(Verb& verb, EvaluationOptions& options,
                            const std::vector<std::string>& usual) {
  options.evaluations = usual;
  verb.option("--model", &options.model.model, "M",
              "The model it belongs to; left out: what the dictionary says");
  verb.option("--device", &options.model.device, "cpu|cuda:N", "Where to compute");
  verb.option("--threads", &options.model.threads, "N", "Threads; 0: every CPU the process may use",
              {0});
  verb.option("--text", &options.text, "F",
              "Text, shard or token ids (FILE[:KEY]) that it is measured on; not what it was "
              "trained on");
  verb.list("--evals", &options.evaluations, "NAMES", "What is measured, of SAEBench's names",
            evaluation_names());
  verb.option("--rows", &options.rows, "N", "Rows of the text; 0: all", {0})
      .option("--loss-rows", &options.loss_rows, "N",
              "Rows whose losses are taken (three more runs each); 0: all", {0})
      .option("--length", &options.length, "T", "Tokens of a row, and of a labelled text", {2})
      .option("--batch", &options.batch, "B", "Rows at once", {1})
      .option("--skip-positions", &options.skip_positions, "N",
              "First tokens of a row that count in nothing", {0})
      .option("--max-norm", &options.max_norm, "X",
              "Tokens above X times the median norm count in nothing; 0: no limit", {0})
      .option("--seed", &options.seed, "S", "Of intervals, probes, negatives and words");
  verb.option("--texts", &options.texts, "F.jsonl",
              "Labelled texts for probes and removal; left out: passages of six subjects")
      .option("--text-field", &options.text_field, "NAME", "Their text")
      .option("--label-field", &options.label_field, "NAME", "Their label")
      .option("--attribute-field", &options.attribute_field, "NAME", "Their second label (scr)")
      .option("--most-texts", &options.most_texts, "N", "Of each label and part; 0: all", {0})
      .option("--words", &options.words, "N", "Of the vocabulary, for absorption", {50});
  verb.list("--ks", &options.ks, "K,...", "Latents of sparse probes");
}

EvaluationInput open_evaluation(EvaluationOptions& options, const std::vector<SaeFile>& saes,
                                bool hash) {
  SuiteOptions suite = suite_of(options);
  LabelledTexts texts;
  if (reads_texts(suite)) texts = texts_of(options, suite);
  const SaeConfig& config = saes.at(0).sae.config;
  if (options.model.model.empty()) options.model.model = config.model;
  require_usage(!options.model.model.empty(),
                "expected --model: the dictionary does not say what it belongs to");
  LanguageModel lm = load(options.model, "none", hash);
  suite.core.filter.skip_tokens = special_tokens(lm);
  suite.pool.filter = suite.core.filter;
  at::Tensor tokens;
  if (reads_tokens(suite)) tokens = rows_of(options, lm, config.prepend_bos.value_or(false));
  return {std::move(lm), std::move(tokens), std::move(texts), std::move(suite), options.text};
}

EvalSubject subject_of(const SaeFile& file, const std::string& model) {
  std::filesystem::path folder = std::filesystem::absolute(file.file).lexically_normal();
  if (!std::filesystem::is_directory(folder)) folder = folder.parent_path();
  return {folder.parent_path().filename().string(), folder.filename().string(), model};
}

}  // namespace weir::cli
