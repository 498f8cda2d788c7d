# Installs the build in BUILD into a fresh prefix below WORK, builds the project in SOURCE against it
# as a stranger would, and runs its programs on the models in MODEL and STORIES.
function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect text)
  if(NOT output MATCHES "${text}")
    message(FATAL_ERROR "expected '${text}', got:\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE "${WORK}")
run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/prefix")
run("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${WORK}/build" -G Ninja -D CMAKE_PREFIX_PATH=${WORK}/prefix)
run("${CMAKE_COMMAND}" --build "${WORK}/build")

run("${WORK}/build/list_tensors" "${MODEL}")
expect("lm_head.weight F32 \\[101, 32\\]\n")
if(NEEDS_TORCH)
  # The second row of the golden file's tokens; norms and token are those of its hidden states and logits.
  run("${WORK}/build/top_token" "${MODEL}" 17 18 10 8 31 29 22 68 9 42 8 45 57 51 14 99)
  expect("layer 0: norm 15.111\nlayer 1: norm 20.519\ntop token: 15\n")
  # llama2.c's own story goes on with a comma.
  run("${WORK}/build/ablate_head" "${STORIES}" "Once upon a time")
  expect("next token: ','\nnext token: .*blocks.4.attn.hook_pattern: 0")
endif()
