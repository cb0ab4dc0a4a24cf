"""The rights of a turn, as a value."""

from pathlib import Path
from typing import ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict

from codex_jupyter.sdk.models.options import SandboxMode

SandboxName: TypeAlias = SandboxMode | str
"""A sandbox mode as the CLI reports it. `external-sandbox` and names of later versions are possible."""


class EffectiveRights(BaseModel):
    """The rights of a turn, as the CLI reports them. They can be less than requested, because an administrator may limit them."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=True)

    sandbox: SandboxName
    network: bool = False
    """True if commands may use the network."""
    writable: tuple[Path, ...] = ()
    """Folders that the agent may write to, the working directory first. Temporary folders are not listed. Empty without a sandbox, where
    the agent may write everywhere."""
    approvals: str | None = None
    """The approval policy; `never` if no one can answer. None if it is not reported."""
    profile: str | None = None
    """The permission profile of the user's configuration in use; None if there is none."""
    model: str | None = None
    protected: tuple[Path, ...] = ()
    """Paths of `ThreadOptions.read_only_paths` that are read-only inside a writable folder."""
    unprotected: tuple[Path, ...] = ()
    """Paths of `ThreadOptions.read_only_paths` that the agent can still change."""
    instructions: tuple[Path, ...] = ()
    """The AGENTS.md files that are sent to the model."""
    skills: tuple[str, ...] = ()
    """The names of the user's and the folder's skills that are offered to the agent. Skills of the CLI itself are not listed."""
