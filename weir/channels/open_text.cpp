#include "weir/channels/open_text.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <set>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/channels/edit.h"
#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

int64_t letters(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](unsigned char c) { return std::isalpha(c) || c >= 0x80; });
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first);
}

/// Windows of equal length, [N, T] with BOS; what is left at the end is dropped unless it is all.
at::Tensor windows_of(const LanguageModel& lm, const std::vector<int64_t>& tokens, int64_t window) {
  const auto n_tokens = static_cast<int64_t>(tokens.size());
  const int64_t length = std::min(window, n_tokens), n = n_tokens / length;
  at::Tensor rows =
      at::tensor(std::vector<int64_t>(tokens.begin(), tokens.begin() + n * length), at::kLong)
          .view({n, length});
  if (lm.has_tokenizer() && lm.tokenizer().special().bos)
    rows = at::cat({at::full({n, 1}, *lm.tokenizer().special().bos, at::kLong), rows}, 1);
  return rows;
}

struct Trace {
  at::Tensor coefficient;  ///< [N, T]
  at::Tensor pattern;      ///< [N, T, T]
};

Trace trace_of(const LanguageModel& lm, const at::Tensor& rows, const ComponentId& component,
               const CircuitOptions& circuits) {
  const std::string z = fmt::format("blocks.{}.attn.hook_z", component.head.layer),
                    pattern = fmt::format("blocks.{}.attn.hook_pattern", component.head.layer);
  const LayerHeads heads =
      layer_heads(lm.transformer().weights(), lm.config(), component.head.layer, circuits);
  const at::Tensor v = head_components(one_head(heads.ov(), component.head.head), SignRule::kRight)
                           .right[0]
                           .select(1, component.component);
  const at::Tensor read = at::mv(heads.W_O[component.head.head], v);  // [K]
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {z, pattern};
  run.stop_when_cached = true;
  std::vector<at::Tensor> coefficients, patterns;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    throw_if_interrupted();
    const RunResult out = lm.run({rows.slice(0, i, i + 1), {}}, run);
    coefficients.push_back(
        at::matmul(out.cache[z].select(2, component.head.head).to(read.scalar_type()), read));
    patterns.push_back(out.cache[pattern].select(1, component.head.head));
  }
  return {at::cat(coefficients), at::cat(patterns)};
}

at::Tensor losses(const LanguageModel& lm, const at::Tensor& rows, const Weights* weights) {
  RunOptions run;
  run.weights = weights;
  std::vector<at::Tensor> parts;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    throw_if_interrupted();
    parts.push_back(-lm.token_log_probs({rows.slice(0, i, i + 1), {}}, run));
  }
  return at::cat(parts).to(at::kDouble);  // [N, T - 1], of tokens 1 ..
}

MeanInterval mean_where(const at::Tensor& values, const at::Tensor& where) {
  return bootstrap_mean(to_doubles(values.masked_select(where)));
}

ClassLoss class_loss(const at::Tensor& rise, const at::Tensor& classes) {
  const auto of = [&](TokenClass one) {
    return mean_where(rise, classes == static_cast<int>(one));
  };
  return {of(TokenClass::kRepeat), of(TokenClass::kList), of(TokenClass::kRest),
          bootstrap_mean(to_doubles(rise))};
}

std::vector<TextContext> contexts(const Trace& trace,
                                  const std::vector<std::vector<std::string>>& texts, bool highest,
                                  const OpenTextOptions& options) {
  const int64_t length = trace.coefficient.size(1);
  // Where only BOS can be attended, the coefficient says nothing of the text.
  const at::Tensor values = trace.coefficient.slice(1, 1).reshape(-1);
  const int64_t n = std::min<int64_t>(options.n_contexts, values.numel());
  const at::Tensor index = std::get<1>(values.topk(n, -1, highest));
  std::vector<TextContext> list;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = index[i].item<int64_t>(), row = at / (length - 1),
                  position = at % (length - 1) + 1;
    const auto& words = texts[static_cast<size_t>(row)];
    TextContext one;
    one.coefficient = values[at].item<double>();
    for (int64_t p = std::max<int64_t>(0, position - options.context + 1); p <= position; ++p)
      one.tokens.push_back(words[static_cast<size_t>(p)]);
    const at::Tensor looks = trace.pattern[row][position];
    const int64_t source = looks.argmax().item<int64_t>();
    one.attended = words[static_cast<size_t>(source)];
    one.attention = looks[source].item<double>();
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace

std::vector<TokenClass> token_classes(const std::vector<std::string>& tokens) {
  const auto is = [&](size_t i, const char* word) { return trimmed(tokens[i]) == word; };
  const auto is_comma = [&](size_t i) { return is(i, ","); };
  std::set<std::string> seen;
  std::vector<TokenClass> classes;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string word = trimmed(tokens[i]);
    TokenClass one = TokenClass::kRest;
    if (letters(word) >= 4 && seen.count(word) > 0) one = TokenClass::kRepeat;
    const size_t reach = static_cast<size_t>(kListReach);
    if (i > 0 && (is_comma(i - 1) || is(i - 1, "and") || is(i - 1, "or")) && letters(word) > 0) {
      bool has_comma = false;
      for (size_t j = i - 1 > reach ? i - 1 - reach : 0; j + 1 < i; ++j)
        has_comma = has_comma || is_comma(j);
      if (has_comma) one = TokenClass::kList;
    }
    classes.push_back(one);
    seen.insert(word);
  }
  return classes;
}

