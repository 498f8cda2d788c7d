#include "apps/cli/prompt_source.h"

#include <filesystem>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/lm/token_batch.h"
#include "weir/tasks/prompt_files.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

/// `file`'s tensor as ids [B, T] or [B].
at::Tensor ids_of(const io::TensorMap& tensors, const std::string& file, const std::string& key,
                  int64_t n_axes) {
  const at::Tensor ids = to_token_ids(to_tensor(tensors.at(key)));
  require(ids.dim() == n_axes, "{}: expected '{}' with {} axes, got {}", file, key, n_axes,
          ids.dim());
  return ids.contiguous();
}

std::vector<int64_t> row(const at::Tensor& ids, int64_t n) {
  const int64_t width = ids.dim() == 2 ? ids.size(1) : 1;
  const int64_t* first = ids.data_ptr<int64_t>() + n * width;
  return {first, first + width};
}

PromptSet read_pairs(const std::string& file) {
  const io::TensorMap tensors = read_tensors(file);
  const at::Tensor clean = ids_of(tensors, file, "clean", 2);
  const auto optional = [&](const char* key, int64_t n_axes) {
    if (tensors.find(key) == nullptr) return at::Tensor();
    const at::Tensor ids = ids_of(tensors, file, key, n_axes);
    require(ids.size(0) == clean.size(0) && (n_axes == 1 || ids.size(1) == clean.size(1)),
            "{}: expected '{}' of as many rows (and columns) as 'clean', got {}", file, key,
            c10::str(ids.sizes()));
    return ids;
  };
  const at::Tensor corrupt = optional("corrupt", 2), answer = optional("answer", 1),
                   wrong = optional("wrong", 1);
  PromptSet set;
  set.task = std::filesystem::path(file).stem().string();
  for (int64_t n = 0; n < clean.size(0); ++n) {
    Prompt prompt;
    prompt.clean.tokens = row(clean, n);
    prompt.clean.roles["end"] = clean.size(1) - 1;
    if (corrupt.defined()) prompt.corrupt.tokens = row(corrupt, n);
    if (answer.defined()) prompt.answer = row(answer, n);
    if (wrong.defined()) prompt.wrong = row(wrong, n);
    set.prompts.push_back(std::move(prompt));
  }
  return set;
}

PromptSet read_texts(const PromptOptions& options, const Tokenizer& tokenizer) {
  require_usage(
      options.answers.size() == options.texts.size(),
      fmt::format("--prompt: expected an --answer for each, found {} prompts and {} answers",
                  options.texts.size(), options.answers.size()));
  require_usage(options.wrongs.empty() || options.wrongs.size() == options.texts.size(),
                fmt::format("--wrong: expected none or one for each prompt, found {}",
                            options.wrongs.size()));
  std::vector<TextPrompt> prompts;
  for (size_t i = 0; i < options.texts.size(); ++i) {
    TextPrompt prompt;
    prompt.clean.text = options.texts[i];
    prompt.answer = options.answers[i];
    if (!options.wrongs.empty()) prompt.wrong = options.wrongs[i];
    prompts.push_back(std::move(prompt));
  }
  return tokenize_prompts(tokenizer, prompts,
                          {"prompts", 0, options.task.needs_pairs, options.task.prefix});
}

bool is_file(const std::string& source) {
  std::error_code ignored;
  return !is_task(source) && std::filesystem::exists(source, ignored);
}

/// Options that the chosen source would not heed are a mistake.
void check_usage(const PromptOptions& options) {
  const int n_sources =
      int(!options.source.empty()) + int(!options.pairs.empty()) + int(!options.texts.empty());
  require_usage(n_sources == 1,
                fmt::format("expected one of --task, --pairs and --prompt, found {}", n_sources));
  require_usage(!options.texts.empty() || (options.answers.empty() && options.wrongs.empty()),
                "--answer and --wrong: expected a --prompt that they belong to, found none");
  const TaskOptions& task = options.task;
  const bool is_task_asked =
      task.n > 0 || task.shots > 0 || !task.variant.empty() || !task.corruption.empty();
  require_usage(!options.source.empty() || !is_task_asked,
                "-n, --shots, --variant and --corruption: expected a --task that they belong to, "
                "found none");
  require_usage(options.pairs.empty() || task.prefix.empty(),
                "--prefix: expected a --task or a --prompt, found --pairs, which are ids");
}

}  // namespace

void add_task_options(Verb& verb, TaskOptions& options) {
  verb.option("-n", &options.n, "N",
              "How many prompts; 0: 100 of a generator, all of a relation or a file", {1})
      .option("--seed", &options.seed, "S", "Of the prompts")
      .option("--shots", &options.shots, "K", "Solved examples before each prompt", {0})
      .option("--variant", &options.variant, "V", "Of the task (weir tasks list)")
      .option("--corruption", &options.corruption, "C", "How partners differ (weir tasks list)")
      .option("--prefix", &options.prefix, "TEXT",
              "Before every prompt: '<|endoftext|>' for a model that expects it");
}

void add_prompt_options(Verb& verb, PromptOptions& options) {
  verb.option("--task", &options.source, "T", "A task (weir tasks list) or a file of prompts")
      .option("--pairs", &options.pairs, "F.safetensors",
              "Token ids: clean, corrupt [B, T], answer, wrong [B]")
      .texts("--prompt", &options.texts, "TEXT", "A prompt of your own; may be repeated")
      .texts("--answer", &options.answers, "TEXT", "Its answer, with the space before it")
      .texts("--wrong", &options.wrongs, "TEXT", "A wrong answer to compare with");
  add_task_options(verb, options.task);
}

PromptSet read_task(const std::string& source, const TaskOptions& options,
                    const Tokenizer& tokenizer) {
  return is_file(source) ? read_prompt_set(source, tokenizer, options)
                         : make_task(source, options, tokenizer);
}

PromptSet read_task(const std::string& source, const TaskOptions& options,
                    const LanguageModel& lm) {
  return is_file(source) && !lm.has_tokenizer() ? read_prompt_set(source, nullptr, options)
                                                : read_task(source, options, lm.tokenizer());
}

void check_ids(const PromptSet& set, const LanguageModel& lm) {
  const int64_t vocab = lm.config().d_vocab;
  for (size_t n = 0; n < set.prompts.size(); ++n) {
    const Prompt& prompt = set.prompts[n];
    for (const auto* ids :
         {&prompt.clean.tokens, &prompt.corrupt.tokens, &prompt.answer, &prompt.wrong}) {
      for (const int64_t id : *ids) {
        require(id >= 0 && id < vocab,
                "{}: expected ids from 0 to {}, the model's vocabulary, got {} in prompt {}",
                set.task, vocab - 1, id, n);
      }
    }
  }
}

PromptSet read_prompts(const PromptOptions& options, const LanguageModel& lm) {
  check_usage(options);
  PromptSet set = !options.pairs.empty()   ? read_pairs(options.pairs)
                  : !options.texts.empty() ? read_texts(options, lm.tokenizer())
                                           : read_task(options.source, options.task, lm);
  for (const std::string& note : set.notes) log::warn("{}: {}", set.task, note);
  check_ids(set, lm);
  return set;
}

}  // namespace weir::cli
