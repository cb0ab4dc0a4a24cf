"""The rights of a turn, as a value."""

from pathlib import Path
from typing import ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict

from codex_jupyter.sdk.models.options import SandboxMode

SandboxName: TypeAlias = SandboxMode | str
"""A sandbox mode as the CLI reports it; `external-sandbox` and names of later versions are possible, too."""


class EffectiveRights(BaseModel):
    """What a turn may do, as the CLI reports it. It can be less than what was asked for: an administrator may have limited it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=True)

    sandbox: SandboxName
    network: bool = False
    """Whether commands may use the network."""
    writable: tuple[Path, ...] = ()
    """The folders that the agent may write to, the working folder first. Temporary folders are not listed, and neither is the whole
    machine without a sandbox."""
    approvals: str | None = None
    """When the agent asks; `never` where no one can answer. None if it is not reported."""
    profile: str | None = None
    """The permission profile of the user's configuration that decides; None if none does."""
    model: str | None = None
    protected: tuple[Path, ...] = ()
    """Those of `ThreadOptions.read_only_paths` that are read-only though they lie in a writable folder."""
    unprotected: tuple[Path, ...] = ()
    """Those of `ThreadOptions.read_only_paths` that the agent can change nevertheless."""
    instructions: tuple[Path, ...] = ()
    """The AGENTS.md files that are sent along."""
    skills: tuple[str, ...] = ()
    """The names of the user's and the folder's skills that are offered to the agent. Skills of the CLI itself are not listed."""
