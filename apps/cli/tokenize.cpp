#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/verbs.h"
#include "weir/store/model_store.h"

namespace weir::cli {
namespace {

struct TokenizeVerb {
  std::string model, text = "-", text_file;
  OutputOptions output;
  bool no_special = false;
};

void tokenize(const TokenizeVerb& verb) {
  const Tokenizer tokenizer = load_tokenizer(resolve_model(verb.model));
  const std::string text =
      verb.text_file.empty() ? read_text(verb.text, "") : read_text("", verb.text_file);
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

void add_tokenize(CLI::App& app) {
  auto verb = std::make_shared<TokenizeVerb>();
  CLI::App* command = add_verb(
      app, {"tokenize",
            "shows how a model's tokenizer cuts a text",
            "Offsets are bytes of the text as UTF-8. --json prints {ids, tokens, offsets}.",
            {"weir tokenize smollm2-135m 'Hello world'",
             "weir tokenize smollm2-135m --text-file notes.txt --json"}});
  command->add_option("MODEL", verb->model, "A model of the store, a folder, or a file")
      ->required();
  command->add_option("TEXT", verb->text, "The text; stdin when left out or -");
  command->add_option("--text-file", verb->text_file, "A file that holds the text")->type_name("F");
  command->add_flag("--no-special", verb->no_special, "Without BOS and the like");
  add_output_options(*command, verb->output);
  command->callback([verb] { tokenize(*verb); });
}

}  // namespace weir::cli
