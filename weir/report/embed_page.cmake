# cmake -DOUTPUT=FILE.cpp -DSTYLE=FILES -DSCRIPT=FILES -P embed_page.cmake
#
# Writes the page's style and script (comma-separated files, in this order) into a C++ source.
function(literal name files)
  set(text "")
  string(REPLACE "," ";" files "${files}")
  foreach(file IN LISTS files)
    file(READ "${file}" part)
    string(APPEND text "${part}")
  endforeach()
  if(text MATCHES "\\)page\"" OR text MATCHES "</(script|style)")
    message(FATAL_ERROR "${files}: )page\" and closing tags would end the text early")
  endif()
  set(${name} "R\"page(${text})page\"" PARENT_SCOPE)
endfunction()

literal(style "${STYLE}")
literal(script "${SCRIPT}")
file(WRITE "${OUTPUT}" "#include \"weir/report/page_assets.h\"

namespace weir::report {

const std::string_view kPageStyle = ${style};
const std::string_view kPageScript = ${script};

}  // namespace weir::report
")
