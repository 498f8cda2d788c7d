#include "weir/tensor/compat.h"

#include <string>

#include <c10/util/Exception.h>
#include <torch/csrc/api/include/torch/version.h>

#include "weir/base/log.h"

namespace weir {
namespace {

class LogHandler final : public c10::WarningHandler {
 public:
#if TORCH_VERSION_MAJOR >= 2
  void process(const c10::Warning& warning) override { log::warn("LibTorch: {}", warning.msg()); }
#else
  void process(const c10::SourceLocation& /*where*/, const std::string& message,
               bool /*verbatim*/) override {
    log::warn("LibTorch: {}", message);
  }
#endif
};

}  // namespace

void route_torch_warnings() {
  static LogHandler handler;
#if TORCH_VERSION_MAJOR >= 2
  c10::WarningUtils::set_warning_handler(&handler);
#else
  c10::Warning::set_warning_handler(&handler);
#endif
}

}  // namespace weir
