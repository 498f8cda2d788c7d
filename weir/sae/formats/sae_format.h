#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "weir/sae/formats/sae_file.h"
#include "weir/sae/formats/sae_site.h"

/// One format of files: a file (or two) and a line in sae_format.cpp.
namespace weir {

using SaeNotes = std::vector<std::string>;

struct SaeFormat {
  const char* name;
  const char* about;
  /// Whether the content is of this format and of no other.
  bool (*recognises)(const SaeSite& site);
  Sae (*read)(const SaeSite& site, const LoadSaeOptions& options, SaeNotes* notes);
  /// Writes into a folder that is there; nullptr for formats that Weir only reads.
  void (*write)(const Sae& sae, const std::filesystem::path& folder, SaeNotes* notes);
};

/// All of them.
const std::vector<SaeFormat>& sae_format_table();

/// The tensor [rows, cols] as stored, or transposed from [cols, rows] (a view).
at::Tensor stored(const SaeSite& site, const std::string& name);
at::Tensor transposed(const SaeSite& site, const std::string& name);
/// encoder.weight [F, d], encoder.bias, decoder.weight [d, F] (torch.nn.Linear) and the decoder's
/// bias under `b_dec`, with sizes.
Sae read_linear_pair(const SaeSite& site, const std::string& b_dec,
                     const std::string& encoder = "encoder",
                     const std::string& decoder = "decoder");
/// d_in, d_out and d_sae from W_enc (if any) and W_dec.
void set_sizes(Sae* sae);

/// config.extra as an object, and one format's part of it ({} when absent).
nlohmann::json extra_of(const SaeConfig& config);
nlohmann::json extra_of(const SaeConfig& config, const std::string& format);
void set_extra(SaeConfig* config, const std::string& format, const nlohmann::json& part);
/// The other way, for formats with a JSON file: what other formats carried, as its key "weir".
void carry_extra(const SaeConfig& config, const std::string& own_format,
                 nlohmann::ordered_json* file);
/// Takes back what `carry_extra` wrote.
void take_extra(const nlohmann::json& file, SaeConfig* config);

/// A tensor as a view to write, in the type the file is to have.
io::TensorView to_write(const Sae& sae, const std::string& stored_name, const at::Tensor& tensor);
void write_json_file(const std::filesystem::path& file, const nlohmann::ordered_json& json);

}  // namespace weir
