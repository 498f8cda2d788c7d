#include "weir/channels/channels.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"

namespace weir {
namespace {

class TableMaker {
 public:
  TableMaker(const ModelComponents& components, CompositionType type, const ChannelOptions& options,
             int64_t n_dimensions)
      : components_(components), options_(options) {
    table_.type = type;
    table_.scores = component_scores(components, type);
    table_.null = composition_null(components, type, n_dimensions);
    table_.z = empirical_z(table_.scores.writer);
    table_.head_z = analytic_z_of_heads(table_.scores.head, table_.null);
  }

  ChannelTable make() {
    const at::Tensor& writer = table_.scores.writer;
    const at::Tensor is_path = has_path(writer, 3);
    const at::Tensor squares = writer.to(at::kDouble).square();
    const at::Tensor p = p_values(squares);
    const at::Tensor discovered = at::zeros_like(is_path, at::kBool);
    discovered.masked_scatter_(
        is_path, false_discovery(p.masked_select(is_path), options_.false_discovery_rate));
    table_.n_tested = is_path.sum().item<int64_t>();
    table_.n_discoveries = discovered.sum().item<int64_t>();
    const at::Tensor in_layer = empirical_z_within_layer(writer).z;
    const at::Tensor analytic = analytic_z_of_components(writer, table_.null);
    const at::Tensor z = table_.z.z.masked_fill(is_path.logical_not(), -1e30).contiguous();
    const int64_t n_links = std::min(options_.n_links, z.numel());
    const at::Tensor order = std::get<1>(wanted(z).flatten().topk(n_links));
    for (int64_t i = 0; i < n_links; ++i) {
      const Place at = place_of(order[i].item<int64_t>());
      const auto of = [&](const at::Tensor& table) {
        return table[at.l1][at.h1][at.k][at.l2][at.h2].item<double>();
      };
      if (of(z) < -1e29) break;
      ChannelLink link = link_at(at);
      link.score = of(writer);
      link.z = of(z);
      link.z_in_layer = of(in_layer);
      link.z_analytic = of(analytic);
      link.p = of(p);
      link.is_discovery = discovered[at.l1][at.h1][at.k][at.l2][at.h2].item<bool>();
      table_.links.push_back(std::move(link));
    }
    return std::move(table_);
  }

 private:
  struct Place {
    int64_t l1, h1, k, l2, h2;
  };

  /// 1 for the great mass of scores within a standard deviation above the mean, whose p-values are
  /// far above any rate of false discovery.
  at::Tensor p_values(const at::Tensor& squares) const {
    const at::Tensor variance =
        table_.null.component_variance.clamp_min(1e-300).expand(squares.sizes());
    const at::Tensor is_high = squares > table_.null.mean + variance.sqrt();
    at::Tensor p = at::ones_like(squares);
    p.masked_scatter_(is_high, null_p_values(squares.masked_select(is_high), table_.null.mean,
                                             variance.masked_select(is_high)));
    return p;
  }

  at::Tensor wanted(const at::Tensor& z) const {
    if (!options_.writer && !options_.reader) return z;
    at::Tensor chosen = at::full_like(z, -1e30), to = chosen, from = z;
    const auto narrow = [&](const std::optional<HeadId>& head, int64_t axis) {
      if (!head) return;
      to = to.narrow(axis, head->layer, 1).narrow(axis + 1, head->head, 1);
      from = from.narrow(axis, head->layer, 1).narrow(axis + 1, head->head, 1);
    };
    narrow(options_.writer, 0);
    narrow(options_.reader, 3);
    to.copy_(from);
    return chosen;
  }

  Place place_of(int64_t flat) const {
    const at::Tensor& w = table_.scores.writer;
    Place at{};
    at.h2 = flat % w.size(4), flat /= w.size(4);
    at.l2 = flat % w.size(3), flat /= w.size(3);
    at.k = flat % w.size(2), flat /= w.size(2);
    at.h1 = flat % w.size(1), at.l1 = flat / w.size(1);
    return at;
  }

  ChannelLink link_at(const Place& at) const {
    ChannelLink link;
    link.writer = {at.l1, at.h1};
    link.reader = {at.l2, at.h2};
    link.component = at.k;
    const at::Tensor S = components_.ov[static_cast<size_t>(at.l1)].S[at.h1].to(at::kDouble);
    link.share = (S[at.k].square() / S.square().sum()).item<double>();
    link.head_score = table_.scores.head[at.l1][at.h1][at.l2][at.h2].item<double>();
    link.head_z = table_.head_z[at.l1][at.h1][at.l2][at.h2].item<double>();
    const at::Tensor groups = degenerate_groups(S.unsqueeze(0))[0];
    link.is_degenerate = (groups == groups[at.k]).sum().item<int64_t>() > 1;
    return link;
  }

  const ModelComponents& components_;
  const ChannelOptions& options_;
  ChannelTable table_;
};

std::vector<std::pair<std::string, double>> tokens_of(const LanguageModel& lm,
                                                      const at::Tensor& values, int64_t n,
                                                      bool largest) {
  const auto [top, index] = values.topk(std::min(n, values.numel()), 0, largest);
  std::vector<std::pair<std::string, double>> tokens;
  for (int64_t i = 0; i < top.numel(); ++i) {
    tokens.emplace_back(lm.token_text(index[i].item<int64_t>()), top[i].item<double>());
  }
  return tokens;
}

}  // namespace

Channels find_channels(const LanguageModel& lm, const ChannelOptions& options) {
  const at::NoGradGuard no_grad;
  const ModelConfig& config = lm.config();
  const Weights& weights = lm.transformer().weights();
  for (const std::optional<HeadId>& head : {options.writer, options.reader}) {
    require(!head || (head->layer >= 0 && head->layer < config.n_layers && head->head >= 0 &&
                      head->head < config.n_heads),
            "channels: no head {} in {} layers of {} heads", head ? head->name() : "",
            config.n_layers, config.n_heads);
  }
  const HeadSource source = options.offset
                                ? head_source_at(weights, config, *options.offset, options.circuits)
                                : head_source(weights, config, options.circuits);
  Channels found{model_components(source), {}};
  const int64_t n = config.d_model - (is_centred(config, options.circuits) ? 1 : 0);
  for (const CompositionType type : options.types) {
    found.tables.push_back(TableMaker(found.components, type, options, n).make());
  }
  return found;
}

ComponentTokens component_tokens(const LanguageModel& lm, const HeadComponents& ov, int64_t head,
                                 int64_t component, int64_t n) {
  const at::NoGradGuard no_grad;
  const Weights& weights = lm.transformer().weights();
  const at::ScalarType dtype = lm.transformer().dtype();
  const at::Tensor read = ov.left[head].select(1, component).to(dtype);
  at::Tensor write = ov.right[head].select(1, component).to(dtype);
  if (weights.ln_final.w.defined()) {
    write = write * (weights.ln_final.w + lm.config().norm_offset).to(dtype);
  }
  const at::Tensor up = weights.W_U.apply(write.unsqueeze(0))[0];
  const at::Tensor excited = weights.W_E.apply(read.unsqueeze(0))[0];  // W_E is held [D, V].
  return {tokens_of(lm, excited, n, true), tokens_of(lm, excited, n, false),
          tokens_of(lm, up - up.mean(), n, true), tokens_of(lm, up - up.mean(), n, false)};
}

}  // namespace weir
