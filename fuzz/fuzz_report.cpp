#include "parse_or_refuse.h"
#include "weir/report/report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return weir::fuzz::parse_or_refuse(data, size, [](const auto& file) {
    const weir::Report report = weir::parse_report(file->bytes(), file->path());
    // What was accepted can be written and drawn.
    weir::render_json(report);
    weir::render_terminal(report, {});
    weir::render_html(report);
  });
}
