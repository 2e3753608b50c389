# Build options and the two functions every room uses.

option(SUBSET_BUILD_TESTS "Build the tests" ON)
option(SUBSET_BUILD_BENCH "Build the benchmarks" ON)
set(SUBSET_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize= (address,undefined or thread)")

set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

# The same bits everywhere: a draw must not depend on whether the compiler fuses a*b+c.
add_compile_options(-ffp-contract=off)

if(SUBSET_SANITIZE)
  add_compile_options(-fsanitize=${SUBSET_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SUBSET_SANITIZE})
endif()

add_library(subset_warnings INTERFACE)
target_compile_options(subset_warnings INTERFACE -Wall -Wextra -Werror)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # Lock annotations are compiled, not decorative.
  target_compile_options(subset_warnings INTERFACE -Wthread-safety)
endif()

# subset_library(NAME SOURCES a.cc ... DEPS x y ...): a static library of one room, included by
# paths from the repository root, with an alias subset::NAME.
function(subset_library NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(subset_${NAME} STATIC ${ARG_SOURCES})
  add_library(subset::${NAME} ALIAS subset_${NAME})
  target_include_directories(subset_${NAME} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(subset_${NAME} PUBLIC ${ARG_DEPS} PRIVATE subset_warnings)
endfunction()

# subset_test(NAME SOURCES a_test.cc ... DEPS x y ...): one GoogleTest binary, one ctest entry. Its
# label says whether it needs the rooms with gRPC ("rpc") or only those below ("core"); the target
# core_tests builds the latter, which is what runs under the sanitizers every time.
function(subset_test NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_include_directories(${NAME} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main subset_warnings)
  add_test(NAME ${NAME} COMMAND ${NAME})
  set_tests_properties(${NAME} PROPERTIES TIMEOUT 600 LABELS ${SUBSET_TEST_LABEL}
    ENVIRONMENT "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp")
  if(SUBSET_TEST_LABEL STREQUAL "core")
    add_dependencies(core_tests ${NAME})
  endif()
endfunction()
