#include "weir/model/transformer.h"

#include "weir/base/error.h"
#include "weir/model/forward_pass.h"

namespace weir {

namespace {

at::Device device_of(const Weights& weights) {
  const at::Tensor& table = weights.W_E.storage();
  return table.defined() ? table.device() : at::Device(at::kCPU);  // Block types are on the CPU.
}

at::ScalarType computable(at::ScalarType dtype, const Weights& weights) {
  if (dtype == at::kHalf && device_of(weights).is_cpu()) {
    fail(ErrorCode::kUnsupported,
         "model: float16 is not computed on the CPU; choose float32 or bfloat16 (float16 weights "
         "stay as stored)");
  }
  return dtype;
}

}  // namespace

Transformer::Transformer(ModelConfig config, Weights weights, at::ScalarType dtype)
    : config_(std::move(config)),
      weights_(for_computing_in(weights, dtype)),
      dtype_(computable(dtype, weights_)),
      hook_names_(weir::hook_names(config_, weights_)) {}

ForwardOutput Transformer::forward(const Weights& weights, const ForwardInput& input) const {
  return ForwardPass(config_, weights, dtype_, input).run();
}

bool Transformer::can_extend_cache(int64_t cached, int64_t total) const {
  if (cached == 0 || config_.position != PositionKind::kRotary) return true;
  return config_.rotary.same_frequencies(cached, total) &&
         (!config_.rotary_local || config_.rotary_local->same_frequencies(cached, total));
}

at::Tensor Transformer::unembed(const at::Tensor& residual, bool final_norm) const {
  const ForwardInput nothing;  // A ForwardPass refers to its input.
  return ForwardPass(config_, weights_, dtype_, nothing).unembed(residual, final_norm);
}

}  // namespace weir
