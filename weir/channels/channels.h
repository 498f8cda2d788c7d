#pragma once

#include <optional>
#include <string>
#include <vector>

#include "weir/channels/composition.h"
#include "weir/channels/surprise.h"
#include "weir/lm/language_model.h"
#include "weir/model/heads.h"
#include "weir/report/report.h"

/// The channels of a model as a table: which components of which heads which others read, and how
/// surprising that is (2406.09519; docs/methods/channels.md).
namespace weir {

struct ChannelOptions {
  std::vector<CompositionType> types = {CompositionType::kQ};
  CircuitOptions circuits;
  std::optional<int64_t> offset;  ///< Query minus key, of rotary models; unset: content alone
  std::optional<HeadId> writer, reader;  ///< Only links of these
  int64_t n_links = 40;                  ///< Links to list, of each type
  double false_discovery_rate = 0.01;
};

/// One component of a writer and a whole reader.
struct ChannelLink {
  HeadId writer;
  int64_t component = 0;
  HeadId reader;
  double score = 0;            ///< CS_i
  double share = 0;            ///< Of sigma^2 of the writer
  double z = 0;                ///< Among all components that this reader could read
  double z_in_layer = 0;       ///< The same among all readers of its layer
  double z_analytic = 0;       ///< Against random directions
  double p = 1;                ///< Of random directions
  bool is_discovery = false;   ///< At the rate, over all components and readers of the type
  double head_score = 0;       ///< CS of the whole heads, and
  double head_z = 0;           ///< against random orientation
  bool is_degenerate = false;  ///< Its singular value is shared: only the subspace means something
};

struct ChannelTable {
  CompositionType type;
  ComponentScores scores;
  CompositionNull null;
  EmpiricalZ z;
  at::Tensor head_z;               ///< [L, H, L, H]
  std::vector<ChannelLink> links;  ///< By z, falling
  int64_t n_discoveries = 0, n_tested = 0;
};

struct Channels {
  ModelComponents components;
  std::vector<ChannelTable> tables;
};
Channels find_channels(const LanguageModel& lm, const ChannelOptions& options);

/// What a component reads and writes as tokens: the embeddings that excite it most and least, and
/// the tokens whose logits it moves up and down (through the final norm's gain, its scale left
/// out).
struct ComponentTokens {
  std::vector<std::pair<std::string, double>> reads, reads_against, writes, writes_against;
};
ComponentTokens component_tokens(const LanguageModel& lm, const HeadComponents& ov, int64_t head,
                                 int64_t component, int64_t n = 8);

/// Strongest links as table and graph, maps of head pairs, a tab for each type.
Report channel_report(const LanguageModel& lm, const Channels& found,
                      const ChannelOptions& options);
/// One component: what it reads and writes, and who reads it.
Report component_report(const LanguageModel& lm, const Channels& found,
                        const ChannelOptions& options, const HeadId& head, int64_t component);

}  // namespace weir
