"""Puts subsetd, named by the SUBSETD variable, into the wheel, which is then of this platform."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any, Dict

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILED_IN = ["libcli11-dev", "libxxhash-dev"]  # headers only


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        binary = Path(os.environ.get("SUBSETD", "subsetd")).resolve()
        if not os.access(binary, os.X_OK):
            raise RuntimeError(f"SUBSETD names no executable: {binary}")
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        include: Dict[str, str] = build_data["force_include"]
        include[str(binary)] = "subset_server/bin/subsetd"
        for package, licence in licences(binary).items():
            include[str(licence)] = f"subset_server/licenses/{package}.txt"


def licences(binary: Path) -> Dict[str, Path]:
    """Debian package -> its licence, for the libraries that travel along."""
    loaded = subprocess.run(["ldd", binary], check=True, stdout=subprocess.PIPE, text=True).stdout
    packages = set(COMPILED_IN)
    for library in re.findall(r"=> (/\S+)", loaded):
        file = str(Path(library).resolve())
        for name in (file, file.replace("/usr", "", 1)):
            found = subprocess.run(
                ["dpkg", "-S", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            if found.returncode == 0:
                packages.add(found.stdout.split(":")[0])
                break
        else:
            raise RuntimeError(f"no package owns {library}")
    return {name: Path(f"/usr/share/doc/{name}/copyright").resolve() for name in packages}
