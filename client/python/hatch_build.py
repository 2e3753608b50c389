"""Runs the code generator before a wheel is put together."""

import sys
from pathlib import Path
from typing import Any, Dict

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        sys.path.insert(0, str(Path(self.root)))
        import generate

        generate.main(if_old=True)
