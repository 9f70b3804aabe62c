# mb_add_module(NAME SOURCES a.cc b.cc DEPS base net LIBS third::party)
#
# One static library mb_<NAME> per module of docs/design.md. DEPS are other modules of ours and are
# visible to users of this one; LIBS are third-party and stay private to the module's sources.
function(mb_add_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBS" ${ARGN})
  add_library(mb_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(mb_${name} PRIVATE mb_options)
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(mb_${name} PUBLIC mb_${dep})
  endforeach()
  if(ARG_LIBS)
    target_link_libraries(mb_${name} PRIVATE ${ARG_LIBS})
  endif()
endfunction()
