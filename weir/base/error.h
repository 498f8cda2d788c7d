#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace weir {

enum class ErrorCode {
  kInvalidArgument,  ///< The caller asked for something that cannot be.
  kNotFound,         ///< A name, file or model that does not exist.
  kCorruptData,      ///< Bytes from outside that break their format.
  kUnsupported,      ///< Valid, but outside what Weir implements.
  kUnavailable,      ///< Network, disk or permission trouble; trying again may help.
  kInterrupted,      ///< The user asked to stop.
  kInternal,         ///< A broken promise of our own.
};

/// The one exception type of the library. `what()` is one line for people:
/// what was expected, what was found, what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// "invalid_argument", "not_found", ...: the spelling used in JSON.
std::string_view to_string(ErrorCode code);

[[noreturn]] void throw_error(ErrorCode code, const std::string& message);

/// Throws Error(code) with a formatted message.
template <typename... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw_error(code, fmt::format(format, std::forward<Args>(args)...));
}

/// Throws kInvalidArgument unless `condition` holds.
template <typename... Args>
void require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) fail(ErrorCode::kInvalidArgument, format, std::forward<Args>(args)...);
}

}  // namespace weir
