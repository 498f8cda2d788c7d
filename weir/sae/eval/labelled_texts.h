#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace weir {

/// Texts with a class, for probes. Rows to learn from and rows to test on share no text.
struct LabelledTexts {
  std::string name;
  std::vector<std::string> text, label;
  std::vector<std::string> attribute;  ///< A second label (SCR), or empty.
  std::vector<bool> is_test;

  size_t size() const { return text.size(); }
  std::vector<std::string> labels() const;  ///< Without repeats, sorted.
};

struct LabelledTextsOptions {
  std::string text_field = "text", label_field = "label";
  std::string attribute_field;  ///< "": none.
  double test_share = 0.2;      ///< Where rows do not say their "split", drawn by seed.
  uint64_t seed = 0;
  int64_t most_per_label = 0;  ///< Of each part; 0: all. The first ones in drawn order.
};

/// A JSON Lines file: an object a line, labels as text, numbers or booleans, "split" (optional)
/// "train" or "test". So upstream's data sets are used: docs/methods/sae-evaluation.md has the line
/// of Python that writes them so. kCorruptData names the line that is wrong; kInvalidArgument for
/// fewer than two labels, or a label without rows in both parts.
LabelledTexts read_labelled_texts(const std::filesystem::path& file,
                                  const LabelledTextsOptions& options = {});
LabelledTexts parse_labelled_texts(const std::string& lines, const std::string& name,
                                   const LabelledTextsOptions& options = {});
/// The set that comes with Weir: passages of six public-domain books by their subject (data/).
LabelledTexts subject_passages();

}  // namespace weir
