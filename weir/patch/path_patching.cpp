#include "weir/patch/path_patching.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/progress.h"
#include "weir/nn/norm.h"
#include "weir/patch/path_senders.h"

namespace weir {
namespace {

constexpr int64_t kLogitsAtOnce = int64_t{1} << 24;  // Of a block of final rows: 64 MB in float32.

/// Collects readings, sender by sender, and sorts them into heads and MLPs.
class Sheet {
 public:
  Sheet(const LanguageModel& lm, const PathOptions& options, const ReadingTargets& targets,
        at::IntArrayRef receivers, const at::Tensor& clean_logits)
      : n_layers_(lm.config().n_layers), n_heads_(lm.config().n_heads), targets_(targets) {
    for (const Reading reading : options.readings) {
      grid_.clean[reading] = read(reading, clean_logits, targets);
      std::vector<int64_t> shape = {n_layers_, n_heads_ + 1};
      shape.insert(shape.end(), receivers.begin(), receivers.end());
      shape.push_back(clean_logits.size(0));
      all_[reading] = grid_.clean[reading].expand(shape).clone();
    }
  }

  /// The entries [receivers..., B] of a sender; it is the clean value until it is set.
  void set(int64_t sender, at::ArrayRef<int64_t> receiver, const at::Tensor& logits) {
    for (auto& [reading, sheet] : all_) {
      at::Tensor entry = sheet[sender / (n_heads_ + 1)][sender % (n_heads_ + 1)];
      for (const int64_t index : receiver) entry = entry[index];
      entry.copy_(read(reading, logits, targets_));
    }
  }

  PathGrid take() {
    for (auto& [reading, sheet] : all_) {
      grid_.heads[reading] = sheet.slice(1, 0, n_heads_);
      grid_.mlps[reading] = sheet.select(1, n_heads_);
    }
    return std::move(grid_);
  }

