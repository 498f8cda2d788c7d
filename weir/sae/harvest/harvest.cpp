#include "weir/sae/harvest/harvest.h"

#include <algorithm>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/progress.h"
#include "weir/data/activation_store_writer.h"
#include "weir/io/json.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

std::string job_of(const data::TokenRows& rows, const HarvestOptions& options,
                   const HarvestStore& store, const std::vector<data::ActivationSite>& sites) {
  nlohmann::ordered_json names = nlohmann::ordered_json::array();
  for (const data::ActivationSite& site : sites) names.push_back(site.name);
  const data::RowOptions& row = rows.options();
  const nlohmann::ordered_json job = {
      {"origin", nlohmann::ordered_json::parse(store.origin)},
      {"names", names},
      {"contexts", store.n_contexts},
      {"dtype", dtype_name(store.dtype)},
      {"contexts_per_shard", store.contexts_per_shard},
      {"batch_contexts", options.batch_contexts},
      {"row_length", row.length},
      {"packing", row.packing == data::Packing::kStream ? "stream" : "documents"},
      {"shuffle", row.shuffle},
      {"seed", std::to_string(row.seed)},
      {"prepend_bos", options.prepend_bos},
      {"skip_positions", options.skip_positions},
      {"skip_tokens", options.skip_tokens},
      {"max_norm_multiple", options.max_norm_multiple},
      {"limit_tokens", options.limit_tokens}};
  return io::dump_json(job);
}

}  // namespace

std::shared_ptr<const data::ActivationStore> harvest(const LanguageModel& lm,
                                                     const data::TokenRows& rows,
                                                     const HarvestOptions& options,
                                                     const HarvestStore& store,
                                                     const std::filesystem::path& folder) {
  const std::vector<data::ActivationSite> sites = Harvester(lm, rows, options).sites();
  data::StoreLayout layout;
  layout.sites = sites;
  layout.dtype = store.dtype;
  const int64_t length = rows.options().length + (options.prepend_bos ? 1 : 0);
  layout.context_length = length;
  layout.contexts_per_shard = store.contexts_per_shard;
  data::ActivationStoreWriter writer(folder, layout, job_of(rows, options, store, sites));
  Harvester harvester(lm, rows, options, writer.n_contexts(),
                      writer.n_contexts() > 0 ? writer.norm_limits() : std::vector<double>());
  Progress progress("harvesting", static_cast<uint64_t>(store.n_contexts * length), "tokens");
  progress.set(static_cast<uint64_t>(writer.n_contexts() * length));
  while (writer.n_contexts() < store.n_contexts) {
    const data::ActivationBlock block = harvester.next(store.n_contexts - writer.n_contexts());
    writer.set_norm_limits(harvester.norm_limits());
    writer.append(block);
    progress.advance(static_cast<uint64_t>(block.n_contexts() * length));
  }
  writer.finish();
  return data::ActivationStore::open(folder);
}

std::string drops_text(const data::DropCounts& dropped) {
  return fmt::format(
      "of {} tokens: {} first positions, {} by token, {} by norm left out; {} rows kept",
      dropped.n_tokens, dropped.positions, dropped.tokens, dropped.norms, dropped.n_kept());
}

}  // namespace weir
