#include "weir/sae/formats/sae_format.h"

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"
#include "weir/tensor/convert.h"

namespace weir {

extern const SaeFormat kWeirSaeFormat, kSaeLensFormat, kSaeLensTrainingFormat,
    kDictionaryLearningFormat, kVsaeFormat, kSparsifyFormat, kOpenAiSaeFormat, kGemmaScopeFormat,
    kGemmaScopeTranscoderFormat, kGemmaScope2Format, kLlamaScopeFormat, kLlamaScopeR1Format,
    kGoodfireFormat, kDeepSeekR1SaeFormat, kAttentionSaesFormat, kQwenScopeFormat, kMwhannaFormat,
    kMntssFormat;

const std::vector<SaeFormat>& sae_format_table() {
  static const std::vector<SaeFormat> kFormats = {
      kWeirSaeFormat,  kSaeLensFormat,       kSaeLensTrainingFormat,      kDictionaryLearningFormat,
      kSparsifyFormat, kGemmaScopeFormat,    kGemmaScopeTranscoderFormat, kGemmaScope2Format,
      kVsaeFormat,     kOpenAiSaeFormat,     kLlamaScopeFormat,           kLlamaScopeR1Format,
      kGoodfireFormat, kDeepSeekR1SaeFormat, kAttentionSaesFormat,        kQwenScopeFormat,
      kMwhannaFormat,  kMntssFormat};
  return kFormats;
}

at::Tensor stored(const SaeSite& site, const std::string& name) {
  return to_tensor(site.tensors.at(name));
}

at::Tensor transposed(const SaeSite& site, const std::string& name) {
  const at::Tensor tensor = stored(site, name);
  require(tensor.dim() == 2, "{} is not a matrix", name);
  return tensor.t();
}

Sae read_linear_pair(const SaeSite& site, const std::string& b_dec, const std::string& encoder,
                     const std::string& decoder) {
  Sae sae;
  sae.weights["W_enc"] = transposed(site, encoder + ".weight");
  // Rows are gathered one by one: they must lie together.
  sae.weights["W_dec"] = transposed(site, decoder + ".weight").contiguous();
  if (site.has(encoder + ".bias")) sae.weights["b_enc"] = stored(site, encoder + ".bias");
  sae.weights["b_dec"] = stored(site, b_dec);
  sae.config.dtype = dtype_name(to_tensor(site.tensors.at(encoder + ".weight")).scalar_type());
  set_sizes(&sae);
  return sae;
}

void set_sizes(Sae* sae) {
  const at::Tensor& decoder = sae->weight("W_dec");
  const at::Tensor encoder = sae->find("W_enc");
  require(decoder.dim() >= 2 && (!encoder.defined() || encoder.dim() >= 2),
          "W_enc and W_dec of a dictionary are matrices");
  sae->config.d_out = decoder.size(-1);
  sae->config.d_in = encoder.defined() ? encoder.size(-2) : sae->config.d_out;
  sae->config.d_sae = encoder.defined() ? encoder.size(-1) : decoder.size(0);
}

nlohmann::json extra_of(const SaeConfig& config) {
  return io::parse_json(config.extra, "SaeConfig::extra");
}

nlohmann::json extra_of(const SaeConfig& config, const std::string& format) {
  return extra_of(config).value(format, nlohmann::json::object());
}

void set_extra(SaeConfig* config, const std::string& format, const nlohmann::json& part) {
  nlohmann::json all = extra_of(*config);
  if (part.empty()) return;
  all[format] = part;
  config->extra = io::dump_json(all);
}

void carry_extra(const SaeConfig& config, const std::string& own_format,
                 nlohmann::ordered_json* file) {
  nlohmann::json others = extra_of(config);
  others.erase(own_format);
  if (!others.empty()) (*file)["weir"] = {{"extra", others}};
}

void take_extra(const nlohmann::json& file, SaeConfig* config) {
  const auto weir = file.find("weir");
  if (weir == file.end() || !weir->is_object()) return;
  const auto extra = weir->find("extra");
  if (extra == weir->end() || !extra->is_object()) return;
  for (const auto& [format, part] : extra->items()) set_extra(config, format, part);
}

io::TensorView to_write(const Sae& sae, const std::string& stored_name, const at::Tensor& tensor) {
  return to_view(stored_name, tensor.detach().to(parse_dtype(sae.config.dtype)).contiguous());
}

void write_json_file(const std::filesystem::path& file, const nlohmann::ordered_json& json) {
  io::write_file(file, io::dump_json(json, 2) + "\n");
}

}  // namespace weir
