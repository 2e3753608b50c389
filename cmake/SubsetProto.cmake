# subset_proto_library(NAME PROTOS a.proto ... [GRPC]): C++ for .proto files that stand under
# proto/, included as "subset/v1/dataset.pb.h".

function(subset_proto_library NAME)
  cmake_parse_arguments(ARG "GRPC" "" "PROTOS;DEPS" ${ARGN})
  set(GENERATED "${PROJECT_BINARY_DIR}/proto/generated")
  file(MAKE_DIRECTORY "${GENERATED}")
  add_library(subset_${NAME} STATIC ${ARG_PROTOS})
  add_library(subset::${NAME} ALIAS subset_${NAME})
  target_include_directories(subset_${NAME} SYSTEM PUBLIC "${GENERATED}")
  target_link_libraries(subset_${NAME} PUBLIC protobuf::libprotobuf ${ARG_DEPS})
  protobuf_generate(TARGET subset_${NAME} LANGUAGE cpp IMPORT_DIRS "${PROJECT_SOURCE_DIR}/proto"
                    PROTOC_OUT_DIR "${GENERATED}")
  if(ARG_GRPC)
    target_link_libraries(subset_${NAME} PUBLIC gRPC::grpc++)
    protobuf_generate(
      TARGET subset_${NAME} LANGUAGE grpc GENERATE_EXTENSIONS .grpc.pb.h .grpc.pb.cc
      PLUGIN "protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>"
      IMPORT_DIRS "${PROJECT_SOURCE_DIR}/proto" PROTOC_OUT_DIR "${GENERATED}")
  endif()
endfunction()
