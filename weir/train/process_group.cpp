#include "weir/train/process_group.h"

#include <chrono>
#include <exception>

#include <ATen/ATen.h>

#include "weir/base/error.h"

#if defined(USE_C10D_GLOO) && __has_include(<gloo/algorithm.h>)
#define WEIR_HAS_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

namespace weir {

#ifdef WEIR_HAS_GLOO
namespace {

constexpr int64_t kBucket = 8 << 20;  // Elements sent at once: 32 MB of float32

// Whoever is not there, or went away, is told in one line.
template <typename Call>
auto reaching(const std::string& what, const Call& call) {
  try {
    return call();
  } catch (const std::exception& error) {
    const std::string text = error.what();
    fail(ErrorCode::kUnavailable, "{}: {}", what, text.substr(0, text.find('\n')));
  }
}

class GlooGroup final : public ProcessGroup {
 public:
  explicit GlooGroup(const ProcessGroupOptions& options)
      : rank_(options.rank), size_(options.size) {
    c10d::TCPStoreOptions of;
    of.port = static_cast<uint16_t>(options.port);
    of.isServer = options.hosts_store && rank_ == 0;
    of.numWorkers = static_cast<size_t>(size_);
    of.waitWorkers = options.hosts_store;
    of.timeout = std::chrono::minutes(1);
    store_ = c10::make_intrusive<c10d::TCPStore>(options.address, of);
    auto gloo = c10d::ProcessGroupGloo::Options::create();
    const bool is_here = options.address == "localhost" || options.address == "127.0.0.1";
    gloo->devices.push_back(is_here ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                    : c10d::ProcessGroupGloo::createDefaultDevice());
    group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, rank_, size_, gloo);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void sum(const std::vector<at::Tensor>& tensors) override {
    // Together, so that many small ones cost no more than one.
    std::vector<at::Tensor> bucket;
    int64_t n = 0;
    for (const at::Tensor& tensor : tensors) {
      if (!tensor.defined()) continue;
      if (!bucket.empty() &&
          (n + tensor.numel() > kBucket || tensor.scalar_type() != bucket[0].scalar_type())) {
        sum_bucket(bucket);
        bucket.clear();
        n = 0;
      }
      bucket.push_back(tensor);
      n += tensor.numel();
    }
    if (!bucket.empty()) sum_bucket(bucket);
  }

  void barrier() override {
    reaching("process group", [&] { return group_->barrier()->wait(); });
  }

 private:
  void sum_bucket(const std::vector<at::Tensor>& bucket) {
    std::vector<at::Tensor> flat;
    for (const at::Tensor& tensor : bucket) flat.push_back(tensor.reshape({-1}));
    std::vector<at::Tensor> whole = {at::cat(flat)};
    reaching("process group", [&] { return group_->allreduce(whole)->wait(); });
    int64_t first = 0;
    for (const at::Tensor& tensor : bucket) {
      tensor.copy_(whole[0].slice(0, first, first + tensor.numel()).view(tensor.sizes()));
      first += tensor.numel();
    }
  }

  int rank_, size_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

}  // namespace

bool ProcessGroup::is_available() { return true; }

std::shared_ptr<ProcessGroup> ProcessGroup::connect(const ProcessGroupOptions& options) {
  require(options.size > 0 && options.rank >= 0 && options.rank < options.size &&
              options.port > 0 && options.port < 65536,
          "process group: expected 0 <= rank < size and a port, got rank {} of {} at port {}",
          options.rank, options.size, options.port);
  const std::string what = fmt::format("process group at {}:{}", options.address, options.port);
  return reaching(what, [&] { return std::make_shared<GlooGroup>(options); });
}

#else

bool ProcessGroup::is_available() { return false; }

std::shared_ptr<ProcessGroup> ProcessGroup::connect(const ProcessGroupOptions&) {
  fail(ErrorCode::kUnsupported,
       "process group: this build has no Gloo; install libgloo-dev beside a LibTorch with Gloo and "
       "build again");
}

#endif

}  // namespace weir
