#pragma once

#include <ATen/core/Tensor.h>

namespace weir {

enum class NormKind { kLayerNorm, kRmsNorm };

/// A normalisation over the last axis in its two halves, because both are hook points:
/// `scale` = sqrt(var(x) + eps) or sqrt(mean(x^2) + eps) [..., 1], `normalized` = (x - mean) /
/// scale or x / scale [..., n] (before the gain).
at::Tensor norm_scale(const at::Tensor& x, NormKind kind, double eps);
at::Tensor norm_divide(const at::Tensor& x, const at::Tensor& scale, NormKind kind);

/// The whole norm in one pass: normalized * (w + offset) + b; w and b may be undefined. Half types
/// are summed in float32 and rounded once.
at::Tensor norm(const at::Tensor& x, NormKind kind, double eps, const at::Tensor& w,
                const at::Tensor& b, double offset);
at::Tensor norm_gain(const at::Tensor& normalized, const at::Tensor& w, const at::Tensor& b,
                     double offset);

}  // namespace weir
