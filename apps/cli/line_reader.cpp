#include "apps/cli/line_reader.h"

#include <array>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>
#include <fcntl.h>
#include <optional>
#include <unistd.h>

#include <histedit.h>
#include <poll.h>

#include "apps/cli/output.h"
#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/paths.h"

namespace weir::cli {
namespace {

// A signal may reach another thread or come just before the wait, so the wait looks up again.
constexpr int kLookUpMilliseconds = 100;
constexpr int kRemembered = 1000;  // Lines.

void wait_for_input(int descriptor) {
  pollfd input{descriptor, POLLIN, 0};
  do {
    throw_if_interrupted();
  } while (::poll(&input, 1, kLookUpMilliseconds) <= 0);
}

bool is_terminal() { return isatty(STDIN_FILENO) == 1; }

// Ctrl-C makes a terminal forget what was typed: a read that poll has promised would then block.
// So the terminal is opened once more, without blocking; stdin itself is shared with the shell.
int open_input() {
  if (!is_terminal()) return STDIN_FILENO;
  const int opened = ::open("/proc/self/fd/0", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return opened < 0 ? STDIN_FILENO : opened;
}

// Characters are several bytes only where a locale says so.
void use_utf8() {
  const char* const locale = std::setlocale(LC_CTYPE, "");
  if (locale == nullptr || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

class LineReader::Bytes {
 public:
  Bytes() : descriptor_(open_input()) {}
  ~Bytes() {
    if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  /// None at the end.
  std::optional<char> next() {
    if (begin_ == end_ && !read_more()) return std::nullopt;
    return buffer_[begin_++];
  }

 private:
  bool read_more() {
    while (true) {
      wait_for_input(descriptor_);
      const ssize_t n = ::read(descriptor_, buffer_.data(), buffer_.size());
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n < 0) fail(ErrorCode::kUnavailable, "stdin: {}", std::strerror(errno));
      begin_ = 0;
      end_ = static_cast<size_t>(n);
      return n > 0;
    }
  }

  int descriptor_;
  std::array<char, 4096> buffer_{};
  size_t begin_ = 0, end_ = 0;  ///< Read, but not yet given out.
};

/// libedit, which reads its characters from Bytes.
class LineReader::Editor {
 public:
  Editor(Bytes& bytes, std::string& prompt) : bytes_(bytes), prompt_(prompt) {
    use_utf8();
    editor_ = el_init("weir", stdin, stdout, stderr);
    history_ = history_init();
    if (editor_ == nullptr || history_ == nullptr) {
      fail(ErrorCode::kUnavailable, "the terminal cannot be edited on");
    }
    HistEvent event;
    history(history_, &event, H_SETSIZE, kRemembered);
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_PROMPT, &Editor::show_prompt);
    el_set(editor_, EL_HIST, history, history_);
    el_set(editor_, EL_GETCFN, &Editor::read_character);
  }
  ~Editor() {
    history_end(history_);
    el_end(editor_);
  }
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  bool next(std::string& line) {
    el_resize(editor_);
    int n_bytes = 0;
    const char* const text = el_gets(editor_, &n_bytes);
    throw_if_interrupted();
    if (text == nullptr || n_bytes <= 0) return false;
    line.assign(text, static_cast<size_t>(n_bytes));
    if (line.back() == '\n') line.pop_back();
    HistEvent event;
    if (!line.empty()) history(history_, &event, H_ENTER, line.c_str());
    return true;
  }

 private:
  static Editor& of(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<Editor*>(self);
  }

  static char* show_prompt(EditLine* editor) { return of(editor).prompt_.data(); }

  // 1 character, 0 at the end, -1 for an error. No exception may cross libedit.
  static int read_character(EditLine* editor, wchar_t* character) {
    try {
      std::mbstate_t state{};
      while (const std::optional<char> byte = of(editor).bytes_.next()) {
        const size_t n = std::mbrtowc(character, &*byte, 1, &state);
        if (n <= 1) return 1;
        if (n == static_cast<size_t>(-1)) state = {};  // No UTF-8: dropped.
      }
      return 0;
    } catch (const Error&) {
      return -1;
    }
  }

  Bytes& bytes_;
  std::string& prompt_;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
};

LineReader::LineReader(const std::string& prompt)
    : prompt_(is_terminal() ? prompt : ""), bytes_(std::make_unique<Bytes>()) {
  const std::string terminal = environment("TERM").value_or("dumb");
  const bool can_draw = isatty(STDOUT_FILENO) == 1 && terminal != "dumb";
  if (is_terminal() && can_draw) editor_ = std::make_unique<Editor>(*bytes_, prompt_);
}

LineReader::~LineReader() = default;

bool LineReader::next(std::string& line) {
  if (editor_ != nullptr) return editor_->next(line);
  print_now(prompt_);
  line.clear();
  while (const std::optional<char> byte = bytes_->next()) {
    if (*byte == '\n') return true;
    line += *byte;
  }
  return !line.empty();
}

}  // namespace weir::cli
