#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/sae/sae_verbs.h"
#include "apps/cli/token_source.h"
#include "weir/base/error.h"
#include "weir/io/safetensors.h"
#include "weir/sae/attention/attribution_graph.h"
#include "weir/sae/attention/feature_attribution.h"
#include "weir/sae/attention/head_shares.h"
#include "weir/sae/formats/sae_file.h"
#include "weir/sae/splice/splice.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

/// L of "blocks.L.attn.hook_z".
int64_t layer_of(const Sae& sae) {
  const std::optional<int64_t> layer = layer_of_hook(sae.config.hook);
  require(layer.has_value(),
          "expected a dictionary that says its hook, such as blocks.3.attn.hook_z; "
          "found '{}'",
          sae.config.hook);
  return *layer;
}

struct HeadsVerb {
  ModelOptions model;
  OutputOptions output;
  std::string sae, of = "decoder", save;
  int64_t top = 10;
};

void run_heads(const HeadsVerb& verb) {
  const Sae sae = load_sae(verb.sae).sae;
  const LanguageModel lm = load(verb.model);
  const int64_t n_heads = lm.config().n_heads;
  const HeadShare of = verb.of == "decoder"   ? HeadShare::kDecoder
                       : verb.of == "encoder" ? HeadShare::kEncoder
                                              : HeadShare::kResidual;
  at::Tensor W_O;
  if (of == HeadShare::kResidual) {
    const int64_t layer = layer_of(sae);
    require(layer < lm.config().n_layers, "the dictionary is of layer {}, the model has {}", layer,
            lm.config().n_layers);
    W_O = lm.transformer().weights().blocks[layer].attn.W_O.dense(at::kDouble);
  }
  const at::Tensor shares = head_shares(sae, n_heads, of, W_O);
  const auto tops = top_features_of_heads(shares, verb.top);
  if (!verb.save.empty()) io::write_safetensors(verb.save, {to_view("shares", shares)});
  TableBlock table{"Features of heads",
                   {"head", "mean share", "features with the largest share"},
                   {},
                   "share: of the norms of a feature's blocks; a row sums to 1"};
  for (int64_t h = 0; h < n_heads; ++h) {
    table.rows.push_back(
        {h, shares.select(1, h).mean().item<double>(), fmt::format("{}", fmt::join(tops[h], " "))});
  }
  show({"Heads of features", provenance(lm, verb.model, 0), {std::move(table)}}, verb.output,
       {{"of", verb.of}, {"top_features", tops}, {"mean_share", to_json(shares.mean(0))}});
}

struct DfaVerb {
  ModelOptions model;
  TokenSource source;
  OutputOptions output;
  std::string sae, by = "source", save;
  int64_t feature = 0, position = -1;
};

/// [B, D, ...] at the chosen destination, which counts from the end when negative.
at::Tensor at_destination(const at::Tensor& values, int64_t axis, int64_t position) {
  const int64_t n = values.size(axis);
  require(position >= -n && position < n, "expected a position from {} to {}, found {}", -n, n - 1,
          position);
  return values.select(axis, position < 0 ? position + n : position);
}

void run_dfa(const DfaVerb& verb) {
  const Sae sae = load_sae(verb.sae).sae;
  require(verb.feature < sae.config.d_sae, "expected a feature below {}, found {}",
          sae.config.d_sae, verb.feature);
  const LanguageModel lm = load(verb.model);
  const TokenBatch batch = read_token_source(verb.source, lm);
  const AttentionRun run = run_attention(lm, batch, layer_of(sae));
  const FeatureAttribution found = attribute_features(run, sae, {verb.feature});
  const at::Tensor pre = at_destination(found.pre.select(1, 0), 1, verb.position);  // [B]
  at::Tensor parts = at_destination(found.by_source.select(1, 0), 1, verb.position);
  if (verb.by == "head") parts = at_destination(found.by_head.select(1, 0), 2, verb.position);
  if (verb.by == "both") {
    parts = at_destination(attribute_heads_and_sources(run, sae, {verb.feature}).select(1, 0), 2,
                           verb.position);
  }
  if (!verb.save.empty()) {
    io::write_safetensors(verb.save,
                          {to_view("attribution", parts.contiguous()),
                           to_view("pre", pre.contiguous()), to_view("constant", found.constant)},
                          {{"by", verb.by}});
  }
  Report report{"Where a feature comes from", provenance(lm, verb.model, 0), {}};
  const at::Tensor by_source = at_destination(found.by_source.select(1, 0), 1, verb.position)[0];
  TokenStripBlock strip{
      "By source token", "part of the pre-activation", {}, to_doubles(by_source), {}, {}};
  for (int64_t t = 0; t < by_source.size(0); ++t) {
    strip.tokens.push_back(lm.token_text(batch.tokens[0][t].item<int64_t>()));
  }
  report.blocks.emplace_back(std::move(strip));
  TableBlock heads{"By head", {"head", "part"}, {}, ""};
  const at::Tensor by_head = at_destination(found.by_head.select(1, 0), 2, verb.position)[0];
  for (int64_t h = 0; h < by_head.size(0); ++h) {
    heads.rows.push_back({h, by_head[h].item<double>()});
  }
  report.blocks.emplace_back(std::move(heads));
  show(std::move(report), verb.output,
       {{"by", verb.by},
        {"attribution", to_json(parts)},
        {"constant", found.constant[0].item<double>()},
        {"pre", to_json(pre)}});
}

