#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/sae/options.h"
#include "apps/cli/sae/sae_verbs.h"
#include "weir/report/report.h"

namespace weir::cli {
namespace {

struct ConvertVerb {
  SaeOptions sae;
  std::string folder, to = "weir";
  OutputOptions output;
};

std::vector<std::string> written_formats() {
  std::vector<std::string> names;
  for (const SaeFormatInfo& format : sae_formats()) {
    if (format.writes) names.push_back(format.name);
  }
  return names;
}

void convert(const ConvertVerb& verb) {
  const SaeFile file = load(verb.sae);
  const std::vector<std::string> notes = save_sae(file.sae, verb.folder, verb.to);
  TableBlock block{"Converted", {"what", "value"}, {}, ""};
  block.rows = {{"from", file.format}, {"to", verb.to}, {"folder", verb.folder}};
  for (const std::string& note : notes) block.rows.push_back({"note", note});
  show_document({"Converted", plain_provenance(), {std::move(block)}}, verb.output,
                {{"from", file.format},
                 {"to", verb.to},
                 {"kind", file.sae.config.kind},
                 {"folder", verb.folder},
                 {"notes", notes}});
}

}  // namespace

void add_sae_convert(Verb& sae) {
  auto options = std::make_shared<ConvertVerb>();
  Verb& verb = sae.verb({"convert",
                         "writes a dictionary in another format",
                         "The same function in the other format's terms; what it cannot say is "
                         "refused. What had to be "
                         "folded or moved is listed.",
                         {"weir sae convert pythia-70m/trainer_0 out --to saelens"}});
  add_sae_options(verb, options->sae);
  verb.argument("OUT_DIR", &options->folder, "A new folder");
  verb.choice("--to", &options->to, written_formats(), "The format to write");
  add_output_options(verb, options->output);
  verb.run([options] { convert(*options); });
}

}  // namespace weir::cli
