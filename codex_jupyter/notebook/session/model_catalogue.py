"""The models that the codex CLI offers."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

EFFORTS: Final = ("minimal", "low", "medium", "high", "xhigh", "max")
"""The usual reasoning efforts. A model may accept others."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the CLI offers."""

    name: str
    listed: bool
    """True if the CLI offers it to all users."""
    efforts: tuple[str, ...]
    """The reasoning efforts that it accepts."""


_catalogues: Final[dict[Path, tuple[Model, ...]]] = {}


def catalogue(codex: Path, *, timeout: float = 5.0) -> tuple[Model, ...]:
    """Return the models that the CLI offers. The result of the first successful call is kept.

    Args:
        codex: The CLI.
        timeout: Seconds to wait for it.

    Returns:
        The models. Empty if the CLI does not report them.
    """
    if codex not in _catalogues:
        command: list[Path | str] = [codex, "debug", "models"]
        try:
            listed = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)  # noqa: S603
            _catalogues[codex] = tuple(
                Model(
                    model["slug"],
                    model.get("visibility", "list") == "list",
                    tuple(level["effort"] for level in model.get("supported_reasoning_levels") or ()),
                )
                for model in json.loads(listed.stdout)["models"]
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, subprocess.TimeoutExpired):
            return ()
    return _catalogues[codex]
