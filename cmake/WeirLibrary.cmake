# weir_library(NAME [TORCH] SOURCES ... HEADERS ... [DEPENDS module...] [PUBLIC lib...] [PRIVATE lib...])
#
# Makes weir_NAME (alias weir::NAME) from files listed by name. DEPENDS are Weir modules;
# PUBLIC and PRIVATE are third-party targets. PRIVATE ones do not reach the exported package.
# TORCH marks a module that sees LibTorch: it shares the ATen header of the dev preset.
function(weir_library name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;HEADERS;DEPENDS;PUBLIC;PRIVATE" ${ARGN})
  set(target weir_${name})
  add_library(${target} STATIC ${ARG_SOURCES})
  add_library(weir::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} VERIFY_INTERFACE_HEADER_SETS ON)
  target_compile_features(${target} PUBLIC cxx_std_17)
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${ARG_HEADERS})
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:weir_flags>)
  foreach(module IN LISTS ARG_DEPENDS)
    target_link_libraries(${target} PUBLIC weir_${module})
  endforeach()
  target_link_libraries(${target} PUBLIC ${ARG_PUBLIC})
  foreach(library IN LISTS ARG_PRIVATE)
    target_link_libraries(${target} PRIVATE ${library})
  endforeach()
  if(ARG_TORCH)
    weir_use_torch(${target})
  endif()
  set_property(GLOBAL APPEND PROPERTY WEIR_LIBRARIES ${target})
endfunction()

# weir_pch(NAME HEADERS ... [LINK lib...] [OPTIONS flag...]): a precompiled header that targets share by
# weir_use_pch, which compile with the same flags.
function(weir_pch name)
  cmake_parse_arguments(ARG "" "" "HEADERS;LINK;OPTIONS" ${ARGN})
  add_library(${name} OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cpp)
  target_compile_features(${name} PUBLIC cxx_std_17)
  target_link_libraries(${name} PRIVATE weir_flags ${ARG_LINK})
  target_compile_options(${name} PRIVATE ${ARG_OPTIONS})
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
endfunction()

function(weir_use_pch target pch)
  # The header is compiled as for a library; an executable that reuses it must be too.
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC)
  target_precompile_headers(${target} REUSE_FROM ${pch})
endfunction()

# Links LibTorch and takes the two-at-a-time job pool.
function(weir_link_torch target)
  # at::parallel_for is a template: compiled without OpenMP it silently runs on one thread.
  target_link_libraries(${target} PUBLIC torch PRIVATE OpenMP::OpenMP_CXX)
  set_target_properties(${target} PROPERTIES JOB_POOL_COMPILE torch_jobs)
endfunction()

# The same, with the ATen header that the torch modules share.
function(weir_use_torch target)
  weir_link_torch(${target})
  if(WEIR_PCH)
    if(NOT TARGET weir_torch_pch)
      weir_pch(weir_torch_pch LINK torch OpenMP::OpenMP_CXX
               HEADERS <ATen/ATen.h> <map> <string> <vector> <optional> <functional>)
    endif()
    weir_use_pch(${target} weir_torch_pch)
  endif()
endfunction()

# Tests share what they all include, and are not optimised: the arithmetic is in the libraries, and
# this halves the time that the tests take to compile.
function(weir_use_test_pch target torch)
  set(headers <gtest/gtest.h> <gmock/gmock.h> <nlohmann/json.hpp> <fmt/format.h> <filesystem> <fstream>
              <functional> <map> <optional> <string> <vector>)
  if(torch)
    set(pch weir_torch_test_pch)
    set(link torch OpenMP::OpenMP_CXX)
    list(PREPEND headers <ATen/ATen.h>)
  else()
    set(pch weir_test_pch)
    set(link)
  endif()
  if(NOT TARGET ${pch})
    weir_pch(${pch} HEADERS ${headers} OPTIONS -O0
             LINK GTest::gtest GTest::gmock nlohmann_json::nlohmann_json fmt::fmt ${link})
  endif()
  target_compile_options(${target} PRIVATE -O0)
  weir_use_pch(${target} ${pch})
