"""Express the rights of a turn in full, as a permission profile of the CLI.

Only a profile can express all of them: the writable folders, read-only paths inside of these, and the network. The sandbox mode
`workspace-write` cannot have read-only parts, and given beside a profile it silently wins. So it is expressed as a profile here. The
app-server accepts a profile by name with each start, resume, fork and turn. `codex exec` accepts it as configuration. Measured with 0.163
and 0.171.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from codex_jupyter._paths import is_below
from codex_jupyter.sdk.executable.workspace import METADATA, absolute, first_missing
from codex_jupyter.sdk.models.options import ThreadOptions
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.transports.config_defaults import Defaults

PROFILE: Final = "codex-jupyter"
"""Name of the profile of this package."""
MODES: Final = {"read-only": ":read-only", "workspace-write": ":workspace", "danger-full-access": ":danger-full-access"}
"""Built-in profiles of the CLI for the sandbox modes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The rights of a turn, by its options and the configuration."""

    profile: str
    """Name of the permission profile to select."""
    definition: Mapping[str, Any] | None = None
    """Definition of the profile if it is `PROFILE`. The CLI or the user's configuration defines all others."""
    folders: tuple[str, ...]
    """The workspace: the working folder first, then the additional folders. Links are resolved if there are read-only paths."""
    exposed: tuple[Path, ...] = ()
    """Read-only paths in writable folders, which the profile must protect."""
    unprotected: tuple[Path, ...] = ()
    """Exposed paths that a profile cannot protect."""

    @property
    def writes(self) -> bool:
        """True if the agent may write anything."""
        return self.profile != ":read-only"


def working_directory(options: ThreadOptions) -> Path:
    """Return the absolute working folder of the agent. `..` is resolved, as the server does before it looks up the folder."""
    folder = absolute(options.working_directory)
    return folder.resolve() if ".." in folder.parts else folder


def rights_of(options: ThreadOptions, defaults: Defaults, env: Mapping[str, str]) -> Rights:
    """Return the rights of a turn. Rights of earlier turns of the thread do not count.

    Args:
        options: The options of the thread, for this turn.
        defaults: The configuration of its folder.
        env: The environment of the CLI.
    """
    folder = working_directory(options)
    base, by_mode = _selected(options, defaults, folder)
    workspace = defaults.workspace if by_mode else {}
    configured = workspace.get("writable_roots") if base == ":workspace" else None
    additional = [_absolute(folder / path.expanduser()) for path in options.additional_directories]
    folders = dict.fromkeys([str(folder), *map(str, configured or ()), *additional])
    if options.read_only_paths:
        # The CLI mounts a folder by the given name, and that mount would cover an entry with another name.
        folders = dict.fromkeys(map(os.path.realpath, folders))
    if base in (":read-only", ":danger-full-access"):
        return Rights(profile=base, folders=tuple(folders))
    wanted: dict[str, Any] = {}
    if by_mode and (network := _network(options, workspace)) is not None:
        wanted["network"] = {"enabled": network}
    temporary = {":slash_tmp": "exclude_slash_tmp", ":tmpdir": "exclude_tmpdir_env_var"}
    entries = {name: "read" for name, setting in temporary.items() if workspace.get(setting)}
    roots = [*folders, *_writable(base, defaults)]
    roots += ["/tmp"] if ":slash_tmp" not in entries else []  # noqa: S108 - the CLI's definition
    roots += [env["TMPDIR"]] if ":tmpdir" not in entries and env.get("TMPDIR") else []
    shield = Shield.over([folder / path.expanduser() for path in options.read_only_paths], roots)
    if sys.platform == "win32":
        shield = Shield(exposed=shield.exposed, unprotected=shield.exposed)  # not tested there
    entries |= shield.entries
    if entries:
        wanted["filesystem"] = entries
    if not wanted or wanted == {"network": {"enabled": False}}:
        return Rights(profile=base, folders=tuple(folders), exposed=shield.exposed, unprotected=shield.unprotected)
    definition = {"extends": base, **wanted}
    return Rights(profile=PROFILE, definition=definition, folders=tuple(folders), exposed=shield.exposed, unprotected=shield.unprotected)


def reported(
    sandbox: str, *, network: bool, folders: Iterable[str], active: object, model: object, options: ThreadOptions, stated: Rights
) -> EffectiveRights:
    """Return the effective rights of a turn from the report of the CLI.

    Args:
        sandbox: Name of the sandbox mode.
        network: True if commands may use the network.
        folders: The writable folders.
        active: Name of the permission profile in use.
        model: The model.
        options: The options of the thread.
        stated: The rights that were requested.
    """
    unprotected: tuple[Path, ...] = ()
    if sandbox == "workspace-write":
        unprotected = stated.unprotected if active == PROFILE else stated.exposed
    elif sandbox != "read-only":
        unprotected = options.read_only_paths
    exposed = stated.exposed if sandbox == "workspace-write" else ()
    entries = (stated.definition or {}).get("filesystem", {})  # those of the guards are reported as writable folders, too
    writable = [Path(folder) for folder in dict.fromkeys(folders) if folder not in entries] if sandbox == "workspace-write" else []
    return EffectiveRights(
        sandbox=sandbox,
        network=network or sandbox == "danger-full-access",
        writable=tuple(writable),
        profile=active if isinstance(active, str) and active != PROFILE and not active.startswith(":") else None,
        model=model if isinstance(model, str) else None,
        protected=tuple(path for path in exposed if path not in unprotected),
        unprotected=unprotected,
    )