struct RdfaVerb {
  ModelOptions model;
  TokenSource source;
  OutputOptions output;
  std::vector<std::string> saes;
  std::string target, mode = "graph", save;
  int64_t row = 0;
  TreeOptions tree;
  GraphOptions graph;
};

/// "L.I@P"; P counts from the end when negative.
FeatureAt target_of(const std::string& word, int64_t n_positions) {
  FeatureAt target;
  int length = 0;
  const int n_read = std::sscanf(word.c_str(), "%ld.%ld@%ld%n", &target.layer, &target.feature,
                                 &target.position, &length);
  require_usage(n_read == 3 && length == static_cast<int>(word.size()) && target.layer >= 0 &&
                    target.feature >= 0,
                fmt::format("--target: expected LAYER.FEATURE@POSITION, found '{}'", word));
  if (target.position < 0) target.position += n_positions;
  return target;
}

Json leaves_json(const RecursiveAttribution& found) {
  Json leaves;
  for (const Leaf& leaf : found.leaves) leaves[leaf.name] = leaf.values.sum().item<double>();
  return leaves;
}

/// Indented, as deep as it goes.
void write_tree(const std::vector<TreeNode>& tree, int64_t at, int depth, std::string* text) {
  const TreeNode& node = tree[at];
  *text += fmt::format("{:{}}{}{} {:+.4f} ({:.0f} %)\n", "", 2 * depth, node.name,
                       node.position < 0 ? "" : fmt::format("@{}", node.position), node.value,
                       100 * node.of_root);
  for (const int64_t child : node.children) write_tree(tree, child, depth + 1, text);
}

Json tree_json(const std::vector<TreeNode>& tree) {
  Json nodes = Json::array();
  for (const TreeNode& node : tree) {
    nodes.push_back({{"name", node.name},
                     {"position", node.position},
                     {"value", node.value},
                     {"of_parent", node.of_parent},
                     {"of_root", node.of_root},
                     {"parent", node.parent}});
  }
  return nodes;
}

void save_attribution(const RecursiveAttribution& found, const std::string& file) {
  std::vector<io::TensorView> tensors;
  for (const Leaf& leaf : found.leaves) {
    tensors.push_back(to_view(leaf.name, leaf.values.contiguous()));
  }
  for (size_t k = 0; k < found.covectors.size(); ++k) {
    tensors.push_back(to_view(fmt::format("covector.{}", k), found.covectors[k].contiguous()));
  }
  io::write_safetensors(file, tensors);
}

void run_rdfa(const RdfaVerb& verb) {
  std::vector<SaeFile> files;
  for (const std::string& path : verb.saes) files.push_back(load_sae(path));
  LayerSaes attention, transcoders;
  for (const SaeFile& file : files) {
    const bool is_transcoder = file.sae.config.kind.find("transcoder") != std::string::npos;
    (is_transcoder ? transcoders : attention)[layer_of(file.sae)] = &file.sae;
  }
  const LanguageModel lm = load(verb.model);
  const TokenBatch batch = read_token_source(verb.source, lm);
  require(verb.row < batch.tokens.size(0), "expected a row below {}, found {}",
          batch.tokens.size(0), verb.row);
  const at::Tensor tokens = batch.tokens[verb.row];
  const FeatureAt target = target_of(verb.target, tokens.size(0));
  const FrozenRun run = freeze(lm, tokens, target.layer, attention, transcoders);
  const RecursiveAttribution found = attribute_recursively(run, target);
  if (!verb.save.empty()) save_attribution(found, verb.save);
  std::vector<std::string> words;
  for (int64_t t = 0; t < tokens.size(0); ++t) {
    words.push_back(lm.token_text(tokens[t].item<int64_t>()));
  }
  Json result{{"pre", found.pre},
              {"sum_of_leaves", found.sum_of_leaves},
              {"error_share", found.error_share()},
              {"leaves", leaves_json(found)}};
  Report report{fmt::format("Feature {}", verb.target), provenance(lm, verb.model, 0), {}};
  const at::Tensor embed = found.leaf("embed");
  report.blocks.emplace_back(TokenStripBlock{
      "Through which tokens", "part of the pre-activation", words, to_doubles(embed), {}, {}});
  TableBlock table{"Leaves", {"leaf", "part"}, {}, ""};
  if (found.error_share() > 0.5) {
    table.note = "more than half is what the dictionaries do not explain";
  }
  for (const auto& [name, value] : result["leaves"].items()) {
    table.rows.push_back({name, value.get<double>()});
  }
  report.blocks.emplace_back(std::move(table));
  if (verb.mode == "tree") {
    const std::vector<TreeNode> tree = attribution_tree(run, target, verb.tree);
    TextBlock text{"Tree", ""};
    write_tree(tree, 0, 0, &text.text);
    report.blocks.emplace_back(std::move(text));
    result["tree"] = tree_json(tree);
  }
  if (verb.mode == "edges") {
    const AttributionGraph graph = attribution_graph(run, target, verb.graph);
    const Json document = graph_json(graph, prune_graph(graph, verb.graph), verb.graph, words,
                                     tokens, verb.model.model);
    return show_document(report, verb.output, document);
  }
  show(std::move(report), verb.output, result);
}

}  // namespace

