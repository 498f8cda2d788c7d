#pragma once

#include <functional>
#include <string_view>

#include <fmt/format.h>

/// Messages for whoever runs the program. They go to stderr (level from WEIR_LOG: trace, debug,
/// info, warn, error, off; default warn), or to a sink that the embedding program sets.
namespace weir::log {

enum class Level { kTrace, kDebug, kInfo, kWarn, kError, kOff };

using Sink = std::function<void(Level level, std::string_view message)>;

/// Sends every message at or above the level to `sink` instead of stderr; empty restores stderr.
void set_sink(Sink sink);
void set_level(Level level);
Level level();

void write(Level level, std::string_view message);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::kDebug)
    write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::kInfo)
    write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::kWarn)
    write(Level::kWarn, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace weir::log
