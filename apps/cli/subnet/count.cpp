#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/subnet/options.h"
#include "weir/base/progress.h"
#include "weir/store/model_store.h"

namespace weir::cli {
namespace {

struct CountVerb {
  std::string model, save;
  CorpusOptions corpus;
  OutputOptions output;
  int64_t order = 2, buffer = 256;
};

void count(const CountVerb& verb) {
  set_progress_enabled(!verb.output.quiet);
  const LanguageModel lm = LanguageModel::load(resolve_model(verb.model));
  const Corpus corpus = open_corpus(verb.corpus, lm);
  NgramCountOptions options;
  options.order = verb.order;
  options.vocabulary = lm.has_tokenizer()
                           ? std::min<int64_t>(lm.config().d_vocab, lm.tokenizer().vocab_size())
                           : lm.config().d_vocab;
  options.buffer_bytes = verb.buffer << 20;
  const std::filesystem::path folder = std::filesystem::path(verb.save).parent_path();
  options.scratch = folder.empty() ? std::filesystem::path(".") : folder;
  const NgramModel table = count_ngrams(corpus, options);
  table.save(verb.save, {{"corpus", verb.corpus.corpus},
                         {"tokens", std::to_string(corpus.n_tokens())},
                         {"row_length", std::to_string(corpus.length())}});
  TableBlock block{"N-grams", {"order", "contexts", "entries"}, {}, ""};
  nlohmann::ordered_json orders;
  for (int64_t order = 1; order <= table.order(); ++order) {
    const NgramLevel& level = table.level(order);
    block.rows.push_back({order, level.n_contexts(), level.n_entries()});
    orders.push_back(
        {{"order", order}, {"contexts", level.n_contexts()}, {"entries", level.n_entries()}});
  }
  block.note = fmt::format("of {} tokens in rows of {}, {} different", corpus.n_tokens(),
                           corpus.length(), table.level(1).n_entries());
  show_document({"N-grams", plain_provenance(), {std::move(block)}}, verb.output,
                {{"vocabulary", table.vocabulary()},
                 {"tokens", corpus.n_tokens()},
                 {"orders", orders},
                 {"save", verb.save}});
}

}  // namespace

void add_subnet_count(Verb& subnet) {
  auto options = std::make_shared<CountVerb>();
  Verb& verb = subnet.verb(
      {"count",
       "counts n-grams of a corpus into a file",
       "Exact, in bounded memory: sorted runs are kept beside the file and merged. Each row is a "
       "sequence of its own. What `--target` and `--add-k` of the other verbs read.",
       {"weir subnet count smollm2-135m --corpus book.txt --save bigrams.safetensors"}});
  verb.argument("MODEL", &options->model, "Whose tokenizer cuts the text");
  add_corpus_options(verb, options->corpus);
  verb.option("--order", &options->order, "N", "1: tokens alone, 2: bigrams, ...", {1, 7})
      .option("--buffer", &options->buffer, "MB", "Memory for n-grams that wait to be sorted",
              {1, 1 << 20});
  add_output_file(verb, "--save", &options->save, "F.safetensors", "Where the table goes")
      .required();
  add_output_options(verb, options->output);
  verb.run([options] { count(*options); });
}

}  // namespace weir::cli
