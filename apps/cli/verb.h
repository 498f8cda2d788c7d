#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

/// Verbs and their options as data. Help, completion and the parser read the same tree; a verb file
/// only fills it (docs/how-to/verb.md).
namespace weir::cli {

/// Something is wrong with the command line itself, not with what it names: status 2.
class UsageError final : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
/// Throws UsageError unless `ok`. One line: what was expected, what was found.
void require_usage(bool ok, const std::string& message);

/// Under which `weir --help` lists a verb.
enum class Heading { kLook, kChange, kMake };

struct VerbText {
  std::string name;
  std::string summary;           ///< One line, in lower case.
  std::string description = {};  ///< Paragraph of `--help`; may be empty.
  std::vector<std::string> examples = {};
};

/// The numbers an option takes: least <= x <= most, without `least` itself if `above_least`.
template <typename T>
struct Range {
  T least = std::numeric_limits<T>::lowest();
  T most = std::numeric_limits<T>::max();
  bool above_least = false;
};

/// Throws UsageError, without the option's name, when an option cannot be `word`.
using WordCheck = std::function<void(const std::string& word)>;

struct VerbOption {
  std::string name;     ///< "--top-k", or "MODEL" of an argument.
  std::string value;    ///< What --help calls its value: "K"; "" of a flag.
  std::string help;     ///< "" hides the option.
  std::string initial;  ///< Its value when it is not given, as --help shows it; "": none.
  bool is_required = false;
  bool repeats = false;  ///< May be given several times.
  WordCheck take = {};   ///< Checks a word and stores it.

  bool is_argument() const { return name[0] != '-'; }
  bool is_flag() const { return !is_argument() && value.empty(); }
  bool is_hidden() const { return help.empty(); }
};

/// A verb, or a group of them. Everything added is stored in the place it is given, at parse time,
/// after it was checked; such places live as long as the verb (its work may hold them).
///
///   auto options = std::make_shared<TokenizeOptions>();
///   Verb& verb = weir.verb(Heading::kLook, {"tokenize", "shows ...", "Offsets are ...", {"..."}});
///   verb.argument("MODEL", &options->model, "A model of the store, a folder, or a file")
///       .option("--top-k", &options->top_k, "K", "Tokens listed for each layer", {1})
///       .flag("--quiet", &options->quiet, "No progress and no text")
///       .run([options] { tokenize(*options); });
class Verb {
 public:
  explicit Verb(VerbText text) : text_(std::move(text)) {}
  Verb(const Verb&) = delete;
  Verb& operator=(const Verb&) = delete;

  /// A new verb below this one.
  Verb& verb(Heading heading, VerbText text);
  Verb& verb(VerbText text) { return verb(Heading::kLook, std::move(text)); }
  /// Left out of help and completion.
  Verb& hidden();

  /// A word by its place; the optional one may be left out.
  Verb& argument(const std::string& name, std::string* place, const std::string& help);
  Verb& argument(const std::string& name, std::optional<std::string>* place,
                 const std::string& help);
  /// One word or more.
  Verb& arguments(const std::string& name, std::vector<std::string>* place,
                  const std::string& help);
  /// Texts are taken as they are; numbers must lie in their range.
  Verb& option(const std::string& name, std::string* place, const std::string& value,
               const std::string& help, const WordCheck& check = nullptr);
  Verb& option(const std::string& name, std::optional<std::string>* place, const std::string& value,
               const std::string& help);
  Verb& option(const std::string& name, int* place, const std::string& value,
               const std::string& help, Range<int> range = {});
  Verb& option(const std::string& name, int64_t* place, const std::string& value,
               const std::string& help, Range<int64_t> range = {});
  Verb& option(const std::string& name, uint64_t* place, const std::string& value,
               const std::string& help, Range<uint64_t> range = {});
  Verb& option(const std::string& name, double* place, const std::string& value,
               const std::string& help, Range<double> range = {});
  /// One of `words`.
  Verb& choice(const std::string& name, std::string* place, const std::vector<std::string>& words,
               const std::string& help);
  /// Words separated by commas, spaces around them dropped, none twice; of `known` unless empty.
  Verb& list(const std::string& name, std::vector<std::string>* place, const std::string& value,
             const std::string& help, const std::vector<std::string>& known = {});
  /// A text that may be given several times.
  Verb& texts(const std::string& name, std::vector<std::string>* place, const std::string& value,
              const std::string& help);
  Verb& flag(const std::string& name, bool* place, const std::string& help);
  /// The last option becomes one that must be given.
  Verb& required();

  /// Called before the work, once all words are in their places.
  Verb& before(std::function<void()> check);
  /// What the verb does. A group may have one too: then its first word is a verb's name or its own
  /// argument.
  void run(std::function<void()> work) { work_ = std::move(work); }

  const VerbText& text() const { return text_; }
  Heading heading() const { return heading_; }
  bool is_hidden() const { return is_hidden_; }
  bool is_group() const { return !verbs_.empty(); }
  bool does_work() const { return work_ != nullptr; }
  /// The command itself, `weir`.
  bool is_top() const { return parent_ == nullptr; }
  /// "weir models info"
  std::string full_name() const;
  const std::vector<std::unique_ptr<Verb>>& verbs() const { return verbs_; }
  const std::vector<VerbOption>& options() const { return options_; }
  /// "--help", "--json" and the like, without the hidden.
  std::vector<std::string> option_names() const;
  void do_work() const;

 private:
  Verb& add(VerbOption option);

  VerbText text_;
  Heading heading_ = Heading::kLook;
  bool is_hidden_ = false;
  const Verb* parent_ = nullptr;
  std::vector<std::unique_ptr<Verb>> verbs_;
  std::vector<VerbOption> options_;
  std::vector<std::function<void()>> checks_;
  std::function<void()> work_;
};

}  // namespace weir::cli
