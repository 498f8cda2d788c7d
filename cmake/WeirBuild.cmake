# Flags, launchers and job limits shared by every target of this build; nothing here reaches a consumer.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Daily work: optimised, with line tables only (full -g adds seconds and megabytes to each torch file).
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
# The sanitizer build: fast enough to run, quick to compile.
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")

find_program(WEIR_CCACHE ccache)
if(WEIR_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # A precompiled header is safe to cache only with these two relaxations.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${WEIR_CCACHE})
endif()

# A file that sees torch takes up to 1.2 GB to compile, so at most two at once.
set_property(GLOBAL PROPERTY JOB_POOLS torch_jobs=2)

add_library(weir_flags INTERFACE)
target_compile_options(weir_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(weir_flags INTERFACE -fpch-preprocess)
endif()
if(WEIR_WERROR)
  target_compile_options(weir_flags INTERFACE -Werror)
endif()
if(WEIR_SANITIZE)
  string(REPLACE ";" "," weir_sanitizers "${WEIR_SANITIZE}")
  add_compile_options(-fsanitize=${weir_sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${weir_sanitizers})
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # With sanitizers g++ 12 sees uninitialised members in its own <regex>; the plain builds keep the warning.
    add_compile_options(-Wno-maybe-uninitialized)
  endif()
endif()
if(WEIR_BUILD_FUZZ)
  # Without this in the libraries the fuzzer is blind to them.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
