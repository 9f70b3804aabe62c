# Compiler settings shared by every target of ours, carried by the interface target mb_options.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(MB_CCACHE ccache)
  if(MB_CCACHE)
    # Paths relative to the clone, so that a second clone finds what the first has compiled.
    if(MB_SANITIZE)
      set(MB_CCACHE_PCH CCACHE_SLOPPINESS=pch_defines,time_macros)
    endif()
    set(CMAKE_CXX_COMPILER_LAUNCHER
        "${CMAKE_COMMAND}" -E env ${MB_CCACHE_PCH} "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1
        "${MB_CCACHE}")
  endif()
endif()

find_package(Threads REQUIRED)

if(MB_SANITIZE)
  add_compile_options(-fsanitize=${MB_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MB_SANITIZE})
  add_compile_options(-pthread) # as some libraries ask for: precompiled headers want all or none
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp") # ccache compares what is in them
  endif()
  if(MB_SANITIZE MATCHES undefined)
    # These checks of every access double the time of a build. A null or wild pointer is found by
    # AddressSanitizer; alignment is checked where bytes are taken apart (src/binlog).
    add_compile_options(-fno-sanitize=null,object-size,alignment)
  endif()
endif()

add_library(mb_options INTERFACE)
target_include_directories(mb_options INTERFACE "${CMAKE_SOURCE_DIR}/include")
target_link_libraries(mb_options INTERFACE Threads::Threads)
target_compile_options(
  mb_options
  INTERFACE -Wall
            -Wextra
            -Wconversion
            -Wshadow
            -Wnon-virtual-dtor
            -Woverloaded-virtual
            # Designated initialisers leave the other members at their defaults on purpose.
            -Wno-missing-field-initializers
            -Werror)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(mb_options INTERFACE -Wthread-safety)
endif()

# The Debian package that brings a missing dependency belongs in the error message.
function(mb_require package debian_package)
  find_package(${package} QUIET ${ARGN})
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "${package} was not found: apt-get install ${debian_package} (or: make deps)")
  endif()
endfunction()
