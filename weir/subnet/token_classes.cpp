#include "weir/subnet/token_classes.h"

#include <cctype>
#include <cmath>
#include <map>

#include <ATen/ATen.h>

namespace weir {
namespace {

constexpr std::string_view kSpace = "␣";
constexpr const char* kClasses[] = {"word", "rest of a word", "number", "punctuation", "other"};

bool is_letter(char c) {  // Bytes of other alphabets count as letters.
  const auto byte = static_cast<unsigned char>(c);
  return std::isalpha(byte) != 0 || byte >= 0x80;
}

}  // namespace

std::string token_class(const std::string& displayed) {
  std::string_view text = displayed;
  const bool has_space = text.substr(0, kSpace.size()) == kSpace;
  if (has_space) text.remove_prefix(kSpace.size());
  if (text.empty() || text.substr(0, kSpace.size()) == kSpace) return "other";
  const bool is_special = text.size() > 2 && text.front() == '<' && text.back() == '>';
  if (is_special) return "other";
  if (std::isdigit(static_cast<unsigned char>(text.front())) != 0) return "number";
  if (is_letter(text.front())) return has_space ? "word" : "rest of a word";
  return std::ispunct(static_cast<unsigned char>(text.front())) != 0 ? "punctuation" : "other";
}

std::vector<ClassSurprisal> surprisal_by_class(const at::Tensor& tokens,
                                               const Evaluation& subnetwork, const Evaluation& full,
                                               const std::function<std::string(int64_t)>& text) {
  std::map<std::string, ClassSurprisal> sums;
  std::map<int64_t, std::string> known;
  const at::Tensor next = tokens.slice(1, 1).contiguous().flatten();
  const at::Tensor target = subnetwork.target_surprisal.flatten().contiguous(),
                   kept = subnetwork.surprisal.flatten().contiguous(),
                   all = full.surprisal.flatten().contiguous();
  for (int64_t i = 0; i < next.size(0); ++i) {
    const double of_target = target.data_ptr<double>()[i];
    if (!std::isfinite(of_target)) continue;
    const int64_t id = next.data_ptr<int64_t>()[i];
    auto found = known.find(id);
    if (found == known.end()) found = known.emplace(id, token_class(text(id))).first;
    ClassSurprisal& sum = sums[found->second];
    ++sum.n;
    sum.target += of_target;
    sum.subnetwork += kept.data_ptr<double>()[i];
    sum.full += all.data_ptr<double>()[i];
  }
  std::vector<ClassSurprisal> classes;
  for (const char* name : kClasses) {
    const auto found = sums.find(name);
    if (found == sums.end()) continue;
    ClassSurprisal mean = found->second;
    const auto n = static_cast<double>(mean.n);
    mean.name = name;
    mean.target /= n;
    mean.subnetwork /= n;
    mean.full /= n;
    classes.push_back(std::move(mean));
  }
  return classes;
}

TableBlock class_table(const std::vector<ClassSurprisal>& classes, const std::string& target) {
  TableBlock table{"What the other weights add",
                   {"token", "predicted", target, "subnetwork", "full", "added"},
                   {},
                   "mean surprisal in bits; added: what the full model saves"};
  for (const ClassSurprisal& of : classes) {
    table.rows.push_back(
        {of.name, of.n, of.target, of.subnetwork, of.full, of.subnetwork - of.full});
  }
  return table;
}

}  // namespace weir