endfunction()

# weir_test(MODULE [TORCH] SOURCES ... [LINK lib...] [LABELS label...] [SHARDS n] [GOLDEN topic...] [SLOW_GOLDEN topic...]):
# one GoogleTest binary for a module. Torch-free tests are listed one by one in ctest; a process with
# LibTorch takes half a second to start, so those modules run as one test each, or as SHARDS parts.
# Every entry carries the module's name as a label.
#
# GOLDEN topics have an entry golden-TOPIC.MODULE of their own, with the label golden-TOPIC: the suites
# whose names begin with Golden and the topic (GoldenModels..., GoldenSaeFormats... for sae-formats). They find their cases when they run.
# SLOW_GOLDEN topics have the label `slow` too.
function(weir_test module)
  cmake_parse_arguments(ARG "TORCH" "SHARDS" "SOURCES;LINK;LABELS;GOLDEN;SLOW_GOLDEN" ${ARGN})
  set(target ${module}_test)
  add_executable(${target} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE ${ARG_LINK} GTest::gtest_main weir_flags)
  target_compile_definitions(${target} PRIVATE
    WEIR_GOLDEN_DIR="${PROJECT_SOURCE_DIR}/tests/golden"
    WEIR_TEST_DATA="${WEIR_TEST_DATA}")
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  if(ARG_TORCH)
    weir_link_torch(${target})
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/seed_each_test.cpp)
  endif()
  if(WEIR_PCH)
    weir_use_test_pch(${target} "${ARG_TORCH}")
  endif()
  set(labels ${module} ${ARG_LABELS})
  set(all_but_golden "-Golden*:*/Golden*")
  if(ARG_TORCH)
    weir_add_shards(${module} ${target} "${ARG_SHARDS}" "${all_but_golden}" "${labels}")
  else()
    gtest_discover_tests(${target} TEST_PREFIX ${module}. TEST_FILTER "${all_but_golden}"
                         PROPERTIES LABELS "${labels}" DISCOVERY_TIMEOUT 60)
  endif()
  foreach(topic IN LISTS ARG_GOLDEN ARG_SLOW_GOLDEN)
    set(suites "Golden")
    string(REPLACE "-" ";" words ${topic})
    foreach(word IN LISTS words)
      string(SUBSTRING ${word} 0 1 first)
      string(SUBSTRING ${word} 1 -1 rest)
      string(TOUPPER ${first} first)
      string(APPEND suites "${first}${rest}")
    endforeach()
    string(APPEND suites "*")
    add_test(NAME golden-${topic}.${module} COMMAND ${target} "--gtest_filter=${suites}:*/${suites}")
    set(topic_labels golden-${topic} ${labels})
    if(topic IN_LIST ARG_SLOW_GOLDEN)
      list(APPEND topic_labels slow)
    endif()
    set_tests_properties(golden-${topic}.${module} PROPERTIES LABELS "${topic_labels}")
  endforeach()
endfunction()

# NAME, or NAME-1 to NAME-n: each runs every n-th test.
function(weir_add_shards name target n_shards filter labels)
  if(NOT n_shards)
    add_test(NAME ${name} COMMAND ${target} "--gtest_filter=${filter}")
    set_tests_properties(${name} PROPERTIES LABELS "${labels}")
    return()
  endif()
  foreach(part RANGE 1 ${n_shards})
    math(EXPR index "${part} - 1")
    add_test(NAME ${name}-${part} COMMAND ${target} "--gtest_filter=${filter}")
    set_tests_properties(${name}-${part} PROPERTIES LABELS "${labels}"
                         ENVIRONMENT "GTEST_TOTAL_SHARDS=${n_shards};GTEST_SHARD_INDEX=${index}")
  endforeach()
endfunction()