def _selected(options: ThreadOptions, defaults: Defaults, folder: Path) -> tuple[str, bool]:
    """Return the selected profile, and True if a sandbox mode selects it, so that the settings of that mode apply."""
    if options.sandbox_mode is not None:
        return MODES[options.sandbox_mode], True
    if defaults.profile is not None:
        return defaults.profile, False
    if defaults.sandbox_mode is not None:
        return MODES.get(defaults.sandbox_mode, ":read-only"), True
    # The CLI lets the agent write in a folder that is configured as trusted or as untrusted.
    return (":workspace" if defaults.knows(folder) and sys.platform != "win32" else ":read-only"), True


def _network(options: ThreadOptions, workspace: Mapping[str, Any]) -> bool | None:
    return options.network_access_enabled if options.network_access_enabled is not None else workspace.get("network_access")


def _writable(profile: str, defaults: Defaults) -> list[str]:
    """Return the absolute paths that a profile of the user and its parents make writable."""
    paths: list[str] = []
    seen = set()
    name: Any = profile
    while isinstance(name, str) and name not in seen:
        seen.add(name)
        table = defaults.profiles.get(name)
        table = table if isinstance(table, Mapping) else {}
        for part in ("filesystem", "workspace_roots"):
            entries = table.get(part)
            entries = entries if isinstance(entries, Mapping) else {}
            paths += [os.path.expanduser(path) for path, access in entries.items() if access in ("write", True)]
        name = table.get("extends")
    return [path for path in paths if os.path.isabs(path)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shield:
    """Entries of a profile that protect paths in writable folders."""

    entries: Mapping[str, str] = field(default_factory=dict)
    exposed: tuple[Path, ...] = ()
    """Paths in writable folders."""
    unprotected: tuple[Path, ...] = ()
    """Exposed paths that no entry protects: links, which the agent could replace."""

    @classmethod
    def over(cls, paths: Iterable[Path], roots: Sequence[str]) -> "Shield":
        """Return the entries that protect paths.

        The agent could rename a folder between a root and a protected path, and create a new folder in its place. So that folder gets an
        entry that makes it writable: the sandbox mounts it, and a mounted folder cannot be renamed.

        Args:
            paths: The paths to protect. A path that is a root itself stays writable.
            roots: The writable folders.
        """
        tops = set(map(os.path.realpath, roots))
        forms = {path: _seen_from(path, tops) for path in dict.fromkeys(map(_absolute, paths)) if os.path.realpath(path) not in tops}
        forms = {path: [first_missing(place, tops) for place in places] for path, places in forms.items()}
        links = {place: link for places in forms.values() for place in places if (link := _link_in(place, tops)) is not None}
        outer = _outermost({place for places in forms.values() for place in places if place not in links}, tops)
        exposed = [Path(path) for path, places in forms.items() if places]
        open_ends = {place for place, link in links.items() if not any(is_below(link, path) for path in outer)}
        unprotected = [Path(path) for path, places in forms.items() if not open_ends.isdisjoint(places)]
        entries = {**_guards(outer, tops), **dict.fromkeys(outer, "read")}
        return cls(entries=entries, exposed=tuple(exposed), unprotected=tuple(unprotected))


def _seen_from(path: str, roots: set[str]) -> list[str]:
    """Return the path and its resolved form, if they lie below a root."""
    forms = dict.fromkeys((path, os.path.realpath(path)))
    return [form for form in forms if any(is_below(form, root) for root in roots)]


def _outermost(protected: Iterable[str], roots: set[str]) -> list[str]:
    """Return the protected paths without those below another one. A writable root between the two keeps both."""
    outer: list[str] = []
    for path in sorted(protected):
        above = next((other for other in reversed(outer) if is_below(path, other)), None)
        if above is None or any(folder in roots for folder in _between(path, above)):
            outer.append(path)
    return outer


def _guards(protected: Sequence[str], roots: set[str]) -> dict[str, str]:
    """Return entries for the folders that must not be renamed. They change nothing else in these folders."""
    guards: dict[str, str] = {}
    for path in protected:
        for root in roots:
            for folder in _between(path, root) if is_below(path, root) else ():
                if folder not in roots and not any(folder == other or is_below(folder, other) for other in protected):
                    guards |= {folder: "write"} | {os.path.join(folder, part): "write" for part in METADATA}
    return guards


def _between(path: str, top: str) -> list[str]:
    """Return the folders between a path and one of its parents, without both."""
    return [folder for parent in Path(path).parents if is_below(folder := str(parent), top)]


def _link_in(path: str, roots: set[str]) -> str | None:
    """Return the outermost part of a path that is a link in a writable folder."""
    parts = dict.fromkeys(part for root in roots if is_below(path, root) for part in (path, *_between(path, root)))
    return min((part for part in parts if os.path.islink(part)), key=len, default=None)


def _absolute(path: str | Path) -> str:
    return os.path.abspath(os.path.expanduser(path))
