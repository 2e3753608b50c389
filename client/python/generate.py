"""Makes subset/v1 and subset/rpc from proto/; the wheel's build and the tests run it.

    python3 generate.py            # always
    python3 generate.py --if-old   # only when a .proto or this file is newer

Uses protoc and grpc_python_plugin where both are installed, else grpcio-tools.
"""

import fcntl
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List

HERE = Path(__file__).resolve().parent
PROTO = HERE.parent.parent / "proto"
OUT = HERE / "subset"
DONE = OUT / "v1" / "__init__.py"  # written last

API = sorted(f"subset/v1/{file.name}" for file in (PROTO / "subset" / "v1").glob("*.proto"))
DETAILS = ["status.proto", "error_details.proto"]

_FORWARDED = re.compile(r"^(from subset\.v1\.\w+ import (\w+))$", re.MULTILINE)


def _protoc(include: Path, out: Path, files: List[str]) -> None:
    arguments = [f"-I{include}", f"--python_out={out}", f"--pyi_out={out}"]
    plugin = shutil.which("grpc_python_plugin")
    if shutil.which("protoc") and plugin:
        command = ["protoc", f"--plugin=protoc-gen-grpc_python={plugin}"]
    else:
        command = [sys.executable, "-m", "grpc_tools.protoc"]
    subprocess.run(command + arguments + [f"--grpc_python_out={out}"] + files, check=True)


def _with_error_details(work: Path) -> List[str]:
    """Copies google.rpc's messages under our own package, and returns the copies.

    The wire form is the same; under Google's name they would collide with googleapis-common-protos
    in the process's one descriptor pool.
    """
    target = work / "subset" / "rpc"
    target.mkdir(parents=True)
    for name in DETAILS:
        text = (PROTO / "google" / "rpc" / name).read_text()
        (target / name).write_text(text.replace("package google.rpc;", "package subset.rpc;"))
    return [f"subset/rpc/{name}" for name in DETAILS]


def generate() -> None:
    with tempfile.TemporaryDirectory() as directory:
        work, out = Path(directory) / "in", Path(directory) / "out"
        out.mkdir()
        details = _with_error_details(work)
        for name in API:
            target = work / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROTO / name, target)
        _protoc(work, out, API + details)
        for stub in (out / "subset" / "rpc").glob("*_grpc.py"):
            stub.unlink()  # messages only
        for stub in (out / "subset" / "v1").glob("*.pyi"):
            # What a file imports publicly is its own, which a type checker must be told.
            stub.write_text(_FORWARDED.sub(r"\1 as \2", stub.read_text()))
        for part in ("rpc", "v1"):
            (out / "subset" / part / "__init__.py").write_text('"""Generated from proto/."""\n')
            _replace(out / "subset" / part, OUT / part)
    DONE.touch()


def _replace(made: Path, target: Path) -> None:
    """File by file, each at once: a process that imports meanwhile sees whole files."""
    target.mkdir(exist_ok=True)
    for file in made.iterdir():
        fresh = target / (file.name + ".new")
        shutil.copyfile(file, fresh)
        fresh.replace(target / file.name)
    for file in target.iterdir():
        if file.is_file() and not (made / file.name).exists():
            file.unlink()


def is_old() -> bool:
    sources = [PROTO / name for name in API] + [PROTO / "google" / "rpc" / name for name in DETAILS]
    sources.append(Path(__file__))
    return not DONE.exists() or any(s.stat().st_mtime > DONE.stat().st_mtime for s in sources)


def main(if_old: bool) -> None:
    with open(HERE / ".generate.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test commands may start at once
        if not if_old or is_old():
            generate()


if __name__ == "__main__":
    main("--if-old" in sys.argv)
