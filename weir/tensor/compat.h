#pragma once

/// Where LibTorch 1.13 and 2.x differ in C++. Every such difference lives in compat.cpp (those of
/// its CMake packages in cmake/WeirTorch.cmake).
namespace weir {

/// Sends LibTorch's own warnings (TORCH_WARN) to weir::log, at level warn, instead of stderr.
/// For programs, once at start; the handler stays until the process ends.
void route_torch_warnings();

}  // namespace weir
