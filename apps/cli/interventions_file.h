#pragma once

#include <map>
#include <string>
#include <vector>

#include "weir/hooks/intervention.h"

namespace weir::cli {

/// `--save F.json`: what `--intervene` takes. Values go into F.safetensors beside it, as `value0`,
/// `value1`, ... with `also`. UsageError for a file that is not .json.
void save_interventions(std::vector<Intervention> edits, const std::string& file,
                        const std::map<std::string, at::Tensor>& also = {},
                        const std::map<std::string, std::string>& metadata = {});

}  // namespace weir::cli
