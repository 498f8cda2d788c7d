#pragma once

namespace CLI {
class App;
}

/// One function a verb, each in its own file. A new verb is a file, a line here and a line in
/// main.cpp.
namespace weir::cli {

void add_models(CLI::App& app);
void add_run(CLI::App& app);
void add_generate(CLI::App& app);
void add_chat(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_inspect(CLI::App& app);
void add_lens(CLI::App& app);
void add_bench(CLI::App& app);
void add_completion(CLI::App& app);

}  // namespace weir::cli
