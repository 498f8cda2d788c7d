#pragma once

#include "weir/model/loader.h"

/// One function and one file for each family; registry.cpp lists them.
namespace weir::architectures {

Family bloom();
Family gemma();
Family gemma2();
Family gemma3_text();
Family gpt2();
Family gpt_neo();
Family gpt_neox();
Family gptj();
Family llama();
Family mistral();
Family nanogpt();
Family olmo2();
Family opt();
Family phi();
Family phi3();
Family qwen2();
Family qwen3();
Family smollm3();
Family stablelm();

}  // namespace weir::architectures
