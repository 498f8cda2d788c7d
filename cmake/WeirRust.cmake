# weir_rust_library(NAME FOLDER SOURCES file...)
#
# Builds the static library NAME out of the crate in FOLDER with cargo, from its committed lock
# file, and installs it beside the C++ libraries. Sets NAME_LINK in the caller: what a C++ library
# links to get it, in this build and from the installed package.
#
# cargo comes from Debian (packages/debian.txt), from rustup, or from -DWEIR_CARGO=PATH.
file(GLOB weir_debian_rust /usr/lib/rust-*/bin)
find_program(WEIR_CARGO cargo PATHS $ENV{HOME}/.cargo/bin ${weir_debian_rust}
             DOC "The cargo that builds the Rust part of weir/text")
set(WEIR_CARGO_TARGET_DIR ${PROJECT_BINARY_DIR}/cargo CACHE PATH
    "Where cargo keeps what it built; builds that share it compile the crates once")

function(weir_rust_library name folder)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  if(NOT WEIR_CARGO)
    message(FATAL_ERROR "cargo was not found; it builds the tokenizer library. On Debian 12 tools/setup.sh "
                        "installs it. Elsewhere: -DWEIR_CARGO=PATH.")
  endif()
  get_filename_component(cargo_folder ${WEIR_CARGO} DIRECTORY)
  set(library ${PROJECT_BINARY_DIR}/${CMAKE_STATIC_LIBRARY_PREFIX}${name}.a)
  list(TRANSFORM ARG_SOURCES PREPEND ${folder}/src/)
  # The copy has the time of this build; cargo leaves its own file alone when nothing changed.
  add_custom_command(
    OUTPUT ${library}
    COMMAND ${CMAKE_COMMAND} -E env "PATH=${cargo_folder}:$ENV{PATH}"
            ${WEIR_CARGO} build --quiet --release --locked --manifest-path ${folder}/Cargo.toml
            --target-dir ${WEIR_CARGO_TARGET_DIR}
    COMMAND ${CMAKE_COMMAND} -E copy ${WEIR_CARGO_TARGET_DIR}/release/lib${name}.a ${library}
    DEPENDS ${folder}/Cargo.toml ${folder}/Cargo.lock ${ARG_SOURCES}
    COMMENT "Building the Rust crate ${name} with cargo"
    VERBATIM)
  add_custom_target(${name}_cargo DEPENDS ${library})
  add_library(${name} STATIC IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${library})
  add_dependencies(${name} ${name}_cargo)

  install(FILES ${library} DESTINATION ${CMAKE_INSTALL_LIBDIR})
  set(installed $<INSTALL_PREFIX>/${CMAKE_INSTALL_LIBDIR}/lib${name}.a)
  set(${name}_LINK $<BUILD_INTERFACE:${name}> $<INSTALL_INTERFACE:${installed}>
      Threads::Threads ${CMAKE_DL_LIBS} m PARENT_SCOPE)
endfunction()
