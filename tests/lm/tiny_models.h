#pragma once

#include <string>

#include <ATen/ATen.h>

#include "weir/lm/language_model.h"

namespace weir::testing {

/// A model of tests/golden/models (random weights, about 100 tokens, no tokenizer).
inline LanguageModel golden_model(const std::string& name, const LoadOptions& options = {}) {
  return LanguageModel::load(std::string(WEIR_GOLDEN_DIR) + "/models/" + name, options);
}

/// A byte-pair tokenizer of the text "the cat sat on the mat ..." with every byte as a token.
inline Tokenizer small_tokenizer() {
  BpeTrainOptions options;
  options.vocab_size = 280;
  options.min_frequency = 1;
  return train_bpe({"the cat sat on the mat and the dog sat on the log"}, options);
}

/// The golden llama shape with a random table of `tokenizer`'s size, so that it can speak.
inline LanguageModel talking_model(const Tokenizer& tokenizer) {
  LoadedModel model = load_model(std::string(WEIR_GOLDEN_DIR) + "/models/llama_gqa_tied");
  at::manual_seed(5);
  model.config.d_vocab = tokenizer.vocab_size();
  model.config.eos.reset();
  model.weights.W_E = Matrix(at::randn({model.config.d_model, tokenizer.vocab_size()}));
  model.weights.W_U = model.weights.W_E;
  return LanguageModel(std::move(model), tokenizer);
}

/// n fixed token ids below `n_vocab`, none of them 0 to 2 (the specials of the goldens).
inline std::vector<int64_t> some_tokens(int64_t n, int64_t n_vocab, int64_t seed = 0) {
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < n; ++i) {
    tokens.push_back(3 + ((i + 1) * (37 + 2 * seed) + seed * 11 + i * i) % (n_vocab - 3));
  }
  return tokens;
}

/// Logits [V] after `tokens`, from one forward over all of them, nothing cached.
inline at::Tensor logits_after(const LanguageModel& lm, const std::vector<int64_t>& tokens,
                               const std::vector<Intervention>& interventions = {},
                               const Weights* weights = nullptr) {
  RunOptions options;
  options.interventions = interventions;
  options.weights = weights;
  return lm.run(left_pad({tokens}), options).logits[0][-1].to(at::kFloat);
}

}  // namespace weir::testing
