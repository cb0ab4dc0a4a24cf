"""The scripts behind `%codex demo`, for `codex_jupyter.testing.ScriptedModel`: one for each notebook of this project."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from codex_jupyter.demo.chat import chat
from codex_jupyter.demo.gallery import gallery, stopped_events, tool_events
from codex_jupyter.demo.kernel import kernel
from codex_jupyter.demo.magic import magic
from codex_jupyter.demo.plots import plots
from codex_jupyter.demo.showcase import MEASUREMENTS, showcase
from codex_jupyter.testing.script import ScriptedTurn

SCRIPTS: Final[Mapping[str, Callable[[], list[ScriptedTurn]]]] = MappingProxyType(
    {"quickstart": showcase, "magic": magic, "gallery": gallery, "plots": plots, "chat": chat, "kernel": kernel}
)
"""The scripts by the name that `%codex demo NAME` takes."""

__all__ = ["MEASUREMENTS", "SCRIPTS", "showcase", "stopped_events", "tool_events"]
