"""Settings that apply where a thread has no option: the configuration that the CLI reports, with the overrides of the options."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.executable.config_flags import parse_override
from codex_jupyter.sdk.executable.environment import own_overrides
from codex_jupyter.sdk.models.options import ThreadOptions

SELECTORS: Final = ("default_permissions", "sandbox_mode")
"""The settings that select the rights of commands. In one layer of the configuration the first one wins (measured with 0.163 and 0.171)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The configuration for a folder, with the overrides among the options."""

    model: str | None = None
    model_provider: str | None = None
    effort: str | None = None
    approval_policy: Any = None
    approvals_reviewer: str | None = None
    sandbox_mode: str | None = None
    """The sandbox mode; None if there is none, or if a permission profile is selected over it."""
    profile: str | None = None
    """The permission profile that is selected."""
    workspace: Mapping[str, Any]
    """The table `sandbox_workspace_write`, which holds for sandbox modes only."""
    profiles: Mapping[str, Any]
    """The user's permission profiles by name."""
    projects: frozenset[str]
    """The folders whose trust is decided."""
    folder: Sequence[bytes] = ()
    """The contents of the configuration files of the folder, see `folder_configuration`."""

    @classmethod
    def of(cls, answer: Mapping[str, Any], options: ThreadOptions) -> "Defaults":
        """Read the answer to `config/read`, which does not know the overrides among the options.

        Args:
            answer: The answer, with `layers`.
            options: The options of the thread.
        """
        config = dict(table_of(answer, "config"))
        override(config, own_overrides(options))
        selector = _selector(answer, options)
        return cls(
            model=config.get("model"),
            model_provider=config.get("model_provider"),
            effort=config.get("model_reasoning_effort"),
            approval_policy=config.get("approval_policy"),
            approvals_reviewer=config.get("approvals_reviewer"),
            sandbox_mode=config.get("sandbox_mode") if selector == "sandbox_mode" else None,
            profile=config.get("default_permissions") if selector == "default_permissions" else None,
            workspace=table_of(config, "sandbox_workspace_write"),
            profiles=table_of(config, "permissions"),
            projects=frozenset(table_of(config, "projects")),
        )

    def knows(self, folder: Path) -> bool:
        """Return True if the trust in a folder is decided. The CLI checks the folder and the root of its repository, not its parents."""
        return is_decided(folder, self.projects)


def folder_configuration(folder: Path) -> Sequence[bytes]:
    """Read the configuration files of a folder: those of the folder and of its parents up to the root of the git repository.

    Args:
        folder: An absolute path.
    """
    real = folder.resolve()
    root = repository(real) or real
    contents = []
    for place in (real, *real.parents):
        if not place.is_relative_to(root):
            break
        try:
            contents.append((place / ".codex" / "config.toml").read_bytes())
        except OSError:
            contents.append(b"")
    return contents


def repository(folder: Path) -> Path | None:
    """Return the root of the git repository of a folder; None if there is none."""
    real = folder.resolve()
    return next((parent for parent in (real, *real.parents) if (parent / ".git").exists()), None)


def is_decided(folder: Path, projects: frozenset[str]) -> bool:
    """Return True if the folder is configured as trusted or as untrusted.

    Args:
        folder: An absolute path.
        projects: The paths in the table `projects` of the configuration.
    """
    if not projects:
        return False
    keys = [folder, folder.resolve()]
    root = repository(folder)
    if root is not None:
        keys.append(root)
        # In a linked worktree, `.git` is a file that names a folder within the `.git` of the main one.
        link = root / ".git"
        if link.is_file():
            target = Path(link.read_text(encoding="utf-8", errors="replace").removeprefix("gitdir:").strip())
            keys += [parent.parent for parent in target.parents if parent.name == ".git"][:1]
    return any(str(key) in projects for key in keys)


def projects_of(*configs: Mapping[str, Any]) -> frozenset[str]:
    """Return the folders whose trust is decided: those in the table `projects` of any of the configurations.

    Args:
        *configs: The contents of configuration files.
    """
    return frozenset(name for config in configs for name in table_of(config, "projects"))


def override(config: dict[str, Any], overrides: Iterable[str]) -> None:
    """Apply `key=value` texts to a nested configuration; later ones win."""
    for text in overrides:
        path, value = parse_override(text)
        table = config
        for key in path[:-1]:
            inner = table.get(key)
            inner = table[key] = dict(inner) if isinstance(inner, Mapping) else {}
            table = inner
        table[path[-1]] = value


def parsed(text: str) -> tuple[tuple[str, ...], Any]:
    """Read an override as the CLI does.

    Raises:
        ConfigError: If it cannot be read, or JSON cannot represent its value.
    """
    path, value = parse_override(text)
    if not isinstance(value, str | bool | int | float | list | dict):
        raise ConfigError(f"The transport 'app-server' cannot pass on the value of {'.'.join(path)}; the transport 'exec' can.")
    return path, value


def _selector(answer: Mapping[str, Any], options: ThreadOptions) -> str | None:
    """Return the setting that selects the rights: that of the highest layer with one."""
    overrides: dict[str, Any] = {}
    override(overrides, own_overrides(options))
    layers = [layer.get("config") for layer in answer.get("layers") or () if isinstance(layer, dict) and not layer.get("disabledReason")]
    for layer in (overrides, *layers, table_of(answer, "config")):
        for selector in SELECTORS:
            if isinstance(layer, Mapping) and layer.get(selector) is not None:
                return selector
    return None


def table_of(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a table inside of another one; empty if it is missing or something else."""
    value = table.get(name)
    return value if isinstance(value, Mapping) else {}
