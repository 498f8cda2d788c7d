#include "weir/sae/eval/first_letter.h"

#include <algorithm>
#include <cctype>

#include <ATen/ATen.h>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/sae/eval/sparse_probing.h"

namespace weir {
namespace {

constexpr int64_t kFewestWords = 50;
constexpr const char* kQuestion = " has the first letter:";

struct Word {
  std::string text;  ///< Without the space.
  int64_t token;
  char letter() const {
    return static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  }
};

/// What a token adds to a text, its leading space too: decoders of SentencePiece drop the space
/// that a text begins with.
std::string added_text(const LanguageModel& lm, int64_t id) {
  const std::string alone = lm.tokenizer().decode({id}, false);
  const std::string twice = lm.tokenizer().decode({id, id}, false);
  return twice == alone + " " + alone ? " " + alone : alone;
}

/// Tokens that are " word", letters only, at least two.
std::vector<Word> words_of(const LanguageModel& lm) {
  std::vector<Word> words;
  for (int64_t id = 0; id < lm.tokenizer().vocab_size(); ++id) {
    const std::string text = added_text(lm, id);
    if (text.size() < 3 || text[0] != ' ') continue;
    const bool is_word = std::all_of(text.begin() + 1, text.end(), [](unsigned char c) {
      return c < 128 && std::isalpha(c) != 0;
    });
    if (is_word) words.push_back({text.substr(1), id});
  }
  return words;
}

struct Prompt {
  std::vector<int64_t> ids;
  int64_t place;  ///< Of the word's token.
};

Prompt prompt_of(const LanguageModel& lm, const std::vector<Word>& words, size_t i,
                 const FirstLetterOptions& options, Draw* draw) {
  std::string examples;
  for (int64_t k = 0; k < options.n_examples;) {
    const size_t other = draw->below(words.size());
    if (other == i) continue;
    examples +=
        "\n" + std::string(" ") + words[other].text + kQuestion + " " + words[other].letter();
    ++k;
  }
  Prompt prompt{lm.tokenizer().encode(examples + "\n", true).ids, 0};
  prompt.place = static_cast<int64_t>(prompt.ids.size());
  prompt.ids.push_back(words[i].token);
  const std::vector<int64_t> question = lm.tokenizer().encode(kQuestion, false).ids;
  prompt.ids.insert(prompt.ids.end(), question.begin(), question.end());
  return prompt;
}

/// What the dictionary reads at each word, [N, d] (heads flat).
at::Tensor read_words(const LanguageModel& lm, const Sae& sae, const std::vector<Word>& words,
                      const FirstLetterOptions& options) {
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {sae.config.hook};
  run.stop_when_cached = true;
  Draw draw(options.seed + 1);
  std::vector<at::Tensor> parts;
  Progress progress("reading words", words.size(), "words");
  for (size_t first = 0; first < words.size(); first += static_cast<size_t>(options.batch)) {
    std::vector<std::vector<int64_t>> rows;
    std::vector<int64_t> from_end;
    for (size_t i = first; i < std::min(words.size(), first + static_cast<size_t>(options.batch));
         ++i) {
      const Prompt prompt = prompt_of(lm, words, i, options, &draw);
      // Nothing behind the word changes what stands at it.
      rows.emplace_back(prompt.ids.begin(), prompt.ids.begin() + prompt.place + 1);
    }
    const at::Tensor x = lm.run(left_pad(rows), run).cache[sae.config.hook];
    parts.push_back(x.select(1, -1).flatten(1).to(at::kFloat));
    progress.advance(rows.size());
  }
  return at::cat(parts);
}

struct Parts {
  at::Tensor train, test;  ///< int64: words
};

Parts split_words(int64_t n, const FirstLetterOptions& options) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  Draw(options.seed + 2).shuffle(order);
  const at::Tensor all = at::tensor(order, at::kLong);
  const auto n_test = static_cast<int64_t>(options.test_share * static_cast<double>(n));
  return {all.slice(0, n_test), all.slice(0, 0, n_test)};
}

ProbeSet set_of(const at::Tensor& x, const at::Tensor& y, const Parts& parts) {
  return {x.index_select(0, parts.train), y.index_select(0, parts.train),
          x.index_select(0, parts.test), y.index_select(0, parts.test)};
}

bool has_both(const at::Tensor& y) {
  const auto n = y.sum().item<int64_t>();
  return n > 0 && n < y.numel();
}

/// Latents by the size of their weight in an L1 probe, largest first; at most `most`.
at::Tensor chosen_latents(const ProbeSet& set, const FirstLetterOptions& options) {
  LogisticOptions logistic;
  logistic.l1 = logistic.balanced = true;
  logistic.C = 1 / (options.l1 * static_cast<double>(set.y.numel()));
  logistic.tolerance = 1e-4;
  const LinearProbe probe = fit_logistic(set.x, set.y, logistic);
  return top_by_magnitude(probe.weight, std::min(options.most_latents, set.x.size(1)));
}

std::vector<double> f1_by_k(const ProbeSet& set, const at::Tensor& latents) {
  LogisticOptions logistic;
  logistic.balanced = true;
  std::vector<double> f1;
  for (int64_t k = 1; k <= latents.numel(); ++k) {
    const at::Tensor some = latents.slice(0, 0, k);
    const LinearProbe probe = fit_logistic(set.x.index_select(1, some), set.y, logistic);
    f1.push_back(score_probe(probe.decision(set.x_test.index_select(1, some)), set.y_test).f1);
  }
  return f1;
}

}  // namespace

