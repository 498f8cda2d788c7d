#include "weir/base/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sys/resource.h>
#include <unistd.h>

#include <malloc.h>

#include "weir/base/error.h"

namespace weir {
namespace {

constexpr int64_t kUnknown = std::numeric_limits<int64_t>::max();

// The first number of a file of one; none when it says "max" or is not there.
std::optional<int64_t> number_in(const char* path) {
  std::ifstream file(path);
  int64_t number = 0;
  if (!(file >> number)) return std::nullopt;
  return number;
}

// Linux's own estimate: free pages and those it can take back.
int64_t machine_memory() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  for (int64_t kilobytes = 0; file >> key >> kilobytes; file.ignore(64, '\n')) {
    if (key == "MemAvailable:") return kilobytes * 1024;
  }
  return kUnknown;
}

int64_t group_memory() {
  const auto most = number_in("/sys/fs/cgroup/memory.max");
  const auto used = number_in("/sys/fs/cgroup/memory.current");
  return most && used ? std::max<int64_t>(0, *most - *used) : kUnknown;
}

int64_t own_memory() {
  rlimit limit{};
  const bool is_limited = ::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  const auto pages = number_in("/proc/self/statm");
  if (!is_limited || !pages) return kUnknown;
  return std::max<int64_t>(0,
                           static_cast<int64_t>(limit.rlim_cur) - *pages * ::sysconf(_SC_PAGESIZE));
}

}  // namespace

int64_t available_memory() { return std::min({machine_memory(), group_memory(), own_memory()}); }

int64_t resident_memory() {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  return file >> pages >> resident ? resident * ::sysconf(_SC_PAGESIZE) : 0;
}

void keep_freed_memory() {
#ifdef M_TRIM_THRESHOLD  // glibc
  mallopt(M_MMAP_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

std::string memory_text(double bytes) {
  return bytes < 1e9 ? fmt::format("{:.0f} MB", bytes / 1e6)
                     : fmt::format("{:.1f} GB", bytes / 1e9);
}

void require_memory(double bytes, const std::string& what) {
  const auto available = static_cast<double>(available_memory());
  if (bytes <= available) return;
  fail(ErrorCode::kUnavailable, "{}: needs {} of memory, {} are available; ask for less", what,
       memory_text(bytes), memory_text(available));
}

}  // namespace weir
