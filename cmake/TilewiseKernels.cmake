# tilewise_add_kernels(<target> <file.kern.cpp>...)
#
# Compiles each kernel file once per instruction set, with TW_ISA naming its namespace, and adds the
# objects to <target>. Only kernel files get ISA flags: everything else runs on any x86-64.
function(tilewise_add_kernels target)
  set(levels baseline)
  set(flags_baseline "")
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    list(APPEND levels avx2 avx512)
    set(flags_avx2 -mavx2 -mfma -mbmi2)
    set(flags_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mbmi2
                     -mprefer-vector-width=512)
  endif()
  # gcc 12 warns about its own intrinsics' undefined operands (GCC bug 105593).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    list(APPEND flags_avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
  endif()
  # Random numbers have the same bits on every instruction set.
  set_source_files_properties(${CMAKE_SOURCE_DIR}/csrc/kernels/random.kern.cpp
                              PROPERTIES COMPILE_OPTIONS -ffp-contract=off)
  set(level 0)
  foreach(isa IN LISTS levels)
    set(library ${target}_${isa})
    add_library(${library} OBJECT ${ARGN})
    target_compile_definitions(${library} PRIVATE TW_ISA=${isa} TW_ISA_LEVEL=${level})
    target_compile_options(${library} PRIVATE ${flags_${isa}} -O3 -fno-exceptions -fno-rtti
                                              -fno-math-errno -fno-trapping-math)
    target_link_libraries(${library} PRIVATE tilewise_options)
    if(isa STREQUAL "baseline")
      target_link_libraries(${library} PRIVATE tilewise_instrumented)
    endif()
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${library}>)
    math(EXPR level "${level} + 1")
  endforeach()
endfunction()
