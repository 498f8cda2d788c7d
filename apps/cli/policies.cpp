#include <algorithm>
#include <chrono>
#include <limits>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/prompt_source.h"
#include "apps/cli/token_source.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/io/safetensors.h"
#include "weir/lens/part_entropy.h"
#include "weir/lens/policy_summary.h"
#include "weir/lm/token_batch.h"
#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct PoliciesVerb {
  ModelOptions model;
  OutputOptions output;
  TokenSource tokens;
  std::string data, norm = "none", save;
  TaskOptions task;
  int64_t batch = 8;
  bool heads = false, neurons = false;
};

/// Rows to run together, and which of their tokens count.
struct Part {
  TokenBatch batch;
  at::Tensor counted;  ///< bool [B, T]
};

at::Tensor real_tokens(const TokenBatch& batch) {
  return batch.attention_mask.defined() ? batch.attention_mask
                                        : at::ones(batch.tokens.sizes(), at::kBool);
}

/// The response of a prompt, where its roles name one; else all of its tokens.
Part part_of(const std::vector<Prompt>& prompts) {
  std::vector<std::vector<int64_t>> rows;
  for (const Prompt& prompt : prompts) rows.push_back(prompt.clean.tokens);
  Part part{left_pad(rows), {}};
  part.counted = real_tokens(part.batch).clone();
  for (size_t n = 0; n < prompts.size(); ++n) {
    const auto& roles = prompts[n].clean.roles;
    if (roles.count("response_first") == 0) continue;
    const int64_t pads = part.batch.tokens.size(1) - static_cast<int64_t>(rows[n].size());
    const at::Tensor row = part.counted[static_cast<int64_t>(n)];
    row.fill_(false);
    row.slice(0, pads + roles.at("response_first"), pads + roles.at("response_last") + 1)
        .fill_(true);
  }
  return part;
}

std::vector<Part> read_parts(const PoliciesVerb& verb, const LanguageModel& lm) {
  const bool has_rows = verb.tokens.text.is_given() || !verb.tokens.tokens.empty();
  require_usage(has_rows != !verb.data.empty(),
                "expected one of PROMPT, --text-file, --tokens and --data");
  if (has_rows) {
    const TokenBatch batch = read_token_source(verb.tokens, lm);
    return {{batch, real_tokens(batch)}};
  }
  const PromptSet set = read_task(verb.data, verb.task, lm.tokenizer());
  std::vector<Part> parts;
  for (int64_t first = 0; first < set.size(); first += verb.batch) {
    const int64_t last = std::min(first + verb.batch, set.size());
    parts.push_back(part_of({set.prompts.begin() + first, set.prompts.begin() + last}));
  }
  return parts;
}

ordered_json result_json(const std::vector<LayerCurve>& curves, const PolicySummary& summary) {
  ordered_json result = {
      {"axes", {"layer"}}, {"sequences", summary.n_sequences()}, {"tokens", summary.n_tokens()}};
  for (const LayerCurve& curve : curves) {
    std::vector<double> means, low, high;
    for (const MeanInterval& at : curve.sequences) {
      means.push_back(at.mean);
      low.push_back(at.low);
      high.push_back(at.high);
    }
    result[curve.name] = {{"mean_over_tokens", curve.tokens},
                          {"mean_over_sequences", means},
                          {"low", low},
                          {"high", high}};
  }
  const BoundaryConfidence found = boundary_confidence(find_curve(curves, "delta_entropy.mlp"));
  const auto layer = [](const std::optional<int64_t>& at) {
    return at ? ordered_json(*at) : ordered_json();
  };
  result["boundary"] = {{"labels", found.boundary.labels},
                        {"threshold", found.boundary.threshold},
                        {"first_run", layer(found.boundary.first_run)},
                        {"last_positive", layer(found.boundary.last_positive)},
                        {"auto", layer(found.boundary.automatic)},
                        {"share_of_resamples", found.share},
                        {"halves", {layer(found.first_half), layer(found.second_half)}}};
  return result;
}

/// Batches [L, B, T, ...] as one; shorter rows stand at the end, NaN before them.
at::Tensor joined(const std::vector<at::Tensor>& batches) {
  int64_t longest = 0;
  for (const at::Tensor& batch : batches) longest = std::max(longest, batch.size(2));
  std::vector<at::Tensor> padded;
  for (const at::Tensor& batch : batches) {
    std::vector<int64_t> shape = batch.sizes().vec();
    shape[2] = longest;
    const at::Tensor rows =
        at::full(shape, std::numeric_limits<double>::quiet_NaN(), batch.options());
    rows.slice(2, longest - batch.size(2)).copy_(batch);
    padded.push_back(rows);
  }
  return at::cat(padded, 1);
}

/// What is kept of the batches beside the means.
struct Kept {
  std::vector<std::pair<std::string, std::vector<at::Tensor>>> tensors;  ///< To be saved
  std::vector<at::Tensor> heads;    ///< [L, N, H], mean over the tokens of N texts
  std::vector<at::Tensor> neurons;  ///< [L, N, F]

  void add(const std::string& name, const at::Tensor& tensor) {
    for (auto& [known, list] : tensors) {
      if (known == name) return list.push_back(tensor);
    }
    tensors.push_back({name, {tensor}});
  }
};

