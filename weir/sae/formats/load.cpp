#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/nearest.h"
#include "weir/io/atomic_folder.h"
#include "weir/sae/formats/sae_format.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

std::vector<std::string> format_names(bool writable) {
  std::vector<std::string> names;
  for (const SaeFormat& format : sae_format_table()) {
    if (!writable || format.write != nullptr) names.emplace_back(format.name);
  }
  return names;
}

const SaeFormat& format_named(const std::string& name, bool writable) {
  for (const SaeFormat& format : sae_format_table()) {
    if (name == format.name && (!writable || format.write != nullptr)) return format;
  }
  const std::vector<std::string> names = format_names(writable);
  fail(ErrorCode::kInvalidArgument, "{} \"{}\"{}; known: {}",
       writable ? "no dictionary is written as" : "unknown format of dictionaries", name,
       did_you_mean(name, names), fmt::join(names, ", "));
}

std::string tensor_list(const SaeSite& site) {
  std::vector<std::string> names;
  for (const io::TensorView& tensor : site.tensors.tensors) {
    names.push_back(fmt::format("{} [{}]", tensor.name, fmt::join(tensor.shape, ", ")));
  }
  const size_t n = names.size();
  if (n > 8) names.resize(8);
  return fmt::format("{}{}", fmt::join(names, ", "), n > 8 ? ", ..." : "");
}

const SaeFormat& recognise(const SaeSite& site) {
  std::vector<const SaeFormat*> found;
  for (const SaeFormat& format : sae_format_table()) {
    if (format.recognises(site)) found.push_back(&format);
  }
  const std::string config = site.config_file.empty() ? "no configuration beside it"
                                                      : site.config_file.filename().string();
  require(!found.empty(),
          "neither kind nor orientation can be known for certain from {} and {}: if you know them, "
          "give --format (saelens: W_enc [d, F], W_dec [F, d]) with --kind and --b-dec-in",
          tensor_list(site), config);
  require(found.size() == 1, "{} and {} fit {} and {}; say which by --format", tensor_list(site),
          config, found[0]->name, found.back()->name);
  return *found[0];
}

void apply_options(const LoadSaeOptions& options, SaeConfig* config) {
  if (options.hook) config->hook = *options.hook;
  if (options.hook && options.hook->find("hook_z") != std::string::npos) {
    config->hook_head_shape = "hook_z";
  }
  if (options.apply_b_dec_to_input) config->apply_b_dec_to_input = *options.apply_b_dec_to_input;
  if (options.k) config->k = static_cast<double>(*options.k);
}

void set_dtype(at::ScalarType type, Sae* sae) {
  for (auto& [name, tensor] : sae->weights) tensor = tensor.to(type);
  sae->config.dtype = dtype_name(type);
}

}  // namespace

SaeFile load_sae(const std::filesystem::path& path, const LoadSaeOptions& options) {
  SaeSite site = find_sae_site(path);
  try {
    const SaeFormat& format =
        options.format.empty() ? recognise(site) : format_named(options.format, false);
    SaeFile result{{}, format.name, site.file, {}};
    result.sae = format.read(site, options, &result.notes);
    apply_options(options, &result.sae.config);
    if (!options.dtype.empty()) set_dtype(parse_dtype(options.dtype), &result.sae);
    check_sae(result.sae);
    if (options.check_values) check_sae_values(result.sae);
    return result;
  } catch (const Error& error) {
    const std::string file = site.file.string(), message = error.what();
    if (message.find(file) != message.npos) throw;
    throw Error(error.code(), file + ": " + message);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::kCorruptData, "{}: {}", site.config_file.string(), error.what());
  }
}

std::vector<std::string> save_sae(const Sae& sae, const std::filesystem::path& folder,
                                  const std::string& format) {
  const SaeFormat& chosen = format_named(format, true);
  check_sae(sae);
  SaeNotes notes;
  io::AtomicFolder files(folder);
  chosen.write(sae, files.path(), &notes);
  files.commit();
  return notes;
}

std::vector<SaeFormatInfo> sae_formats() {
  std::vector<SaeFormatInfo> infos;
  for (const SaeFormat& format : sae_format_table()) {
    infos.push_back({format.name, format.about, format.write != nullptr});
  }
  return infos;
}

}  // namespace weir
