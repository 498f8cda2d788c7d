#include <cctype>
#include <map>

#include "weir/tasks/prompt_entry.h"

namespace weir {
namespace {

/// Where the capitalised words of a text stand.
std::map<std::string, std::vector<size_t>> names_in(const std::string& text) {
  std::map<std::string, std::vector<size_t>> places;
  const auto is_letter = [&](size_t i) {
    return std::isalpha(static_cast<unsigned char>(text[i])) != 0;
  };
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    for (end = begin; end < text.size() && is_letter(end);) ++end;
    const bool is_name = end > begin + 1 && std::isupper(static_cast<unsigned char>(text[begin]));
    if (is_name) places[text.substr(begin, end - begin)].push_back(begin);
  }
  return places;
}

}  // namespace

void find_indirect_object(TextPrompt& prompt) {
  const auto places = names_in(prompt.clean.text);
  const auto answer = places.find(prompt.answer.substr(1));
  if (answer == places.end() || answer->second.size() != 1) return;
  std::vector<std::string> twice;
  for (const auto& [name, begins] : places) {
    if (begins.size() == 2) twice.push_back(name);
  }
  if (twice.size() != 1) return;
  const auto mark = [&](const char* part, size_t begin, size_t size) {
    prompt.clean.parts[part] = {begin, begin + size};
  };
  const std::vector<size_t>& begins = places.at(twice.front());
  mark("io", answer->second.front(), answer->first.size());
  mark("s1", begins[0], twice.front().size());
  mark("s2", begins[1], twice.front().size());
  prompt.wrong = " " + twice.front();
}

}  // namespace weir
