# SPDX-License-Identifier: Apache-2.0
# Compile options every target shares, as one interface target: tern_options.
add_library(tern_options INTERFACE)
target_compile_definitions(tern_options INTERFACE _GNU_SOURCE)
target_compile_options(tern_options INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual
  -Wwrite-strings -Wvla -Wundef -Wformat=2 -fno-strict-aliasing -fno-omit-frame-pointer)
if(TERN_WERROR)
  target_compile_options(tern_options INTERFACE -Werror)
endif()
if(TERN_SEEDED_BUGS)
  target_compile_definitions(tern_options INTERFACE TERN_SEEDED_BUGS)
endif()
if(TERN_SANITIZE)
  # gcc follows values less well through instrumented code; the plain builds look for these faults
  target_compile_options(tern_options INTERFACE
    $<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>)
  target_compile_options(tern_options INTERFACE -fsanitize=${TERN_SANITIZE} -fno-sanitize-recover=all -g)
  target_link_options(tern_options INTERFACE -fsanitize=${TERN_SANITIZE})
endif()
if(NOT TERN_RCU MATCHES "^(urcu|c11)$")
  message(FATAL_ERROR "TERN_RCU is '${TERN_RCU}'; it must be urcu or c11")
endif()
# Optimisation across files. The archive is installed, so its objects keep ordinary code as well (fat objects): users
# link it with whatever compiler they have. clang 14 cannot make those, so with clang it stays off.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT TERN_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
  target_compile_options(tern_options INTERFACE -ffat-lto-objects)
endif()
