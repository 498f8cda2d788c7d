#include "weir/base/parallel.h"

#include <algorithm>
#include <dlfcn.h>
#include <thread>

#include <sched.h>

namespace weir {
namespace {

// BLAS is an interchangeable system library: its own controls are looked up, never linked.
template <typename Function>
Function find_symbol(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace

int hardware_threads() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) return CPU_COUNT(&allowed);
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int most_threads() { return 16 * hardware_threads(); }

void set_blas_threads(int n_threads) {
  if (auto* set_omp = find_symbol<void (*)(int)>("omp_set_num_threads")) set_omp(n_threads);
  if (auto* set_blas = find_symbol<void (*)(int)>("openblas_set_num_threads")) set_blas(n_threads);
}

std::string blas_description() {
  auto* config = find_symbol<char* (*)()>("openblas_get_config");
  auto* core = find_symbol<char* (*)()>("openblas_get_corename");
  if (config == nullptr) return "unknown";
  return std::string(config()) + (core != nullptr ? std::string(" running ") + core() : "");
}

}  // namespace weir
