#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/verbs.h"
#include "weir/store/model_store.h"

namespace weir::cli {
namespace {

struct TokenizeVerb {
  std::string model;
  TextOptions text;
  OutputOptions output;
  bool no_special = false;
};

void tokenize(const TokenizeVerb& verb) {
  const std::string text = read_text(verb.text.is_given() ? verb.text : TextOptions{"-", "", ""});
  const Tokenizer tokenizer = load_tokenizer(resolve_model(verb.model));
  const Encoding encoding = tokenizer.encode(text, !verb.no_special);
  nlohmann::ordered_json offsets = nlohmann::ordered_json::array();
  TableBlock table{"Tokens", {"index", "id", "token", "text", "bytes"}, {}, ""};
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    const auto [begin, end] = encoding.offsets[i];
    offsets.push_back({begin, end});
    table.rows.push_back({static_cast<int64_t>(i), encoding.ids[i], encoding.tokens[i],
                          tokenizer.display(encoding.ids[i]),
                          std::to_string(begin) + "-" + std::to_string(end)});
  }
  Report report;
  report.title = std::to_string(encoding.ids.size()) + " tokens";
  report.provenance = plain_provenance();
  report.blocks.emplace_back(std::move(table));
  report.provenance.model = verb.model;
  show_document(report, verb.output,
                {{"ids", encoding.ids}, {"tokens", encoding.tokens}, {"offsets", offsets}});
}

}  // namespace

void add_tokenize(Verb& weir) {
  auto options = std::make_shared<TokenizeVerb>();
  Verb& verb =
      weir.verb({"tokenize",
                 "shows how a model's tokenizer cuts a text",
                 "Offsets are bytes of the text as UTF-8. --json prints {ids, tokens, offsets}.",
                 {"weir tokenize smollm2-135m 'Hello world'",
                  "weir tokenize smollm2-135m --text-file notes.txt --json"}});
  verb.argument("MODEL", &options->model, "A model of the store, a folder, or a file");
  add_text_options(verb, options->text, "TEXT", "The text; stdin when left out or -");
  verb.flag("--no-special", &options->no_special, "Without BOS and the like");
  add_output_options(verb, options->output);
  verb.run([options] { tokenize(*options); });
}

}  // namespace weir::cli
