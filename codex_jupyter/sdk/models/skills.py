"""Skills that apply in a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from codex_jupyter.sdk.models.wire import WireModel

SkillScope: TypeAlias = Literal["user", "repo", "system", "admin"] | str


class Skill(WireModel):
    """A skill that the agent can use."""

    name: str
    """Name, as for `SkillInput`."""
    path: Path
    """Path of its `SKILL.md`."""
    description: str = ""
    scope: SkillScope | None = None
    """Owner of the skill. `system` are those of Codex."""
    enabled: bool = True
    error: str | None = None
    """The reason why the skill cannot be used. None if it can."""

    @classmethod
    def from_wire(cls, skill: Mapping[str, Any]) -> "Skill":
        """Read a skill of the answer to `skills/list`."""
        return cls(
            name=str(skill.get("name")),
            path=Path(str(skill.get("path"))),
            description=str(skill.get("description") or ""),
            scope=skill.get("scope"),
            enabled=skill.get("enabled") is True,
        )

    @classmethod
    def broken(cls, error: Mapping[str, Any]) -> "Skill":
        """Read an error of the answer to `skills/list`."""
        path = Path(str(error.get("path")))
        return cls(name=path.parent.name, path=path, enabled=False, error=str(error.get("message")))
