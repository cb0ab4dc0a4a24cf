"""Find the codex executable.

The order: the path given, `CODEX_PATH`, the `PATH`, `node_modules` of the current folder and its ancestors, the usual global folders, and
last the executable that came with this package (`openai-codex-cli-bin`). npm's launchers (`codex.js`, `codex.cmd`) are followed to the
native executable, so that no node process stands between us and it. An executable older than `MINIMUM_VERSION` is passed over.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from codex_jupyter.sdk.errors import CodexNotFoundError

MINIMUM_VERSION: Final = (0, 163, 0)
"""Oldest supported CLI. Older ones differ on the wire, and cannot go on with threads that a newer one made."""
TESTED_VERSIONS: Final = ("0.163.0", "0.171.0")
"""First and last CLI that the tests ran with."""
VERSION_TIMEOUT: Final = 10.0
"""Seconds for `codex --version`, which answers in about 0.1 s; anything slower is no codex."""

_EXE: Final = "codex.exe" if sys.platform == "win32" else "codex"
_GLOBAL_FOLDERS: Final = (
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
class CodexCli:
    """A codex executable that can be used."""

    path: Path
    """Absolute path of the native executable, or of a launcher whose target is not known."""
    version: str
    """Such as `0.163.0`."""
    source: str
    """Where it was found, such as `PATH`."""
    path_folder: Path | None = None
    """A folder of helper programs that belongs on the CLI's PATH, if the package has one."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A place that was looked at."""

    source: str
    place: str
    result: str
    """`found`, or why not."""

    def __str__(self) -> str:
        return f"{self.source}: {self.place}: {self.result}"


def locate_codex(override: Path | None = None, *, env: Mapping[str, str] = os.environ, folder: Path | None = None) -> CodexCli:
    """Find the codex executable to use.

    Args:
        override: The executable; nothing else is then looked at.
        env: Where CODEX_PATH, PATH and the home folder are read from.
        folder: Where the search for `node_modules` begins. None is the current folder.

    Returns:
        The first usable one.

    Raises:
        CodexNotFoundError: If there is none; the message lists every place, what was wrong with it, and the remedy.
    """
    found, tried = search_codex(override, env=env, folder=folder)
    if found is None:
        places = "\n".join(f"  - {place}" for place in tried)
        raise CodexNotFoundError(f"No usable codex executable was found. Looked at:\n{places}\n{_REMEDY}")
    return found


def search_codex(
    override: Path | None = None, *, env: Mapping[str, str] = os.environ, folder: Path | None = None
) -> tuple[CodexCli | None, list[Tried]]:
    """Look through the places of `locate_codex` and tell what was seen there, without raising.

    Returns:
        The executable to use or None, and the places up to it, in order.
    """
    tried: list[Tried] = []
    for source, place in _places(override, env, folder or Path.cwd()):
        cli, result = _examine(source, place, env)
        tried.append(Tried(source, str(place), result))
        if cli is not None:
            return cli, tried
    return None, tried


def _places(override: Path | None, env: Mapping[str, str], folder: Path) -> Iterator[tuple[str, Path]]:
    """Where to look, in order. An executable that is named stands alone: another one would be a surprise."""
    if override is not None:
        yield "codex_path_override", Path(os.path.abspath(override.expanduser()))
        return
    if named := env.get("CODEX_PATH"):
        yield "CODEX_PATH", Path(os.path.abspath(Path(named).expanduser()))
        return
    folders = dict.fromkeys(filter(None, env.get("PATH", "").split(os.pathsep)))
    on_path = [Path(found) for path in folders if (found := shutil.which("codex", path=path))]
    for executable in on_path or [Path(_EXE)]:
        yield "PATH", executable
    for ancestor in (folder, *folder.parents):
        modules = ancestor / "node_modules"
        if modules.is_dir():
            yield "node_modules", modules / ".bin" / ("codex.cmd" if sys.platform == "win32" else "codex")
            for package in _npm_packages(modules / "@openai" / "codex"):
                yield "node_modules", package
    home = env.get("HOME") or env.get("USERPROFILE") or str(Path.home())
    for name in _GLOBAL_FOLDERS:
        yield "global folder", Path(name.replace("~", home, 1)) / _EXE
    try:
        import codex_cli_bin

        yield "bundled", codex_cli_bin.bundled_codex_path()
    except (ImportError, FileNotFoundError):
        yield "bundled", Path("codex_cli_bin") / "bin" / _EXE


def _examine(source: str, place: Path, env: Mapping[str, str]) -> tuple[CodexCli | None, str]:
    if not place.is_file():
        return None, "not there"
    path = _native(place)
    if not os.access(path, os.X_OK):
        return None, "not executable"
    package = path.parent.parent
    version = _package_version(package) if path.parent.name == "bin" else None
    if version is None:
        stat = path.stat()
        version = _asked_version(str(path), stat.st_mtime_ns, stat.st_size, env.get("PATH", ""))
    if version is None:
        return None, "does not answer `--version` as codex does"
    if tuple(int(part) for part in version.split(".")[:3]) < MINIMUM_VERSION:
        return None, f"version {version} is too old: at least {'.'.join(map(str, MINIMUM_VERSION))} is needed"
    helpers = package / ("codex-path" if path.parent.name == "bin" else "path")
    return CodexCli(path, version, source, helpers if helpers.is_dir() else None), "found"


def _native(place: Path) -> Path:
    """The native executable behind one of npm's launchers; the place itself if there is none."""
    real = place.resolve()
    if real.name == "codex.js":
        package = real.parent.parent
    elif place.suffix.lower() == ".cmd":
        # npm writes the launcher beside `node_modules` for a global install, and into `node_modules/.bin` for a local one.
        modules = place.parent.parent if place.parent.name == ".bin" else place.parent / "node_modules"
        package = modules / "@openai" / "codex"
    else:
        return place
    return next((path for path in _npm_packages(package) if path.is_file()), place)


def _npm_packages(package: Path) -> Iterator[Path]:
    """Where npm may have put the native executable of the package `@openai/codex`, in the new layout and the old."""
    system, triple = _platform()
    name = f"codex-{system}"
    for holder in (package / "node_modules" / "@openai" / name, package.parent / name, package):
        vendor = holder / "vendor" / triple
        yield vendor / "bin" / _EXE
        yield vendor / "codex" / _EXE


def _platform() -> tuple[str, str]:
    """Npm's name for this platform, and the compiler's."""
    arm = platform.machine().lower() in ("arm64", "aarch64")
    machine, cpu = ("arm64", "aarch64") if arm else ("x64", "x86_64")
    system, suffix = {"darwin": ("darwin", "apple-darwin"), "win32": ("win32", "pc-windows-msvc")}.get(
        sys.platform, ("linux", "unknown-linux-musl")
    )
    return f"{system}-{machine}", f"{cpu}-{suffix}"


def _package_version(package: Path) -> str | None:
    try:
        version = json.loads((package / "codex-package.json").read_text())["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return version if isinstance(version, str) and re.match(r"\d+\.\d+\.\d+", version) else None


@lru_cache(maxsize=64)
def _asked_version(path: str, _mtime: int, _size: int, search_path: str) -> str | None:
    """What `--version` says; asked once per state of the file. The PATH is for launchers that need node."""
    try:
        answer = subprocess.run(  # noqa: S603 - the executable that the user chose
            [path, "--version"],
            capture_output=True,
            timeout=VERSION_TIMEOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PATH": search_path},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(rb"codex\S* (\d+\.\d+\.\d+)", answer.stdout)
    return match[1].decode() if match else None
