"""Find the native executable that npm has installed, directly or through one of its launchers."""

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

EXE: Final = "codex.exe" if sys.platform == "win32" else "codex"
"""The file name of the native executable."""


def native_executable(place: Path) -> Path:
    """Return the native executable that one of npm's launchers starts, or the place itself."""
    suffix = place.suffix.lower()
    if suffix not in (".js", ".cmd") and not os.path.islink(place):
        return place  # most places: without a look at each folder above
    real = place.resolve()
    if real.name == "codex.js":
        package = real.parent.parent
    elif suffix == ".cmd":
        # npm writes the launcher beside `node_modules` for a global install, and into `node_modules/.bin` for a local one.
        modules = place.parent.parent if place.parent.name == ".bin" else place.parent / "node_modules"
        package = modules / "@openai" / "codex"
    else:
        return place
    return next((path for path in npm_executables(package) if path.is_file()), place)


def npm_executables(package: Path) -> Iterator[Path]:
    """Yield the paths where npm puts the native executable of `@openai/codex`, in the new layout and in the old one."""
    system, triple = platform_names()
    name = f"codex-{system}"
    for holder in (package / "node_modules" / "@openai" / name, package.parent / name, package):
        vendor = holder / "vendor" / triple
        yield vendor / "bin" / EXE
        yield vendor / "codex" / EXE


def platform_names() -> tuple[str, str]:
    """Return npm's name of this platform, and the compiler's."""
    arm = platform.machine().lower() in ("arm64", "aarch64")
    machine, cpu = ("arm64", "aarch64") if arm else ("x64", "x86_64")
    systems = {"darwin": ("darwin", "apple-darwin"), "win32": ("win32", "pc-windows-msvc")}
    system, suffix = systems.get(sys.platform, ("linux", "unknown-linux-musl"))
    return f"{system}-{machine}", f"{cpu}-{suffix}"