void add_sae_heads(Verb& sae) {
  auto options = std::make_shared<HeadsVerb>();
  Verb& verb = sae.verb({"heads",
                         "tells which heads a feature of attention belongs to, by its weights",
                         "For dictionaries on hook_z.",
                         {"weir sae heads my-sae gpt2 --of residual --save shares.safetensors"}});
  verb.argument("SAE", &options->sae, "A dictionary on hook_z");
  add_model_options(verb, options->model);
  verb.choice("--of", &options->of, {"decoder", "residual", "encoder"}, "Whose norms are compared")
      .option("--top", &options->top, "K", "Features listed for each head", {1});
  add_output_file(verb, "--save", &options->save, "OUT.safetensors", "shares [F, H]");
  add_output_options(verb, options->output);
  verb.run([options] { run_heads(*options); });
}

void add_sae_dfa(Verb& sae) {
  auto options = std::make_shared<DfaVerb>();
  Verb& verb =
      sae.verb({"dfa",
                "tells which tokens, through which heads, make a feature of attention fire",
                "Exact with the attention pattern held fixed: parts and the constant sum to the "
                "pre-activation.",
                {"weir sae dfa gpt2 my-sae 'When Mary and John' --feature 17 --by head"}});
  add_model_options(verb, options->model);
  verb.argument("SAE", &options->sae, "A dictionary on hook_z that says its hook");
  add_token_source(verb, options->source);
  verb.option("--feature", &options->feature, "I", "The feature", {0})
      .required()
      .option("--position", &options->position, "P", "Where it fires; negative: from the end")
      .choice("--by", &options->by, {"source", "head", "both"}, "Into which parts");
  add_output_file(verb, "--save", &options->save, "OUT.safetensors",
                  "attribution [B, S], [B, H] or [B, H, S]; pre [B]; constant");
  add_output_options(verb, options->output);
  verb.run([options] { run_dfa(*options); });
}

void add_sae_rdfa(Verb& sae) {
  auto options = std::make_shared<RdfaVerb>();
  Verb& verb = sae.verb(
      {"rdfa",
       "traces a feature of attention back through earlier features to tokens",
       "Exact with patterns, norms and active features held fixed. graph: sums over all paths; "
       "tree: the paths themselves, largest first; edges: direct effects between features, as "
       "circuit-tracer's graph file.",
       {"weir sae rdfa gpt2 l0 l1 --prompt 'When Mary and John' --target 1.17@-1 --mode tree"}});
  add_model_options(verb, options->model);
  verb.arguments("SAES", &options->saes,
                 "Dictionaries on hook_z, or transcoders; one for each layer");
  add_text_options(verb, options->source.text, "--prompt", "The text to read");
  verb.option("--tokens", &options->source.tokens, "F[:KEY]",
              "Token ids [T] or [B, T] of a file instead")
      .option("--target", &options->target, "L.I@P", "Layer, feature, position")
      .required()
      .choice("--mode", &options->mode, {"graph", "tree", "edges"}, "What is shown")
      .option("--row", &options->row, "B", "Of --tokens", {0})
      .option("--max-nodes", &options->tree.max_nodes, "N", "Of a tree", {1})
      .option("--min-share", &options->tree.min_share, "S", "Of the root, for a tree's nodes",
              {0, 1})
      .option("--max-features", &options->graph.max_features, "N", "Among which edges are shown",
              {1});
  add_output_file(verb, "--save", &options->save, "OUT.safetensors",
                  "leaves by name [T], covector.L [T, D]");
  add_output_options(verb, options->output);
  verb.run([options] { run_rdfa(*options); });
}

}  // namespace weir::cli