int64_t FirstLetterResult::n_known() const {
  return std::count_if(probe_f1.begin(), probe_f1.end(),
                       [](const auto& letter) { return letter.second > 0.6; });
}

FirstLetterResult first_letter_absorption(const LanguageModel& lm, const Sae& sae,
                                          const FirstLetterOptions& options) {
  const at::NoGradGuard no_grad;
  std::vector<Word> words = words_of(lm);
  if (static_cast<int64_t>(words.size()) < kFewestWords) {
    fail(ErrorCode::kNotFound,
         "absorption: expected at least {} words of one token in the vocabulary, found {}",
         kFewestWords, words.size());
  }
  Draw(options.seed).shuffle(words);
  if (static_cast<int64_t>(words.size()) > options.n_words) {
    words.resize(static_cast<size_t>(options.n_words));
  }
  const at::Tensor x = read_words(lm, sae, words, options);
  const at::Tensor latents = encode(sae, x).to(at::kFloat);
  const Parts parts = split_words(x.size(0), options);
  FirstLetterResult result;
  result.n_words = x.size(0);
  Progress progress("letters", 26, "");
  for (char letter = 'A'; letter <= 'Z'; ++letter) {
    progress.advance();
    std::vector<int64_t> begins;
    for (const Word& word : words) begins.push_back(word.letter() == letter ? 1 : 0);
    const at::Tensor y = at::tensor(begins, at::kLong);
    const ProbeSet of_x = set_of(x, y, parts), of_latents = set_of(latents, y, parts);
    if (!has_both(of_x.y) || !has_both(of_x.y_test)) continue;
    const std::string name(1, static_cast<char>(std::tolower(letter)));
    LogisticOptions logistic;
    logistic.balanced = true;
    logistic.tolerance = 1e-4;
    const LinearProbe probe = fit_logistic(of_x.x, of_x.y, logistic);
    const at::Tensor decision = probe.decision(of_x.x_test);
    result.probe_f1[name] = score_probe(decision, of_x.y_test).f1;
    const at::Tensor top = chosen_latents(of_latents, options);
    result.f1_by_k[name] = f1_by_k(of_latents, top);
    const at::Tensor hits = parts.test.index({(decision > 0) & (of_x.y_test == 1)});
    if (hits.numel() == 0) continue;
    LetterAbsorption found;
    found.letter = name;
    found.n_split = split_latents(result.f1_by_k[name], options.f1_jump);
    const at::Tensor main = top.slice(0, 0, found.n_split).contiguous();
    const std::vector<int64_t> ids(main.data_ptr<int64_t>(),
                                   main.data_ptr<int64_t>() + main.numel());
    for (const WordAbsorption& word :
         absorption(x.index_select(0, hits), latents.index_select(0, hits), flat_decoder(sae),
                    probe.weight, ids, options.absorption)) {
      found.sum_of_fractions += word.fraction;
      found.n_full += word.is_full ? 1 : 0;
      found.n_true_positives += 1;
    }
    result.letters.push_back(found);
  }
  return result;
}

}  // namespace weir
