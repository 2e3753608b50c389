"""The dependency rule between rooms (docs/architecture.md), executed.

Checked over the C++ #includes, the CMake link lists, the .proto imports and the Python imports. The
checkers are pure functions of (path, text), and each is shown to catch a planted violation.
"""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Which rooms a room may see. "proto" is the public API, "log" the records on disk.
MAY_SEE: dict[str, set[str]] = {
    "base": set(),
    "sampling": {"base"},
    "storage": {"base"},
    "proto": set(),
    "log": {"proto"},
    "engine": {"base", "sampling", "storage", "proto", "log"},
    "server": {"base", "sampling", "storage", "proto", "engine"},
    "client": {"base", "proto"},
}
# The targets a room's own CMake files may name; proto/CMakeLists.txt builds the log's records too.
LINKS_WITHIN = {room: {room} for room in MAY_SEE} | {"proto": {"proto", "log"}}
EVERYTHING = set(MAY_SEE) | {"tests", "bench"}

# Libraries with an owner: nobody else in the product includes or links them.
OWNED_HEADERS: dict[str, set[str]] = {
    r"rocksdb/": {"storage"},
    r"prometheus/|civetweb": {"server"},
    r"grpc\+\+/": set(),  # the old path, removed from newer gRPC
    r"grpcpp/|grpc/": {"server", "client"},
    r"google/protobuf/": {"engine", "server", "client"},
    r"CLI/": {"client", "server"},
    r"nlohmann/": {"client"},
    r"gtest/|gmock/|benchmark/": set(),
}
OWNED_TARGETS: dict[str, set[str]] = {
    r"RocksDB::": {"storage"},
    r"prometheus-cpp::": {"server"},
    r"gRPC::": {"proto", "server", "client"},
    r"protobuf::": {"proto", "log", "engine", "server", "client"},
    r"CLI11::": {"client", "server"},
    r"nlohmann_json::": {"client"},
    r"GTest::|benchmark::": set(),
}
# sampling/ is pure: no clock, file, lock, log line, thread or generator with state. (Memory may come
# from mmap, and base/log.h has SUBSET_CHECK.)
IMPURE = (
    r"(chrono|ctime|time\.h|mutex|shared_mutex|thread|condition_variable|future|random"
    r"|fstream|iostream|cstdio|stdio\.h|filesystem|unistd\.h|fcntl\.h|sys/(?!mman\.h).*"
    r"|base/(clock|mutex)\.h|absl/(time|synchronization|random|flags|log)/.*)$"
)


def room_of(path: str) -> str | None:
    """The room a file or an include path belongs to; None for third-party headers."""
    if re.match(r"(proto/)?subset/log/", path):
        return "log"
    if re.match(r"proto/|subset/v\d+/|google/rpc/", path):
        return "proto"
    if re.match(r"client/|subset/", path):
        return "client"
    first = path.split("/", 1)[0]
    return first if "/" in path and first in EVERYTHING else None


def include_faults(path: str, text: str) -> list[str]:
    """What is wrong with the #includes of one C++ file."""
    room = room_of(path) or ""
    free = room in ("tests", "bench")  # they see everything
    faults = []
    for kind, header in re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', text, re.MULTILINE):
        target = room_of(header)
        if target is None:
            if not free:
                for pattern, owners in OWNED_HEADERS.items():
                    if re.match(pattern, header) and room not in owners:
                        faults.append(f"{path}: {room}/ must not include {header}")
            if kind == '"' and "/" not in header and header != "xxhash.h":
                faults.append(f'{path}: "{header}" is not a path from the repository root')
        elif target != room and not free and target not in MAY_SEE[room]:
            faults.append(f"{path}: {room}/ must not see {target}/ ({header})")
        if room == "sampling" and re.match(IMPURE, header):
            faults.append(f"{path}: sampling/ is pure and must not include {header}")
        if header.endswith(".grpc.pb.h") and room not in ("server", "client", "tests", "bench"):
            faults.append(f"{path}: gRPC service code in {room}/ ({header})")
    if room == "sampling" and "LogLevel::" in text:
        faults.append(f"{path}: sampling/ is pure and must not log")
    if path == "storage/store.h" and "rocksdb::" in text:
        faults.append(f"{path}: a RocksDB type in the interface")
    return faults


def defined_targets(text: str) -> list[str]:
    """Names of the libraries and executables a CMake file defines."""
    names = re.findall(r"\bsubset_(?:proto_)?library\(\s*(\w+)", text)
    names = [f"subset_{name}" for name in names]
    return names + re.findall(r"\badd_(?:library|executable)\(\s*(\w+)(?!\s+ALIAS)", text)


def without_comments(text: str) -> str:
    return re.sub(r"#.*", "", text)


def link_faults(room: str, path: str, text: str, owner: dict[str, str]) -> list[str]:
    """What is wrong with the targets a room's CMake file names; owner maps target -> room."""
    faults = []
    for word in re.findall(r"[\w:+-]+", without_comments(text)):
        name = word.replace("subset::", "subset_") if word.startswith("subset::") else word
        target = owner.get(name)
        if word.startswith("subset::") and target is None:
            faults.append(f"{path}: {word} is no target of any room")
        if target is not None and target not in MAY_SEE[room] | LINKS_WITHIN[room]:
            faults.append(f"{path}: {room}/ must not link {word} of {target}/")
        for pattern, owners in OWNED_TARGETS.items():
            if re.match(pattern, word) and room not in owners:
                faults.append(f"{path}: {room}/ must not link {word}")
    return faults


