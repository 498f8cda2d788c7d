#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/safetensors.h"
#include "weir/sae/formats/sae_config_json.h"
#include "weir/sae/formats/sae_format.h"

// SAELens' files and names of tensors for any kind; cfg.json holds one object, "weir", with the
// whole configuration.
namespace weir {
namespace {

bool recognises(const SaeSite& site) { return site.section("weir").contains("kind"); }

Sae read(const SaeSite& site, const LoadSaeOptions&, SaeNotes*) {
  Sae sae;
  sae.config = parse_sae_config(site.section("weir"), site.config_file.string());
  for (const io::TensorView& tensor : site.tensors.tensors) {
    sae.weights[tensor.name] = stored(site, tensor.name);
  }
  take_extra(site.config(), &sae.config);
  return sae;
}

void write(const Sae& sae, const std::filesystem::path& folder, SaeNotes*) {
  nlohmann::ordered_json weir = to_json(sae.config);
  const nlohmann::json extra = extra_of(sae.config);
  if (!extra.empty()) weir["extra"] = extra;
  write_json_file(folder / "cfg.json", {{"weir", weir}});
  std::vector<io::TensorView> tensors;
  for (const auto& [name, tensor] : sae.weights) tensors.push_back(to_write(sae, name, tensor));
  io::write_safetensors(folder / "sae_weights.safetensors", tensors);
}

}  // namespace

extern const SaeFormat kWeirSaeFormat;
const SaeFormat kWeirSaeFormat = {"weir", "Weir's own: every kind, everything known of it",
                                  recognises, read, write};

}  // namespace weir
