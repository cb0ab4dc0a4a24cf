"""The rights of the agent on four axes, and the presets that set all of them at once.

Cells, the chat and JupyterLab use this one table. It imports nothing of the package but the choices, so that loading stays cheap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, get_args

from codex_jupyter._choices import CellsMode, KernelMode, PresetName, SandboxMode

CUSTOM: Final = "Custom"
"""Name of a combination of rights that no preset has."""
DEFAULT: Final = "Default"
"""Name of the rights if nothing is set: the sandbox of the user's Codex, and questions before the kernel is used."""


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of the agent in a turn. An empty value is not set.

    Attributes:
        sandbox: Rights of the agent's commands. Not set: as Codex is configured.
        approval: When the agent asks before it acts. Not set: never.
        kernel: Rights of the agent in the kernel. Not set: asked when the agent first uses the kernel.
        cells: Changes of notebook cells by the agent. Not set: proposed.
    """

    sandbox: str = ""
    approval: str = ""
    kernel: str = ""
    cells: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """A named combination of rights.

    Attributes:
        name: The name as users see it.
        rights: The rights.
        description: The effect, in a few words.
    """

    name: str
    rights: Rights
    description: str


AXES: Final[dict[str, tuple[str, ...]]] = {
    "sandbox": get_args(SandboxMode),
    "approval": ("never", "untrusted", "on-request", "on-failure"),
    "kernel": get_args(KernelMode),
    "cells": get_args(CellsMode),
}
"""The axes, and the values of each. A value includes the rights of those before it: with approvals, more can be done than without."""

PRESETS: Final[dict[PresetName, Preset]] = {
    "read-only": Preset(
        "Read-only",
        Rights("read-only", "never", "read", "propose"),
        "looks at files and at the kernel, and changes nothing",
    ),
    "ask": Preset(
        "Ask",
        Rights("workspace-write", "on-request", "ask", "review"),
        "changes files of the folder, and asks before each run of code in the kernel",
    ),
    "edit": Preset(
        "Edit files",
        Rights("workspace-write", "on-request", "once", "apply"),
        "changes files of the folder and cells, and asks once per notebook before it runs code in the kernel",
    ),
    "full": Preset(
        "Full access",
        Rights("danger-full-access", "never", "run", "apply"),
        "does everything without asking: no sandbox, and all rights of the kernel",
    ),
}
"""The presets by the names of `--preset`, from the least to the most rights."""


class RightsSettings(Protocol):
    """Settings of the notebook about rights. An empty one is not set."""

    preset: str
    sandbox: str
    approval: str
    kernel: str
    cells: str


def preset_of(rights: Rights) -> str:
    """Return the name of the preset with exactly these rights, as users see it; `Custom` if there is none, `Default` if nothing is set."""
    if rights == Rights():
        return DEFAULT
    full = Rights(rights.sandbox, rights.approval or "never", rights.kernel, rights.cells or "propose")
    return next((preset.name for preset in PRESETS.values() if preset.rights == full), CUSTOM)


def choose_rights(given: Mapping[str, object], settings: RightsSettings) -> Rights:
    """Return the rights of a prompt. An option for one axis overrides a preset, and options of the prompt override settings.

    Args:
        given: Options of the prompt by name: `preset`, and those of the axes. None, or a missing one, is not given.
        settings: The notebook's settings.
    """
    preset = given.get("preset")
    below = settings.preset if preset is None else str(preset)

    def axis(name: str) -> str:
        value = given.get(name)
        if value is not None:
            return str(value)
        chosen: str = "" if preset else getattr(settings, name)
        return chosen or (getattr(PRESETS[_key(below)].rights, name) if below else "")

    return Rights(*(axis(name) for name in AXES))


def setting_of(settings: RightsSettings, name: str) -> str:
    """Return a setting of the notebook by its name; that of an axis with what the preset gives it."""
    value: str = getattr(choose_rights({}, settings) if name in AXES else settings, name)
    return value


def _key(name: str) -> PresetName:
    return next(key for key in PRESETS if key == name)