 private:
  int64_t n_layers_, n_heads_;
  const ReadingTargets& targets_;
  std::map<Reading, at::Tensor> all_;  ///< [L, H + 1, receivers..., B]
  PathGrid grid_;
};

void read_final(const LanguageModel& lm, const at::Tensor& streams, Sheet* sheet) {
  const int64_t n_prompts = streams.size(1);
  const int64_t block = std::max<int64_t>(1, kLogitsAtOnce / (lm.config().d_vocab * n_prompts));
  for (int64_t first = 0; first < streams.size(0); first += block) {
    const int64_t last = std::min(first + block, streams.size(0));
    const at::Tensor logits = lm.transformer().unembed(streams.slice(0, first, last).select(2, -1));
    for (int64_t s = first; s < last; ++s) sheet->set(s, {}, logits[s - first]);
  }
}

/// Queries, keys or values [S, B, T', heads, K] that layer `layer` makes of streams, before q/k
/// norm and rotation.
at::Tensor projected(const LanguageModel& lm, int64_t layer, PathReceiver receiver,
                     const at::Tensor& streams) {
  const ModelConfig& config = lm.config();
  const BlockWeights& block = lm.transformer().weights().blocks[layer];
  const bool has_norm = config.pre_norm && block.ln1.present;
  const at::Tensor x = has_norm ? norm(streams, config.norm, config.norm_eps, block.ln1.w,
                                       block.ln1.b, config.norm_offset)
                                : streams;
  const bool is_query = receiver == PathReceiver::kQuery;
  const Matrix& matrix = is_query                         ? block.attn.W_Q
                         : receiver == PathReceiver::kKey ? block.attn.W_K
                                                          : block.attn.W_V;
  const at::Tensor& bias = is_query                         ? block.attn.b_Q
                           : receiver == PathReceiver::kKey ? block.attn.b_K
                                                            : block.attn.b_V;
  at::Tensor out = matrix.apply(x);
  if (bias.defined()) out = out + bias;
  return out.unflatten(-1, {is_query ? config.n_heads : config.n_kv_heads, config.d_head});
}

/// Every sender so far into every head of `layer`.
void read_heads(const PathSenders& senders, int64_t layer, const PathOptions& options,
                const at::Tensor& streams, Sheet* sheet) {
  const at::Tensor inputs =
      projected(senders.clean().lm(), layer, options.receiver, streams);  // [S, B, T', heads, K]
  const int64_t n_heads = inputs.size(3), n_positions = senders.clean().n_positions();
  const ChangedPoint point{layer, site_of(options.receiver), n_positions - inputs.size(2)};
  senders.clean().run(
      point, streams.size(0) * n_heads,
      [&](int64_t e, const at::Tensor& rows) {
        const int64_t head = e % n_heads;
        rows.select(2, head).copy_(inputs[e / n_heads].select(2, head));  // [B, T', K]
      },
      [&](int64_t first, const at::Tensor& logits) {
        for (int64_t e = 0; e < logits.size(0); ++e) {
          sheet->set((first + e) / n_heads, {layer, (first + e) % n_heads}, logits[e]);
        }
      });
}

/// What one receiver of a set would read from every sender before its layer, [S, B, 1, K].
struct Heard {
  HeadId head;
  at::Tensor queries;
};

/// Every sender into all heads of a set at once.
void read_together(const PathSenders& senders, const std::vector<Heard>& heard, Sheet* sheet) {
  if (heard.empty()) return;
  const Experiments& clean = senders.clean();
  const int64_t n_prompts = clean.n_prompts();
  int64_t first_layer = heard[0].head.layer, n_senders = 0;
  for (const Heard& one : heard) {
    first_layer = std::min(first_layer, one.head.layer);
    n_senders = std::max(n_senders, one.queries.size(0));
  }
  clean.run_hooked(
      first_layer, clean.n_positions() - 1, n_senders,
      [&](int64_t first, int64_t count) {
        std::vector<NamedHook> hooks;
        for (const Heard& one : heard) {
          // Senders from the receiver's layer on do not reach it.
          const int64_t n = std::clamp<int64_t>(one.queries.size(0) - first, 0, count);
          if (n == 0) continue;
          const at::Tensor told = one.queries.slice(0, first, first + n).flatten(0, 1);
          const int64_t head = one.head.head;
          hooks.emplace_back(
              fmt::format("blocks.{}.attn.hook_q", one.head.layer),
              [told, head, rows = n * n_prompts](const at::Tensor& q, const HookContext&) {
                const at::Tensor changed = q.clone();
                changed.slice(0, 0, rows).select(2, head).copy_(told);
                return changed;
              });
        }
        return hooks;
      },
      [&](int64_t first, const at::Tensor& logits) {
        for (int64_t e = 0; e < logits.size(0); ++e) sheet->set(first + e, {}, logits[e]);
      });
}

void read_mlps(const PathSenders& senders, int64_t layer, const at::Tensor& inputs, Sheet* sheet) {
  senders.clean().run(
      {layer, "hook_mlp_in", senders.clean().n_positions() - 1}, inputs.size(0),
      [&](int64_t e, const at::Tensor& rows) { rows.copy_(inputs[e]); },
      [&](int64_t first, const at::Tensor& logits) {
        for (int64_t e = 0; e < logits.size(0); ++e) sheet->set(first + e, {layer}, logits[e]);
      });
}

int64_t last_receiver(const PathOptions& options) {
  int64_t last = 0;
  for (const HeadId& head : options.together) last = std::max(last, head.layer);
  return last;
}

std::vector<int64_t> receivers_of(const ModelConfig& config, const PathOptions& options) {
  const PathReceiver receiver = options.receiver;
  if (receiver == PathReceiver::kFinal || !options.together.empty()) return {};
  if (receiver == PathReceiver::kMlp) return {config.n_layers};
  return {config.n_layers, receiver == PathReceiver::kQuery ? config.n_heads : config.n_kv_heads};
}

void check(const LanguageModel& lm, const PatchPairs& pairs, const PathOptions& options) {
  if (!lm.config().pre_norm || lm.config().residual_after_norm) {
    fail(ErrorCode::kUnsupported, "path patching: '{}' norms the stream itself in every block",
         lm.config().family);
  }
  require(pairs.clean.tokens.sizes() == pairs.corrupt.tokens.sizes(),
          "path patching: expected clean and corrupt prompts of the same length, got {} and {}",
          c10::str(pairs.clean.tokens.sizes()), c10::str(pairs.corrupt.tokens.sizes()));
  const bool is_final = options.receiver == PathReceiver::kFinal;
  const bool is_mlp = options.receiver == PathReceiver::kMlp;
  require(!options.everywhere || (!is_final && !is_mlp),
          "path patching: whole sequences are for heads as receivers");
  require(!options.end.defined() || is_final,
          "path patching: ENDs before the last column are for the final stream as receiver");
  require(
      options.together.empty() || (options.receiver == PathReceiver::kQuery && !options.everywhere),
      "path patching: heads that hear of the sender together are for queries at END");
  for (const HeadId& head : options.together) {
    require(head.layer >= 0 && head.layer < lm.config().n_layers && head.head >= 0 &&
                head.head < lm.config().n_heads,
            "path patching: no head {}", head.name());
  }
  require(
      !is_mlp || !lm.config().parallel_block,
      "path patching: MLPs of '{}' read the stream before attention; heads of their layer do not "
      "reach them",
      lm.config().family);
}

}  // namespace

SenderValue sender_value_of(const std::string& name) {
  const std::vector<std::string> names = {"mean_at_role", "mean_raw_position", "per_prompt", "zero",
                                          "resample"};
  const auto found = std::find(names.begin(), names.end(), name);
  require(found != names.end(),
          "path patching: expected mean_at_role, mean_raw_position, per_prompt, zero or resample, "
          "got '{}'",
          name);
  return static_cast<SenderValue>(found - names.begin());
}

at::Tensor PathGrid::percent(Reading reading, bool of_mlps) const {
  const at::Tensor base = clean.at(reading).to(at::kDouble).mean();
  const at::Tensor& patched = (of_mlps ? mlps : heads).at(reading);
  return 100 * (patched.to(at::kDouble).mean(-1) - base) / base;
}

PathGrid path_grid(const LanguageModel& lm, const PatchPairs& pairs, const PathOptions& options) {
  const at::NoGradGuard no_grad;
  check(lm, pairs, options);
  const PathSenders senders(lm, pairs, options);
  const int64_t n_layers = lm.config().n_layers;
  ReadingTargets targets;
  targets.answer = pairs.answer;
  targets.wrong = pairs.wrong;
  const bool is_final = options.receiver == PathReceiver::kFinal;
  targets.clean_logits = is_final ? lm.transformer().unembed(senders.run().resid_post.select(1, -1))
                                  : senders.clean().logits();
  Sheet sheet(lm, options, targets, receivers_of(lm.config(), options), targets.clean_logits);
  FrozenStream stream(lm, senders.run(), options.freeze_mlps);
  std::vector<Heard> heard;
  Progress progress("path patching", static_cast<uint64_t>(n_layers), "layers");
  for (int64_t layer = 0; layer < n_layers; ++layer) {
    throw_if_interrupted();
    const at::Tensor writes = senders.head_writes(layer);
    if (options.receiver == PathReceiver::kMlp) {
      read_mlps(senders, layer, stream.mlp_inputs(layer, writes), &sheet);
    } else if (!options.together.empty()) {
      for (const HeadId& head : options.together) {
        if (head.layer != layer || stream.n_experiments() == 0) continue;
        heard.push_back(
            {head, projected(lm, layer, options.receiver, stream.streams()).select(3, head.head)});
      }
    } else if (!is_final && stream.n_experiments() > 0) {
      read_heads(senders, layer, options, stream.streams(), &sheet);
    }
    const bool all_heard = !options.together.empty() && layer >= last_receiver(options);
    if (!all_heard) stream.pass(layer, writes, senders.mlp_write(layer));
    progress.advance(1);
    if (all_heard) break;
  }
  if (is_final) read_final(lm, stream.streams(), &sheet);
  read_together(senders, heard, &sheet);
  return sheet.take();
}

}  // namespace weir
