# weir_find_torch(): LibTorch as the target `torch`. Installed with the package, for its consumers.
#
# A folder of CMAKE_PREFIX_PATH with include/ATen and lib/libtorch_cpu.so (site-packages/torch of a
# Python wheel, an unpacked LibTorch) is taken by its files. The CMake package in it is left alone:
# it demands the CUDA toolkit where the libraries are enough, and its include folder would put
# another fmt before the system's. Without such a folder the system's package is found.
macro(weir_find_torch)
  if(NOT WEIR_LIBTORCH)
    foreach(prefix IN LISTS CMAKE_PREFIX_PATH)
      if(EXISTS "${prefix}/lib/libtorch_cpu.so" AND IS_DIRECTORY "${prefix}/include/ATen")
        set(WEIR_LIBTORCH "${prefix}" CACHE PATH "Folder of the LibTorch to use instead of the system's")
        break()
      endif()
    endforeach()
  endif()
  if(NOT WEIR_LIBTORCH)
    find_package(Torch REQUIRED)
  elseif(NOT TARGET torch)
    weir_torch_from("${WEIR_LIBTORCH}")
  endif()
endmacro()

function(weir_torch_from folder)
  file(STRINGS "${folder}/lib/libc10.so" has_new_strings REGEX "__cxx11" LIMIT_COUNT 1)
  if(NOT has_new_strings)
    message(FATAL_ERROR "${folder}: this LibTorch is built with the C++ ABI of before 2015 "
                        "(_GLIBCXX_USE_CXX11_ABI=0), the system's libraries are not; take a wheel of "
                        "torch 2.6 or newer, or the LibTorch archive marked cxx11-abi")
  endif()
  set(headers "${CMAKE_BINARY_DIR}/libtorch-include")
  file(MAKE_DIRECTORY "${headers}")
  foreach(name ATen c10 caffe2 torch)
    file(CREATE_LINK "${folder}/include/${name}" "${headers}/${name}" SYMBOLIC)
  endforeach()
  set(libraries "${folder}/lib/libtorch_cpu.so" "${folder}/lib/libc10.so")
  if(EXISTS "${folder}/lib/libtorch_cuda.so")
    # Nothing refers to the CUDA kernels by name: they register themselves when they are loaded.
    list(APPEND libraries -Wl,--no-as-needed "${folder}/lib/libtorch_cuda.so" -Wl,--as-needed)
  endif()
  add_library(torch INTERFACE IMPORTED GLOBAL)
  target_include_directories(torch INTERFACE "${headers}")
  target_link_libraries(torch INTERFACE ${libraries})
  target_compile_features(torch INTERFACE cxx_std_20)
  message(STATUS "Found LibTorch: ${folder}")
endfunction()