void save(const Kept& kept, const std::string& norm, const std::string& file) {
  std::vector<io::TensorView> views;
  std::vector<at::Tensor> whole;
  for (const auto& [name, batches] : kept.tensors) whole.push_back(joined(batches));
  for (size_t i = 0; i < whole.size(); ++i) {
    views.push_back(to_view(kept.tensors[i].first, whole[i]));
  }
  io::write_safetensors(file, views,
                        {{"axes", "layer, row, position (counted to the end), head"},
                         {"norm", norm},
                         {"unit", "nats"}});
}

void read_dynamics(const PoliciesVerb& verb, const LanguageModel& lm, const Part& part,
                   PolicySummary* raw, PolicySummary* controlled, Kept* kept) {
  const PolicyNorm norm = policy_norm_of(verb.norm);
  const EntropyDynamics dynamics = entropy_dynamics(lm, part.batch, norm);
  raw->add(dynamics, part.counted);
  const bool is_controlled = norm == PolicyNorm::kControlled;
  controlled->add(
      is_controlled ? dynamics : entropy_dynamics(lm, part.batch, PolicyNorm::kControlled),
      part.counted);
  if (verb.save.empty()) return;
  for (const auto& [name, tensor] : named(dynamics)) kept->add(name, tensor);
  kept->add("counted", part.counted.unsqueeze(0).to(at::kFloat));
}

void read_parts_of_modules(const PoliciesVerb& verb, const LanguageModel& lm, const Part& part,
                           Kept* kept) {
  const PartEntropies found =
      part_entropies(lm, part.batch, policy_norm_of(verb.norm), verb.neurons);
  const at::Tensor counted = part.counted.to(at::kFloat).unsqueeze(0).unsqueeze(3);
  const at::Tensor n = counted.sum(2).clamp_min(1);
  kept->heads.push_back((found.head * counted).sum(2) / n);
  if (verb.neurons) kept->neurons.push_back(found.neuron);
  if (!verb.save.empty() && verb.heads) kept->add("entropy.head", found.head);
}

/// Neurons whose writes are the narrowest policies.
TableBlock neuron_table(const at::Tensor& entropy) {  // [L, F]
  TableBlock table{"Neurons that write the narrowest policies (last position)",
                   {"neuron", "entropy (nats)"},
                   {},
                   ""};
  const auto [least, index] =
      entropy.flatten().topk(std::min<int64_t>(20, entropy.numel()), 0, /*largest=*/false);
  for (int64_t i = 0; i < least.numel(); ++i) {
    const auto flat = index[i].item<int64_t>();
    table.rows.push_back({fmt::format("{}.n{}", flat / entropy.size(1), flat % entropy.size(1)),
                          least[i].item<double>()});
  }
  return table;
}

void show_modules_parts(const PoliciesVerb& verb, const Kept& kept, Report* report,
                        ordered_json* result) {
  if (verb.heads) {
    const at::Tensor heads = at::cat(kept.heads, 1).mean(1);  // [L, H]
    report->blocks.push_back(head_map("Entropy of each head's write", "nats", to_rows(heads)));
    (*result)["entropy.head"] = to_json(heads);
  }
  if (verb.neurons) {
    const at::Tensor neurons = at::cat(kept.neurons, 1).mean(1);  // [L, F]
    report->blocks.push_back(neuron_table(neurons));
    (*result)["entropy.neuron"] = to_json(neurons);
  }
}

void policies(const PoliciesVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const std::vector<Part> parts = read_parts(verb, lm);
  PolicySummary raw, controlled;
  Kept kept;
  Progress progress("policies", parts.size(), "batches");
  for (const Part& part : parts) {
    read_dynamics(verb, lm, part, &raw, &controlled, &kept);
    if (verb.heads || verb.neurons) read_parts_of_modules(verb, lm, part, &kept);
    progress.advance(1);
  }
  if (!verb.save.empty()) save(kept, verb.norm, verb.save);
  const auto curves = raw.curves();
  Report report = policy_report(curves, controlled.curves(), raw.n_sequences(), raw.n_tokens());
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  report.provenance.extra.emplace_back("norm", verb.norm);
  ordered_json result = result_json(curves, raw);
  show_modules_parts(verb, kept, &report, &result);
  show(std::move(report), verb.output, result);
}

}  // namespace

void add_policies(Verb& weir) {
  auto options = std::make_shared<PoliciesVerb>();
  Verb& verb = weir.verb(
      {"policies",
       "how each layer and module changes the entropy of the next token",
       "Every stream and module output read as a distribution over the next token, without the "
       "final norm (2512.19673), and beside it with every vector's scale taken out. Over a data "
       "set "
       "the tokens that count are those of the part `response`, where prompts name one.",
       {"weir policies smollm2-135m 'The capital of France is'",
        "weir policies smollm2-135m --data texts.jsonl --html policies.html"}});
  add_model_options(verb, options->model);
  add_token_source(verb, options->tokens);
  verb.option("--data", &options->data, "F.jsonl", "Prompts: a file or a task (weir tasks list)")
      .choice("--norm", &options->norm, {"none", "own", "frozen", "controlled"},
              "What happens to a vector before it is unembedded")
      .option("--batch", &options->batch, "B", "Prompts of one forward", {1})
      .flag("--heads", &options->heads, "Also what each head writes")
      .flag("--neurons", &options->neurons, "Also what each neuron writes at the last position");
  add_task_options(verb, options->task);
  add_output_file(
      verb, "--save", &options->save, "OUT.safetensors",
      "Entropies, changes and cosines [layer, row, position]; with --heads by head too");
  add_output_options(verb, options->output);
  verb.run([options] { policies(*options); });
}

}  // namespace weir::cli
