#include "apps/cli/verb.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>
#include <type_traits>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weir::cli {
namespace {

// "an integer of 1 or more", "a number from 0 to 1", "a number above 0 and up to 1".
template <typename T>
std::string wanted(const Range<T>& range, bool says_most) {
  std::string text = std::is_integral_v<T> ? "an integer" : "a number";
  if (range.least < 0 && range.least == std::numeric_limits<T>::lowest() && !says_most) return text;
  if (range.above_least) {
    text += fmt::format(" above {}", range.least);
    return says_most ? text + fmt::format(" and up to {}", range.most) : text;
  }
  return text + (says_most ? fmt::format(" from {} to {}", range.least, range.most)
                           : fmt::format(" of {} or more", range.least));
}

// The whole word as a number of `range`: no sign but a minus, no spaces, no infinity.
template <typename T>
T number_of(const std::string& word, const Range<T>& range) {
  T number = 0;
  const char* const end = word.data() + word.size();
  const auto [rest, error] = std::from_chars(word.data(), end, number);
  bool is_good = error == std::errc() && rest == end && number <= range.most &&
                 (range.above_least ? number > range.least : number >= range.least);
  if constexpr (std::is_floating_point_v<T>) is_good = is_good && std::isfinite(number);
  const bool is_too_big = error == std::errc::result_out_of_range && std::is_integral_v<T>;
  const bool says_most = range.most < std::numeric_limits<T>::max() || is_too_big;
  require_usage(is_good, fmt::format("expected {}, found '{}'", wanted(range, says_most), word));
  return number;
}

template <typename T>
VerbOption number_option(const std::string& name, T* place, const std::string& value,
                         const std::string& help, const Range<T>& range) {
  VerbOption option{name, value, help, fmt::format("{}", *place)};
  option.take = [place, range](const std::string& word) { *place = number_of(word, range); };
  return option;
}

void require_word(const std::string& word, const std::vector<std::string>& known) {
  require_usage(std::find(known.begin(), known.end(), word) != known.end(),
                fmt::format("expected {}, found '{}'", fmt::join(known, ", "), word));
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string piece = list.substr(begin, end - begin);
    const size_t first = piece.find_first_not_of(" \t\n");
    require_usage(first != std::string::npos,
                  fmt::format("expected words separated by commas, found '{}'", list));
    words.push_back(piece.substr(first, piece.find_last_not_of(" \t\n") - first + 1));
    begin = end + 1;
  }
  return words;
}

}  // namespace

void require_usage(bool ok, const std::string& message) {
  if (!ok) throw UsageError(message);
}

Verb& Verb::verb(Heading heading, VerbText text) {
  verbs_.push_back(std::make_unique<Verb>(std::move(text)));
  Verb& verb = *verbs_.back();
  verb.heading_ = heading;
  verb.parent_ = this;
  return verb;
}

Verb& Verb::hidden() {
  is_hidden_ = true;
  return *this;
}

Verb& Verb::argument(const std::string& name, std::string* place, const std::string& help) {
  VerbOption option{name, "", help, *place};
  option.is_required = place->empty();
  option.take = [place](const std::string& word) { *place = word; };
  return add(std::move(option));
}

Verb& Verb::argument(const std::string& name, std::optional<std::string>* place,
                     const std::string& help) {
  return option(name, place, "", help);
}

Verb& Verb::arguments(const std::string& name, std::vector<std::string>* place,
                      const std::string& help) {
  return texts(name, place, "", help).required();
}

Verb& Verb::option(const std::string& name, std::string* place, const std::string& value,
                   const std::string& help, const WordCheck& check) {
  VerbOption option{name, value, help, *place};
  option.take = [place, check](const std::string& word) {
    if (check) check(word);
    *place = word;
  };
  return add(std::move(option));
}

Verb& Verb::option(const std::string& name, std::optional<std::string>* place,
                   const std::string& value, const std::string& help) {
  VerbOption option{name, value, help, ""};
  option.take = [place](const std::string& word) { *place = word; };
  return add(std::move(option));
}

Verb& Verb::option(const std::string& name, int* place, const std::string& value,
                   const std::string& help, Range<int> range) {
  return add(number_option(name, place, value, help, range));
}

Verb& Verb::option(const std::string& name, int64_t* place, const std::string& value,
                   const std::string& help, Range<int64_t> range) {
  return add(number_option(name, place, value, help, range));
}

Verb& Verb::option(const std::string& name, uint64_t* place, const std::string& value,
                   const std::string& help, Range<uint64_t> range) {
  return add(number_option(name, place, value, help, range));
}

Verb& Verb::option(const std::string& name, double* place, const std::string& value,
                   const std::string& help, Range<double> range) {
  return add(number_option(name, place, value, help, range));
}

Verb& Verb::choice(const std::string& name, std::string* place,
                   const std::vector<std::string>& words, const std::string& help) {
  return option(name, place, fmt::format("{}", fmt::join(words, "|")), help,
                [words](const std::string& word) { require_word(word, words); });
}

Verb& Verb::list(const std::string& name, std::vector<std::string>* place, const std::string& value,
                 const std::string& help, const std::vector<std::string>& known) {
  VerbOption option{name, value, help, fmt::format("{}", fmt::join(*place, ","))};
  option.take = [place, known](const std::string& text) {
    std::vector<std::string> words;
    for (std::string& word : split(text)) {
      if (!known.empty()) require_word(word, known);
      require_usage(std::find(words.begin(), words.end(), word) == words.end(),
                    fmt::format("'{}' is given twice in '{}'", word, text));
      words.push_back(std::move(word));
    }
    *place = std::move(words);
  };
  return add(std::move(option));
}

Verb& Verb::texts(const std::string& name, std::vector<std::string>* place,
                  const std::string& value, const std::string& help) {
  VerbOption option{name, value, help, ""};
  option.repeats = true;
  option.take = [place](const std::string& word) { place->push_back(word); };
  return add(std::move(option));
}

Verb& Verb::flag(const std::string& name, bool* place, const std::string& help) {
  VerbOption option{name, "", help, ""};
  option.repeats = true;
  option.take = [place](const std::string&) { *place = true; };
  return add(std::move(option));
}

Verb& Verb::required() {
  options_.back().is_required = true;
  return *this;
}

Verb& Verb::before(std::function<void()> check) {
  checks_.push_back(std::move(check));
  return *this;
}

void Verb::do_work() const {
  for (const auto& check : checks_) check();
  work_();
}

std::string Verb::full_name() const {
  return parent_ == nullptr ? text_.name : parent_->full_name() + " " + text_.name;
}

std::vector<std::string> Verb::option_names() const {
  std::vector<std::string> names = {"--help"};
  if (is_top()) names.push_back("--version");
  for (const VerbOption& option : options_) {
    if (!option.is_argument() && !option.is_hidden()) names.push_back(option.name);
  }
  return names;
}

Verb& Verb::add(VerbOption option) {
  options_.push_back(std::move(option));
  return *this;
}

}  // namespace weir::cli
