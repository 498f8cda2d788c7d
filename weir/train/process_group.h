#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace weir {

/// Where the processes of one training meet; what torchrun tells each of them.
struct ProcessGroupOptions {
  std::string address = "127.0.0.1";  ///< Of process 0.
  int port = 29500;
  int rank = 0, size = 1;
  bool hosts_store = true;  ///< Process 0 opens the port itself; false: a launcher has (torchrun).
};

/// Processes that train one model together, each on rows of its own: c10d over Gloo (TCP). Every
/// member must make the same calls in the same order. When one dies, the calls of the others fail.
class ProcessGroup {
 public:
  /// Waits for all. kUnsupported where LibTorch was built, or found, without Gloo; kUnavailable
  /// when they do not meet within a minute.
  static std::shared_ptr<ProcessGroup> connect(const ProcessGroupOptions& options);
  /// Whether this build has Gloo.
  static bool is_available();
  virtual ~ProcessGroup() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Sums of each tensor over all processes, in place; undefined ones must be so everywhere.
  virtual void sum(const std::vector<at::Tensor>& tensors) = 0;
  virtual void barrier() = 0;
};

}  // namespace weir
