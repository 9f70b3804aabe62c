# mb_add_module(NAME [COLD] SOURCES a.cc b.cc DEPS base net LIBS third::party)
#
# One static library mb_<NAME> per module of docs/design.md. DEPS are other modules of ours and are
# visible to users of this one; LIBS are third-party and stay private to the module's sources.
# COLD modules spend their time in compilers, in the templates of third-party headers: under sanitizers they are
# compiled several files at a time and not optimised, in a quarter of the time.

# Under sanitizers, where nobody reads what a file includes, the usual headers are compiled once.
if(MB_SANITIZE AND NOT MB_FUZZ)
  add_library(mb_headers STATIC "${CMAKE_SOURCE_DIR}/cmake/headers.cc")
  target_link_libraries(mb_headers PRIVATE mb_options)
  target_precompile_headers(
    mb_headers PRIVATE "${CMAKE_SOURCE_DIR}/include/milvus_backup/base/status.h" <fmt/format.h> <algorithm> <chrono>
    <condition_variable> <functional> <map> <memory> <mutex> <optional> <set> <stop_token> <string> <thread> <vector>)
endif()

function(mb_add_module name)
  cmake_parse_arguments(ARG "COLD" "" "SOURCES;DEPS;LIBS" ${ARGN})
  add_library(mb_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(mb_${name} PRIVATE mb_options)
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(mb_${name} PUBLIC mb_${dep})
  endforeach()
  if(ARG_COLD AND MB_SANITIZE AND NOT MB_FUZZ)
    set_target_properties(mb_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
    target_compile_options(mb_${name} PRIVATE -O0)
  endif()
  if(NOT ARG_COLD AND TARGET mb_headers)
    target_precompile_headers(mb_${name} REUSE_FROM mb_headers)
  endif()
  if(ARG_LIBS)
    target_link_libraries(mb_${name} PRIVATE ${ARG_LIBS})
  endif()
endfunction()
