#include "apps/cli/sae/latent_edits.h"

#include <charconv>

#include <fmt/format.h>

#include "weir/sae/formats/sae_file.h"
#include "weir/sae/splice/latent_edit.h"
#include "weir/sae/splice/splice.h"

namespace weir::cli {
namespace {

// "417+8" and "417-8" add, "417=8" sets, "417*0.5" scales.
LatentEdit parse_edit(const std::string& word) {
  const std::string wrong = fmt::format(
      "--latent: expected J*0 (ablate), J*X, J=X or J+X with the number J of a latent, found "
      "\"{}\"",
      word);
  LatentEdit edit;
  const char* end = word.data() + word.size();
  const auto number = std::from_chars(word.data(), end, edit.latent);
  require_usage(number.ec == std::errc() && number.ptr != end && edit.latent >= 0, wrong);
  const char sign = *number.ptr;
  require_usage(sign == '+' || sign == '-' || sign == '=' || sign == '*', wrong);
  const auto value = std::from_chars(number.ptr + 1, end, edit.value);
  require_usage(value.ec == std::errc() && value.ptr == end, wrong);
  if (sign == '-') edit.value = -edit.value;
  edit.op = sign == '*'   ? LatentEdit::Op::kScale
            : sign == '=' ? LatentEdit::Op::kSet
                          : LatentEdit::Op::kAdd;
  return edit;
}

}  // namespace

void add_latent_edit_options(Verb& verb, LatentEditOptions& options) {
  verb.option("--sae", &options.sae, "SAE", "A dictionary whose latents --latent changes")
      .texts(
          "--latent", &options.edits, "J*0",
          "J*0 ablates latent J, J*X scales it, J=X sets it, J+X adds to it; what the dictionary "
          "does not explain stays; may be given several times");
}

std::vector<NamedHook> latent_edit_hooks(const LatentEditOptions& options) {
  require_usage(options.sae.empty() == options.edits.empty(),
                "--sae and --latent: expected both or none");
  if (options.sae.empty()) return {};
  std::vector<LatentEdit> edits;
  for (const std::string& word : options.edits) edits.push_back(parse_edit(word));
  const Sae sae = load_sae(options.sae).sae;
  for (const LatentEdit& edit : edits) {
    require_usage(edit.latent < sae.config.d_sae,
                  fmt::format("--latent: {} of a dictionary of {}", edit.latent, sae.config.d_sae));
  }
  SpliceOptions how;
  how.keep_error = true;
  how.edit = [edits](const at::Tensor& latents) { return edit_latents(latents, edits); };
  return splice(sae, how);
}

}  // namespace weir::cli
