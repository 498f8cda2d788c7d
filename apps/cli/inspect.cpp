#include <filesystem>

#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/io/file_tensor.h"
#include "weir/io/gguf.h"
#include "weir/io/llama2c.h"
#include "weir/io/npy.h"
#include "weir/io/printable.h"
#include "weir/io/safetensors.h"
#include "weir/io/torch_archive.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct Inspected {
  std::string format;
  io::TensorMap tensors;
  ordered_json metadata = ordered_json::object();
};

constexpr uint64_t kShownElements = 8;  // Of metadata arrays.

ordered_json to_json(const io::GgufValue& value);

ordered_json to_json(const io::GgufArray& array) {
  ordered_json first = ordered_json::array();
  const uint64_t shown = std::min(array.size, kShownElements);
  for (uint64_t i = 0; i < shown; ++i) {
    if (!array.strings.empty()) {
      first.push_back(std::string(array.strings[i]));
    } else if (!array.arrays.empty()) {
      first.push_back(to_json(array.arrays[i]));
    } else {
      first.push_back(
          to_json(io::load_scalar(array.type, array.data + i * io::scalar_bytes(array.type))));
    }
  }
  return {{"type", io::to_string(array.type)}, {"size", array.size}, {"first", first}};
}

ordered_json to_json(const io::GgufValue& value) {
  return std::visit(
      [](const auto& v) -> ordered_json {
        using Value = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<Value, io::GgufArray>) {
          return to_json(v);
        } else if constexpr (std::is_same_v<Value, std::string_view>) {
          return std::string(v);
        } else {
          return v;
        }
      },
      value.value);
}

Inspected with_metadata(std::string format, io::TensorMap tensors) {
  Inspected result{std::move(format), std::move(tensors)};
  for (const auto& [key, value] : result.tensors.metadata) result.metadata[key] = value;
  return result;
}

Inspected inspect_gguf(const std::filesystem::path& file) {
  const io::GgufFile gguf = io::read_gguf(file);
  Inspected result{"GGUF v" + std::to_string(gguf.version()), gguf.tensors()};
  for (const io::GgufEntry& entry : gguf.metadata()) {
    result.metadata[std::string(entry.key)] = to_json(entry.value);
  }
  return result;
}

Inspected inspect_llama2c(const std::filesystem::path& file) {
  const io::Llama2cFile checkpoint = io::read_llama2c(file);
  const io::Llama2cConfig& config = checkpoint.config;
  Inspected result{"llama2.c", checkpoint.tensors};
  result.metadata = {{"version", config.version},       {"dim", config.dim},
                     {"hidden_dim", config.hidden_dim}, {"n_layers", config.n_layers},
                     {"n_heads", config.n_heads},       {"n_kv_heads", config.n_kv_heads},
                     {"vocab_size", config.vocab_size}, {"seq_len", config.seq_len},
                     {"tied", config.is_tied}};
  return result;
}

// PyTorch's format from before 1.6 begins with a pickle of protocol 2 or later, whose next bytes
// are not both 0. A llama2.c header that begins so would have a width of 640 or 641 and no more.
bool begins_with_pickle(std::string_view head) {
  return head.size() >= 4 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5 &&
         (head[2] != 0 || head[3] != 0);
}

// What a file is, by its first bytes where its format has such, else by its name.
Inspected inspect_file(const std::filesystem::path& file) {
  const std::string name = file.filename().string(), extension = file.extension().string();
  if (name.size() > 11 && name.rfind(".index.json") == name.size() - 11) {
    return name.find("safetensors") != std::string::npos
               ? with_metadata("safetensors, sharded", io::read_sharded_safetensors(file))
               : with_metadata("PyTorch archives, sharded", io::read_sharded_torch(file));
  }
  const auto mapped = io::MappedFile::open(file);
  const std::string_view head = mapped->bytes().substr(0, 8);
  if (head.substr(0, 4) == "GGUF") return inspect_gguf(file);
  if (head.substr(0, 6) == "\x93NUMPY") return with_metadata("npy", io::parse_npy(mapped));
  if (head.substr(0, 2) == "PK" && extension == ".npz") {
    return with_metadata("npz", io::parse_npz(mapped));
  }
  if (head.substr(0, 2) == "PK" || begins_with_pickle(head) || extension == ".pt" ||
      extension == ".pth") {
    return with_metadata("PyTorch archive", io::parse_torch_archive(mapped));
  }
  if (extension == ".bin") return inspect_llama2c(file);
  return with_metadata("safetensors", io::parse_safetensors(mapped));
}

ordered_json tensor_json(const io::TensorView& tensor) {
  return {{"name", tensor.name},
          {"dtype", io::to_string(tensor.dtype)},
          {"shape", tensor.shape},
          {"bytes", tensor.n_bytes}};
}

ordered_json document(const Inspected& inspected, const std::string& file) {
  ordered_json result = {{"path", file},
                         {"format", inspected.format},
                         {"metadata", inspected.metadata},
                         {"tensors", ordered_json::array()}};
  for (const io::TensorView& tensor : inspected.tensors.tensors) {
    result["tensors"].push_back(tensor_json(tensor));
  }
  return result;
}

Report report_of(const Inspected& inspected, const std::string& file) {
  TableBlock metadata{"Metadata", {"key", "value"}, {}, ""};
  for (const auto& [key, value] : inspected.metadata.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    metadata.rows.push_back({key, io::printable(text, 100)});
  }
  TableBlock tensors{"Tensors", {"name", "dtype", "shape", "bytes"}, {}, ""};
  int64_t n_elements = 0, n_bytes = 0;
  for (const io::TensorView& tensor : inspected.tensors.tensors) {
    tensors.rows.push_back({tensor.name, std::string(io::to_string(tensor.dtype)),
                            io::shape_text(tensor.shape), static_cast<int64_t>(tensor.n_bytes)});
    n_elements += tensor.n_elements();
    n_bytes += static_cast<int64_t>(tensor.n_bytes);
  }
  tensors.note = fmt::format("{} tensors, {} elements, {:.1f} MB", tensors.rows.size(), n_elements,
                             static_cast<double>(n_bytes) / 1e6);
  Report report{file + " (" + inspected.format + ")", plain_provenance(), {}};
  if (!metadata.rows.empty()) report.blocks.push_back(std::move(metadata));
  report.blocks.push_back(std::move(tensors));
  return report;
}

}  // namespace

void add_inspect(Verb& weir) {
  struct InspectVerb {
    std::string file;
    OutputOptions output;
  };
  auto options = std::make_shared<InspectVerb>();
  Verb& verb = weir.verb(
      {"inspect",
       "lists the tensors and metadata of a file",
       "Reads safetensors (also a model.safetensors.index.json), GGUF, PyTorch zip archives, npz, "
       "npy and llama2.c checkpoints; only headers, so that size does not matter. Nothing in a "
       "file is executed.",
       {"weir inspect model.safetensors", "weir inspect model.gguf --json"}});
  verb.argument("FILE", &options->file, "The file");
  add_output_options(verb, options->output);
  verb.run([options] {
    const Inspected inspected = inspect_file(options->file);
    show_document(report_of(inspected, options->file), options->output,
                  document(inspected, options->file));
  });
}

}  // namespace weir::cli
