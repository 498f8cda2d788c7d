#pragma once

#include <string>

#include <ATen/ATen.h>

#include "weir/io/npy.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

inline at::Tensor tensor(const std::string& file, const std::string& key) {
  return weir::to_tensor(weir::io::read_safetensors(file).at(key)).clone();
}

inline at::Tensor tensor_of_npy(const std::string& file) {
  return weir::to_tensor(weir::io::read_npy(file).at("data")).clone();
}

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}
