#include "weir/base/log.h"

#include <atomic>
#include <mutex>
#include <string>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "weir/base/paths.h"

namespace weir::log {
namespace {

Level level_from_environment() {
  const std::string text = environment("WEIR_LOG").value_or("warn");
  constexpr std::string_view kNames[] = {"trace", "debug", "info", "warn", "error", "off"};
  for (int i = 0; i < 6; ++i) {
    if (text == kNames[i]) return static_cast<Level>(i);
  }
  return Level::kWarn;
}

spdlog::level::level_enum to_spdlog(Level level) {
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::trace, spdlog::level::debug,
                                                   spdlog::level::info,  spdlog::level::warn,
                                                   spdlog::level::err,   spdlog::level::off};
  return kLevels[static_cast<int>(level)];
}

// The process-wide logger: the one piece of state that every program keeps in one place.
struct State {
  std::atomic<Level> level{level_from_environment()};
  std::mutex mutex;
  Sink sink;
  std::shared_ptr<spdlog::logger> logger;

  State() {
    logger = std::make_shared<spdlog::logger>(
        "weir", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    logger->set_pattern("weir: %^%l%$: %v");
    logger->set_level(spdlog::level::trace);
  }
};

State& state() {
  static State* instance = new State;  // Never destroyed: safe to log while the process ends.
  return *instance;
}

}  // namespace

void set_sink(Sink sink) {
  const std::lock_guard lock(state().mutex);
  state().sink = std::move(sink);
}

void set_level(Level level) { state().level = level; }
Level level() { return state().level; }

void write(Level level, std::string_view message) {
  State& s = state();
  if (level < s.level) return;
  const std::lock_guard lock(s.mutex);
  if (s.sink) {
    s.sink(level, message);
  } else {
    s.logger->log(to_spdlog(level), message);
  }
}

}  // namespace weir::log
