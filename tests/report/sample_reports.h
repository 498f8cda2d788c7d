#pragma once

#include "weir/report/report.h"

namespace weir::testing {

/// What a logit lens of "The capital of France is" over 31 streams might say: a token strip, a map
/// with top tokens, the table of the last position, curves. Made-up numbers, always the same.
Report lens_sample();

GraphBlock graph_sample();
/// `n` points with a continuous colour, labels and targets.
ScatterBlock large_scatter(size_t n);
/// 31 rows and so many columns, with top tokens, some of which cannot be seen.
HeatMapBlock long_text_map(size_t n_tokens);
MediaBlock picture_sample();  ///< SVG
MediaBlock sound_sample();    ///< WAV, 8 kB
/// A table of links, a group with tabs, and a group that holds a closed group a prompt.
Report grouped_sample(size_t n_prompts);

/// One block of each other kind, and maps, strips and tables too large for a terminal.
Report other_blocks_sample();

/// Every kind of block with empty lists in it.
Report empty_blocks_sample();

/// Every string field holds terminal escapes, markup, quotes, line ends, a bidi override, combining
/// marks, wide characters and broken UTF-8; numbers include NaN and infinities.
Report hostile_sample();
/// The text in the fields of `hostile_sample`.
extern const char* const kHostileText;

}  // namespace weir::testing
