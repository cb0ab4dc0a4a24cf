"""The models of the bundled codex CLI. No test that runs the CLI contains the name of a model, because each CLI has others."""

import json
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from codex_jupyter.sdk import locate_codex


@cache
def models(executable: Path | None = None) -> tuple[dict[str, Any], ...]:
    """Return the listed models of a CLI, the default first. None is the bundled CLI."""
    path = executable or locate_codex(env={"PATH": "", "HOME": "/nonexistent"}, folder=Path("/")).path
    with tempfile.TemporaryDirectory() as home:
        command = [str(path), "debug", "models"]
        done = subprocess.run(command, env=os.environ | {"CODEX_HOME": home}, check=True, capture_output=True, timeout=30)
    listed = [model for model in json.loads(done.stdout)["models"] if model["visibility"] == "list"]
    return tuple(sorted(listed, key=lambda model: model["priority"]))


def direct_model(executable: Path | None = None) -> str:
    """Return a model that calls its tools directly, not from scripts."""
    return next(str(model["slug"]) for model in models(executable) if model.get("tool_mode") != "code_mode_only")


DEFAULT: str = models()[0]["slug"]
"""The default model, which calls its tools from scripts."""
DIRECT: str = direct_model()
OTHER: str = models()[1]["slug"]
"""A model that is not the default, and calls its tools from scripts."""
