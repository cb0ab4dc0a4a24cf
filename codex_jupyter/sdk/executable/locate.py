"""Find the codex executable.

The order: the given path, `CODEX_PATH`, the absolute entries of `PATH`, the executable that is installed with this package
(`openai-codex-cli-bin`), `node_modules` of the working folder and its ancestors, and last the usual global folders. npm's launchers
(`codex.js`, `codex.cmd`) are resolved to the native executable, so that no node process runs in between. An executable older than
`version.MINIMUM` is skipped.

An executable that the user names is used as it is. An executable that was found must not be replaceable by the agent. Outside of `PATH` it
must not be replaceable by other users either. See `trust`. This is checked before anything is run, also before `--version`.
"""

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final, NamedTuple

from codex_jupyter._trusted_imports import trusted_path
from codex_jupyter.sdk.errors import CodexNotFoundError
from codex_jupyter.sdk.executable.npm import EXE, native_executable, npm_executables
from codex_jupyter.sdk.executable.slow_steps import slow_step
from codex_jupyter.sdk.executable.trust import FolderId, agent_folders, agent_problem, owner_problem
from codex_jupyter.sdk.executable.version import MINIMUM, is_supported, is_tested, tested_range
from codex_jupyter.sdk.file_state import file_state

VERSION_TIMEOUT: Final = 10.0
"""Seconds for `codex --version`, which answers in about 0.1 s. A slower program is not codex."""

_LAUNCHER: Final = "codex.cmd" if sys.platform == "win32" else "codex"
GLOBAL_FOLDERS: Final = (
    "~/.npm-global/bin",
    "~/.local/bin",
    "~/node_modules/.bin",
    "~/.yarn/bin",
    "~/.codex/local",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/Applications/Codex.app/Contents/Resources",
    "~/AppData/Roaming/npm",
)
_REMEDY: Final = (
    "Install one with `pip install openai-codex-cli-bin` or `npm install -g @openai/codex`, "
    "or name yours with codex_path_override or the environment variable CODEX_PATH."
)


@dataclass(frozen=True, slots=True)
class Tried:
    """A place that was looked at."""

    source: str
    place: str
    result: str
    """`found`, or the reason why it is not used."""
    skipped: bool = False
    """True if there is an executable that was not run, because others than the user may have written it."""

    def __str__(self) -> str:
        return f"{self.source}: {self.place}: {self.result}"