OpenText open_text(const LanguageModel& lm, const std::vector<int64_t>& tokens,
                   const ComponentId& component, const OpenTextOptions& options) {
  const at::NoGradGuard no_grad;
  require(tokens.size() >= 2, "open text: expected at least 2 tokens, got {}", tokens.size());
  const at::Tensor rows = windows_of(lm, tokens, options.window);
  std::vector<std::vector<std::string>> texts;
  std::vector<int64_t> classes;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    auto& words = texts.emplace_back();
    for (int64_t t = 0; t < rows.size(1); ++t)
      words.push_back(lm.token_text(rows[i][t].item<int64_t>()));
    const std::vector<TokenClass> found = token_classes(words);
    for (size_t t = 1; t < found.size(); ++t) classes.push_back(static_cast<int64_t>(found[t]));
  }
  const at::Tensor of_class = at::tensor(classes, at::kLong).view({rows.size(0), -1});
  const Trace trace = trace_of(lm, rows, component, options.circuits);
  OpenText found;
  found.component = component;
  found.n_tokens = rows.numel();
  const at::Tensor own = trace.coefficient.slice(1, 1).to(at::kDouble);
  found.coefficients = to_doubles(own);
  found.mean = own.mean().item<double>();
  found.sd = own.std(false).item<double>();
  found.highest = contexts(trace, texts, true, options);
  found.lowest = contexts(trace, texts, false, options);
  const at::Tensor sizes = trace.coefficient.slice(1, 0, rows.size(1) - 1).abs().to(at::kDouble);
  const auto size_at = [&](TokenClass one) {
    return mean_where(sizes, of_class == static_cast<int>(one)).mean;
  };
  found.size_repeat = size_at(TokenClass::kRepeat);
  found.size_list = size_at(TokenClass::kList);
  found.size_rest = size_at(TokenClass::kRest);
  const at::Tensor clean = losses(lm, rows, nullptr);
  const auto rise_without = [&](int64_t index) {
    const Weights edited = scale_components(lm.transformer().weights(), lm.config(),
                                            {{{component.head, index}, 0}}, options.circuits);
    return class_loss(losses(lm, rows, &edited) - clean, of_class);
  };
  found.loss = rise_without(component.component);
  std::vector<int64_t> others(static_cast<size_t>(lm.config().d_head));
  std::iota(others.begin(), others.end(), 0);
  others.erase(others.begin() + component.component);
  Draw draw(options.seed);
  const auto n_controls = std::min<size_t>(static_cast<size_t>(options.n_controls), others.size());
  for (const int64_t index : draw.pick(others, n_controls))
    found.controls.push_back(rise_without(index));
  return found;
}

Report open_text_report(const OpenText& found) {
  const auto interval = [](const MeanInterval& x) {
    return x.n == 0 ? std::string("none") : change_text(x, 4);
  };
  const auto controls = [&](MeanInterval ClassLoss::*which) {
    double sum = 0;
    for (const ClassLoss& one : found.controls) sum += (one.*which).mean;
    return found.controls.empty()
               ? std::string()
               : fmt::format("{:+.4f}", sum / static_cast<double>(found.controls.size()));
  };
  TableBlock loss{
      "What its removal costs",
      {"tokens", "number", "|coefficient| before", "rise of the loss", "random other components"},
      {},
      "nats a token; coefficient at the position that predicts the token"};
  const auto row = [&](const char* name, MeanInterval ClassLoss::*which, double size) {
    loss.rows.push_back({std::string(name), (found.loss.*which).n, size,
                         interval(found.loss.*which), controls(which)});
  };
  row("that repeat", &ClassLoss::repeat, found.size_repeat);
  row("in lists", &ClassLoss::list, found.size_list);
  row("others", &ClassLoss::rest, found.size_rest);
  const auto context_table = [](const char* title, const std::vector<TextContext>& list) {
    TableBlock table{title, {"coefficient", "context", "attended", "attention"}, {}, ""};
    for (const TextContext& one : list) {
      table.rows.push_back({one.coefficient, fmt::format("{}", fmt::join(one.tokens, "")),
                            one.attended, one.attention});
    }
    return table;
  };
  Report report;
  report.title = fmt::format("Component {} over a text", found.component.name());
  report.blocks = {TextBlock{"", fmt::format("{} tokens; coefficient {:.3f} on average, sd {:.3f}.",
                                             found.n_tokens, found.mean, found.sd)},
                   loss, context_table("Highest coefficients", found.highest),
                   context_table("Lowest coefficients", found.lowest)};
  return report;
}

}  // namespace weir
