#include "weir/sae/splice/splice.h"

#include <charconv>
#include <memory>
#include <optional>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

/// What stands at the written place instead of `y`, when `read` was read.
at::Tensor replaced(const Sae& sae, const SpliceOptions& options, const at::Tensor& y,
                    const at::Tensor& read) {
  if (options.keep_error && !options.edit) return y;
  if (!options.edit) {
    const at::Tensor x_hat = reconstruct(sae, read);
    return x_hat.reshape(y.sizes()).to(y.scalar_type());
  }
  const SaeInput input = read_sae_input(sae, read);
  const at::Tensor latents = encode(sae, input);
  const at::Tensor edited = decode(sae, options.edit(latents), input).reshape(y.sizes());
  if (!options.keep_error) return edited.to(y.scalar_type());
  const at::Tensor plain = decode(sae, latents, input).reshape(y.sizes());
  return (y + (edited - plain)).to(y.scalar_type());
}

at::Tensor where_masked(const at::Tensor& mask, const at::Tensor& changed, const at::Tensor& y,
                        int64_t first_position) {
  if (!mask.defined()) return changed;
  at::Tensor here = mask.slice(1, first_position, first_position + y.size(1)).to(y.device());
  require(here.size(0) == y.size(0) && here.size(1) == y.size(1),
          "splice: expected a mask for {} rows of {} positions, got [{}, {}]", y.size(0),
          first_position + y.size(1), mask.size(0), mask.size(1));
  while (here.dim() < y.dim()) here = here.unsqueeze(-1);
  return at::where(here.to(at::kBool), changed, y);
}

}  // namespace

std::optional<int64_t> layer_of_hook(const std::string& hook) {
  constexpr std::string_view kBlocks = "blocks.";
  if (hook.rfind(kBlocks, 0) != 0) return std::nullopt;
  int64_t layer = 0;
  const char* first = hook.data() + kBlocks.size();
  const auto [end, error] = std::from_chars(first, hook.data() + hook.size(), layer);
  if (error != std::errc()) return std::nullopt;
  return layer;
}

const std::string& written_hook(const SaeConfig& config) {
  return config.hook_out.empty() ? config.hook : config.hook_out;
}

std::vector<NamedHook> splice(const Sae& sae, const SpliceOptions& options) {
  const SaeConfig& config = sae.config;
  require(!config.hook.empty(), "splice: the dictionary does not say which activation it reads");
  if (config.n_sources > 1) {
    fail(ErrorCode::kUnsupported, "splice: a crosscoder reads {} activations at once; expected one",
         config.n_sources);
  }
  if (written_hook(config) == config.hook) {
    return {{config.hook, [sae, options](const at::Tensor& x, const HookContext& context) {
               return where_masked(options.mask, replaced(sae, options, x, x), x,
                                   context.first_position);
             }}};
  }
  const auto read = std::make_shared<at::Tensor>();
  return {{config.hook,
           [read](const at::Tensor& x, const HookContext&) {
             *read = x;
             return x;
           }},
          {config.hook_out, [sae, options, read](const at::Tensor& y, const HookContext& context) {
             require(read->defined(), "splice: {} comes before {}, which the dictionary reads",
                     sae.config.hook_out, sae.config.hook);
             return where_masked(options.mask, replaced(sae, options, y, *read), y,
                                 context.first_position);
           }}};
}

}  // namespace weir