@dataclass(frozen=True, slots=True)
class CodexCli:
    """A codex executable that can be used."""

    path: Path
    """Absolute path of the native executable, or of a launcher with an unknown target."""
    version: str
    """Such as `0.163.0`."""
    source: str
    """Where it was found, such as `PATH`."""
    path_folder: Path | None = None
    """A folder of helper programs that belongs on the CLI's PATH, if the package has one."""
    skipped: tuple[Tried, ...] = ()
    """Executables on the PATH before this one that were skipped for safety."""

    @property
    def tested(self) -> bool:
        """True if the version is in the range that was tested. Other versions most likely work, too."""
        return is_tested(self.version)

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks about this choice for the user, one line each."""
        lines = [f"{place}. Set CODEX_PATH to use it." for place in self.skipped]
        if not self.tested:
            lines.append(f"codex {self.version} ({self.source}: {self.path}) is outside the tested range {tested_range()}.")
        return tuple(lines)


def locate_codex(
    override: Path | None = None,
    *,
    env: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    additional: Iterable[Path] = (),
) -> CodexCli:
    """Find the codex executable to use. Runs only executables that may be used, to ask for their version.

    Args:
        override: The executable. If given, no other place is searched.
        env: The environment with CODEX_PATH, PATH, TMPDIR and the home folder.
        folder: The working folder of the agent, where the search for `node_modules` starts. None is the current folder.
        additional: More folders that the agent may write to.

    Returns:
        The first usable executable.

    Raises:
        CodexNotFoundError: If there is none. The message lists every place, the reason why it was not used, and the remedy.
    """
    tried: list[Tried] = []
    for cli, place in _search(override, env, _Agent(env, folder, additional)):
        if cli is not None:
            skipped = tuple(place for place in tried if place.skipped and place.source == "PATH")
            return replace(cli, skipped=skipped) if skipped else cli
        tried.append(place)
    places = "\n".join(f"  - {place}" for place in tried)
    raise CodexNotFoundError(f"No usable codex executable was found. Looked at:\n{places}\n{_REMEDY}")


def search_codex(
    override: Path | None = None,
    *,
    env: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    additional: Iterable[Path] = (),
) -> tuple[CodexCli | None, list[Tried]]:
    """Look through the places of `locate_codex` and report each, without raising.

    Returns:
        The executable to use or None, and the places in order. Of those after the one in use, only executables that exist are listed.
    """
    chosen: CodexCli | None = None
    tried: list[Tried] = []
    agent = _Agent(env, folder, additional)
    for cli, place in _search(override, env, agent):
        tried.append(place)
        if cli is not None:
            chosen = cli
            break
    if chosen is not None:
        seen = {place.place for place in tried}
        later = [place for place in _places(override, env, agent) if str(place.path) not in seen and place.path.is_file()]
        tried += [Tried(place.source, str(place.path), "not used, because another one comes first") for place in later]
    return chosen, tried


class _Place(NamedTuple):
    """A place to search, and the checks of an executable there."""

    source: str
    path: Path
    by_agent: bool = False
    """Skip it if the agent could have written it."""
    by_others: bool = False
    """Skip it if another user could have written it."""


class _Agent:
    """Where the agent of a turn works and may write. Looked up at the first use, which most turns do not need.

    Args:
        env: The environment with TMPDIR and the home folder.
        folder: The working folder. None is the current folder.
        additional: More folders that the agent may write to.
    """

    def __init__(self, env: Mapping[str, str], folder: Path | None, additional: Iterable[Path]) -> None:
        self._env, self._folder, self._additional = env, folder, additional

    @cached_property
    def working(self) -> Path | None:
        """The working folder. None if it is the current folder, and that was removed."""
        try:
            return Path.cwd() if self._folder is None else Path(os.path.abspath(self._folder))
        except OSError:
            return None

    @cached_property
    def writable(self) -> Mapping[FolderId, Path]:
        """The folders that the agent may write to."""
        return agent_folders([*([self.working] if self.working else []), *self._additional], self._env)


def _search(override: Path | None, env: Mapping[str, str], agent: _Agent) -> Iterator[tuple[CodexCli | None, Tried]]:
    """Search one place after the other."""
    for place in _places(override, env, agent):
        cli, result, skipped = _examine(place, env, agent)
        yield cli, Tried(place.source, str(place.path), result, skipped=skipped)


def _places(override: Path | None, env: Mapping[str, str], agent: _Agent) -> Iterator[_Place]:
    """Yield the places to search, in order. If the user names an executable, no other one is used."""
    named = override or env.get("CODEX_PATH")
    if named:
        source = "CODEX_PATH" if override is None else "codex_path_override"
        yield _Place(source, _normal(named) if os.path.isabs(named) else Path(os.path.abspath(Path(named).expanduser())))
        return
    on_path = list(_on_path(env))
    yield from on_path or [_Place("PATH", Path(EXE))]
    yield _Place("bundled", _bundled())
    for ancestor in () if agent.working is None else (agent.working, *agent.working.parents):
        modules = ancestor / "node_modules"
        if modules.is_dir():
            for path in (modules / ".bin" / _LAUNCHER, *npm_executables(modules / "@openai" / "codex")):
                yield _Place("node_modules", path, by_agent=True, by_others=True)
    home = env.get("HOME") or env.get("USERPROFILE") or str(Path.home())
    for name in GLOBAL_FOLDERS:
        path = Path(name.replace("~", home, 1)) / EXE
        if path.is_absolute():
            yield _Place("global folder", path, by_agent=True, by_others=True)


@lru_cache(maxsize=64)
def _normal(path: Path | str) -> Path:
    """Return an absolute path without `..`. Always the same object, because each turn asks for it."""
    return Path(os.path.abspath(path))


def _on_path(env: Mapping[str, str]) -> Iterator[_Place]:
    """Yield the executables on the PATH."""
    for entry in dict.fromkeys(env.get("PATH", "").split(os.pathsep)):
        for name in dict.fromkeys((EXE, _LAUNCHER)):
            if os.path.isfile(path := os.path.join(entry, name)):
                yield _Place("PATH", Path(path), by_agent=True)
                break


def _bundled() -> Path:
    """Return the path of the executable of `openai-codex-cli-bin`, which may not exist.

    The module is not imported. It is not searched in folders of the agent, which may have written a module of this name.
    """
    spec = PathFinder.find_spec("codex_cli_bin", trusted_path())
    package = Path("codex_cli_bin") if spec is None or spec.origin is None else Path(spec.origin).parent
    return package / "bin" / EXE


def _examine(place: _Place, env: Mapping[str, str], agent: _Agent) -> tuple[CodexCli | None, str, bool]:
    """Return the executable or None, the result for display, and True if it was skipped for safety."""
    if not os.path.isfile(place.path):
        return None, "not there", False
    path = native_executable(place.path)
    metadata, folder = _package_of(path)
    helpers = folder if os.path.isdir(folder) else None
    problem = _problem(place, path, helpers, agent)
    if problem is not None:
        return None, f"skipped, because {problem}", True
    if not os.access(path, os.X_OK):
        return None, "not executable", False
    version = None if metadata is None else _package_version(metadata)
    if version is None:
        status = path.stat()
        version = _asked_version(str(path), file_state(status), env.get("PATH", ""), frozenset(agent.writable))
    if version is None:
        return None, "does not answer `--version` as codex does", False
    if not is_supported(version):
        return None, f"version {version} is too old: at least {MINIMUM} is needed", False
    return CodexCli(path, version, place.source, helpers), "found", False


@lru_cache(maxsize=64)
def _package_of(path: Path) -> tuple[str | None, Path]:
    """Return where the package of an executable has its metadata, if it can have any, and its folder of helper programs."""
    package = path.parent.parent
    return (str(package / "codex-package.json"), package / "codex-path") if path.parent.name == "bin" else (None, package / "path")


def _problem(place: _Place, path: Path, helpers: Path | None, agent: _Agent) -> str | None:
    """Explain who else could have written an executable that was found; None if it may be run."""
    if not place.by_agent and not place.by_others:
        return None
    if place.by_agent and not place.path.is_absolute():
        return "its entry in PATH is relative, so that it depends on the current folder"
    try:
        for file in (place.path, path, *(helpers.iterdir() if helpers else ())):
            problem = agent_problem(file, agent.writable) if place.by_agent else None
            if problem is None and place.by_others:
                problem = owner_problem(file)
            if problem is not None:
                return problem
    except OSError as error:
        return f"its folders cannot be examined: {error}"
    return None


def _safe_path(search_path: str, writable: Iterable[FolderId]) -> str:
    """Return PATH without entries that the agent may write to. A launcher may start `node` from PATH when it runs `--version`."""
    safe, folders = [], dict.fromkeys(writable, Path())
    for entry in filter(os.path.isabs, search_path.split(os.pathsep)):
        with suppress(OSError):
            if agent_problem(Path(entry), folders) is None:
                safe.append(entry)
    return os.pathsep.join(safe)


def _package_version(metadata: str) -> str | None:
    try:
        status = os.stat(metadata)
        return _stated_version(metadata, file_state(status))
    except (OSError, ValueError, KeyError, TypeError) as error:
        _raise_if_out_of_files(error)
        return None


@lru_cache(maxsize=64)
def _stated_version(metadata: str, _file: tuple[int, ...]) -> str | None:
    """Read the version of a package once per state of the file."""
    version = json.loads(Path(metadata).read_text())["version"]
    return version if isinstance(version, str) and re.match(r"\d+\.\d+\.\d+", version) else None


def _raise_if_out_of_files(error: Exception) -> None:
    """Raise an error that is about this process, and not about the executable."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        raise error


@lru_cache(maxsize=64)
def _asked_version(path: str, _file: tuple[int, ...], search_path: str, writable: frozenset[FolderId]) -> str | None:
    """Run `--version` once per state of the file. The PATH is for launchers that need node; folders of the agent are left out of it."""
    slow_step()
    try:
        answer = subprocess.run(  # noqa: S603 - the executable that the user chose
            [path, "--version"],
            capture_output=True,
            timeout=VERSION_TIMEOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PATH": _safe_path(search_path, writable)},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _raise_if_out_of_files(error)
        return None
    match = re.search(rb"codex\S* (\d+\.\d+\.\d+)", answer.stdout)
    return match[1].decode() if match else None
