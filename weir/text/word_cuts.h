#pragma once

#include "weir/text/hf_tokenizer.h"

namespace weir::text {

/// Whether texts may be cut into words: at "x| A" and "x\n|A", x a printable ASCII character and A
/// an ASCII letter, without a change of their ids. The tokenizer itself is asked:
///
/// - No token of the vocabulary holds such a place, so no merge crosses a cut.
/// - For each of the 94 x 52 pairs (x, A), and after each added token, a small text has the same
/// ids
///   whole and in two: neither the normaliser, nor the rule that splits words, nor an added token
///   that takes the white space around it sees the cut.
///
/// A tokenizer that puts a mark before every text (Llama 2's) does not pass. What could pass and
/// yet be wrong is a rule that looks at what lies further off; none in use does.
bool allows_word_cuts(const HfTokenizer& tokenizer, const VocabularyTable& vocabulary);

}  // namespace weir::text
