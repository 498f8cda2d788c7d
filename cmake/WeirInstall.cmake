# Installs the libraries, their headers and a package that find_package(weir) finds.
include(CMakePackageConfigHelpers)
get_property(weir_libraries GLOBAL PROPERTY WEIR_LIBRARIES)
install(TARGETS ${weir_libraries} EXPORT weir-targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT weir-targets NAMESPACE weir:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
configure_package_config_file(cmake/weir-config.cmake.in weir-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
write_basic_package_version_file(weir-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weir-config.cmake ${PROJECT_BINARY_DIR}/weir-config-version.cmake
              ${PROJECT_SOURCE_DIR}/cmake/WeirTorch.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