def proto_faults(path: str, text: str) -> list[str]:
    """What is wrong with the imports of one .proto file (path from proto/)."""
    faults = []
    for imported in re.findall(r'^import\s+(?:public\s+|weak\s+)?"([^"]+)"', text, re.MULTILINE):
        allowed = ["google/protobuf/"]
        if path.startswith("subset/v1/"):
            allowed += ["subset/v1/", "google/rpc/"]
        if path.startswith("subset/log/"):
            allowed += ["subset/log/", "subset/v1/"]
        if path.startswith("google/rpc/"):
            allowed += ["google/rpc/"]
        if not imported.startswith(tuple(allowed)):
            faults.append(f"{path}: must not import {imported}")
    return faults


def python_faults(path: str, text: str) -> list[str]:
    """What is wrong with the imports of one Python file of the client package."""
    faults = []
    for node in ast.walk(ast.parse(text, path)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            first = name.split(".")[0]
            if first in EVERYTHING - {"client"} or name.startswith("subset.log"):
                faults.append(f"{path}: the client sees proto/subset/v1 only, not {name}")
    return faults


def tracked(*patterns: str) -> list[str]:
    """Files of the work tree that git knows or would add, by pathspec."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run([*command, "--", *patterns], capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def read(path: str) -> str:
    return (ROOT / path).read_text()


def test_includes_follow_the_rule() -> None:
    files = [f for f in tracked("*.h", "*.cc", "*.inc") if room_of(f) is not None]
    assert {room_of(f) for f in files} >= {"base", "sampling", "storage", "engine"}
    assert [fault for f in files for fault in include_faults(f, read(f))] == []


def test_every_source_file_is_in_a_room() -> None:
    assert [f for f in tracked("*.h", "*.cc", "*.proto") if room_of(f) is None] == []


def cmake_files() -> dict[str, str]:
    """CMake file -> room, for the rooms that the rule binds."""
    listed = tracked("*CMakeLists.txt", "*.cmake")
    return {f: r for f in listed if (r := room_of(f)) is not None and r in MAY_SEE}


def test_link_lists_follow_the_rule() -> None:
    files = cmake_files()
    assert set(files.values()) >= {"base", "sampling", "storage", "proto", "engine", "server", "client"}
    owner = {t: room for f, room in files.items() for t in defined_targets(without_comments(read(f)))}
    owner["subset_log_proto"] = "log"
    faults = [x for f, room in files.items() for x in link_faults(room, f, read(f), owner)]
    assert faults == []


def test_proto_imports_follow_the_rule() -> None:
    files = tracked("proto/*.proto")
    assert len(files) >= 5
    assert [x for f in files for x in proto_faults(f.removeprefix("proto/"), read(f))] == []


def test_python_client_sees_proto_only() -> None:
    files = tracked("client/python/subset/*.py")
    assert [x for f in files for x in python_faults(f, read(f))] == []


def test_a_planted_include_is_caught() -> None:
    planted = {
        "sampling/a.h": ['"storage/store.h"', '"base/mutex.h"', "<chrono>", '"subset/v1/sampler.pb.h"'],
        "storage/a.cc": ['"sampling/leaf.h"', '"subset/log/v1/record.pb.h"', "<grpcpp/grpcpp.h>"],
        "engine/a.cc": ['"rocksdb/db.h"', '"subset/v1/a.grpc.pb.h"', '"server/a.h"', '"near.h"'],
        "server/a.cc": ['"rocksdb/db.h"', '"subset/log/v1/record.pb.h"', '"client/cpp/a.h"'],
        "client/cpp/a.cc": ['"engine/engine.h"', "<prometheus/counter.h>", '"tests/testing/a.h"'],
        "base/a.h": ['"engine/engine.h"', "<gtest/gtest.h>"],
    }
    for path, headers in planted.items():
        for header in headers:
            assert include_faults(path, f"#include {header}\n"), (path, header)
    assert include_faults("sampling/a.cc", 'Log(LogLevel::kInfo, "drew");')
    assert include_faults("storage/store.h", "rocksdb::Status Open();")
    legal = '#include "base/error.h"\n#include "sampling/leaf.h"\n#include <vector>\n'
    assert include_faults("engine/a.cc", legal) == []
    assert include_faults("tests/engine/a.cc", '#include "rocksdb/db.h"\n') == []


def test_a_planted_link_is_caught() -> None:
    owner = {"subset_engine": "engine", "subset_base": "base", "subset_log_proto": "log",
             "subset_proto": "proto"}
    for room, word in [
        ("sampling", "subset::engine"),
        ("base", "subset_engine"),
        ("client", "subset::engine"),
        ("client", "subset::log_proto"),
        ("engine", "RocksDB::rocksdb-shared"),
        ("sampling", "protobuf::libprotobuf"),
        ("engine", "gRPC::grpc++"),
        ("server", "subset::nowhere"),
    ]:
        text = f"target_link_libraries(x PRIVATE {word})"
        assert link_faults(room, "CMakeLists.txt", text, owner), (room, word)
    assert link_faults("engine", "CMakeLists.txt", "DEPS subset::base subset::log_proto)", owner) == []
    assert defined_targets("subset_library(engine SOURCES a)\nadd_executable(subsetd m.cc)") == [
        "subset_engine", "subsetd"]


def test_a_planted_import_is_caught() -> None:
    assert proto_faults("subset/v1/a.proto", 'import "subset/log/v1/record.proto";\n')
    assert proto_faults("subset/v1/a.proto", 'import "subset/v1/b.proto";\n') == []
    assert python_faults("client/python/subset/a.py", "from subset.log.v1 import record_pb2\n")
    assert python_faults("client/python/subset/a.py", "import server.helpers\n")
    assert python_faults("client/python/subset/a.py", "from subset.v1 import dataset_pb2\n") == []
