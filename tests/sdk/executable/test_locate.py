"""Where the executable is found: every place, in order, and what is said when it is not."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk import Codex, CodexNotFoundError, locate_codex
from codex_jupyter.sdk.executable import locate, npm
from codex_jupyter.sdk.executable.locate import search_codex
from tests.invented import BETWEEN, NEWEST, OLDEST, TOO_OLD, UNTESTED

pytestmark = pytest.mark.integration  # the executables are scripts that run

Make = Callable[..., Path]


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder outside of the temporary folder, where executables are not looked for, because the agent may write there."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        path = Path(folder).resolve()
        (path / "work").mkdir()
        yield path


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write an executable that answers `--version`."""

    def write(place: str, version: str = NEWEST, answer: str = "codex-cli {}") -> Path:
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho '{answer.format(version)}'\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No executable of this machine is found."""
    folders = tuple(folder for folder in locate.GLOBAL_FOLDERS if folder.startswith("~"))
    monkeypatch.setattr(locate, "GLOBAL_FOLDERS", (*folders, str(tmp_path / "global")))
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if not (Path(entry) / "codex_cli_bin").exists()])


def env(tmp_path: Path, **values: str) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "bin"), **values}


def vendor(layout: str) -> str:
    system, triple = npm.platform_names()
    return layout.format(package=f"codex-{system}", triple=triple)


NEW = "node_modules/@openai/codex/node_modules/@openai/{package}/vendor/{triple}/bin/codex"
FLAT = "node_modules/@openai/{package}/vendor/{triple}/bin/codex"
OLD = "node_modules/@openai/codex/vendor/{triple}/codex/codex"
FLAT_OLD = "node_modules/@openai/{package}/vendor/{triple}/codex/codex"


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("bin/codex", "PATH"),
        ("up/node_modules/.bin/codex", "node_modules"),
        ("node_modules/.bin/codex", "node_modules"),
        (f"up/{NEW}", "node_modules"),
        (f"up/{FLAT}", "node_modules"),
        (f"up/{OLD}", "node_modules"),
        (f"up/{FLAT_OLD}", "node_modules"),
        (OLD, "node_modules"),
        ("home/.npm-global/bin/codex", "global folder"),
        ("home/.local/bin/codex", "global folder"),
        ("home/node_modules/.bin/codex", "global folder"),
        ("home/.yarn/bin/codex", "global folder"),
        ("home/.codex/local/codex", "global folder"),
        ("global/codex", "global folder"),
    ],
)
def test_every_place_is_looked_at(tmp_path: Path, make: Make, place: str, source: str) -> None:
    """And the version is known."""
    path = make(vendor(place))
    folder = tmp_path / "up" / "work"
    folder.mkdir(parents=True)
    cli = locate_codex(env=env(tmp_path), folder=folder)
    assert (cli.path, cli.source, cli.version) == (path, source, NEWEST)


def test_the_bundled_executable_comes_after_path_and_before_all_others(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is always there, and its helpers are known."""
    monkeypatch.undo()
    for place in ("node_modules/.bin/codex", "home/.local/bin/codex"):
        make(place)
    cli = locate_codex(env=env(tmp_path), folder=tmp_path / "work")
    assert cli.source == "bundled"
    assert cli.path_folder is None or cli.path_folder.is_dir()
    assert cli.version.count(".") == 2


def test_the_places_have_an_order(tmp_path: Path, make: Make) -> None:
    """The nearest place wins. If it is removed, the next one does."""
    places = ["named", "bin/codex", "up/node_modules/.bin/codex", "node_modules/.bin/codex", "home/.local/bin/codex", "global/codex"]
    folder = tmp_path / "up" / "work"
    folder.mkdir(parents=True)
    paths = [make(place) for place in places]
    variables = env(tmp_path, CODEX_PATH=str(paths[0]))
    override: Path | None = make("override")
    for path in [override, *paths]:
        assert locate_codex(override, env=variables, folder=folder).path == path
        override = None
        if path == paths[0]:
            del variables["CODEX_PATH"]
        if path in paths:
            path.unlink()


@pytest.mark.parametrize("package", [False, True])
def test_the_version_of_a_new_executable_is_known_although_size_and_time_are_those_of_the_old_one(
    tmp_path: Path, make: Make, package: bool
) -> None:
    """Some package managers set the times of all files to the same."""
    for version in (OLDEST, BETWEEN):
        path = make("package/bin/codex", version)
        files = [path]
        if package:
            files.append(path.parent.parent / "codex-package.json")
            files[1].write_text(json.dumps({"version": version}))
        for file in files:
            os.utime(file, (1, 1))
        assert locate_codex(path, env=env(tmp_path)).version == version


def test_every_folder_of_the_path_is_looked_at(tmp_path: Path, make: Make) -> None:
    """An old one in front hides none behind it; a note says that it was passed over."""
    old, new = make("old/codex", TOO_OLD), make("new/codex", OLDEST)
    chosen, tried = search_codex(env=env(tmp_path, PATH=f"{tmp_path}/none:{old.parent}:{new.parent}"), folder=tmp_path / "work")
    assert chosen is not None
    assert chosen.path == new
    assert [(place.place, place.result) for place in tried] == [
        (str(old), f"version {TOO_OLD} is too old: at least {OLDEST} is needed"),
        (str(new), "found"),
    ]


@pytest.mark.parametrize("how", ["override", "variable"])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("old", f"version {TOO_OLD} is too old: at least {OLDEST} is needed"),
        ("missing", "not there"),
        ("folder", "not there"),
        ("plain", "not executable"),
        ("other", "does not answer `--version` as codex does"),
        ("broken", "does not answer `--version` as codex does"),
    ],
)
def test_one_that_is_named_is_used_or_refused(tmp_path: Path, make: Make, how: str, kind: str, reason: str) -> None:
    """With the reason and the remedy; no other one is used in its place, and nothing about it is changed."""
    make("bin/codex")
    path = make("named", TOO_OLD if kind == "old" else NEWEST, "Python {}" if kind == "other" else "codex-cli {}")
    if kind in ("missing", "folder"):
        path.unlink()
    if kind == "folder":
        path.mkdir()
    if kind == "plain":
        path.chmod(0o644)
    if kind == "broken":
        path.write_bytes(b"\x7fELF\0\0")
    variables = env(tmp_path, CODEX_PATH=str(path)) if how == "variable" else env(tmp_path)
    if kind == "plain" and os.geteuid() == 0:
        assert not os.access(path, os.X_OK)
    with pytest.raises(CodexNotFoundError, match=reason) as caught:
        locate_codex(path if how == "override" else None, env=variables, folder=tmp_path / "work")
    assert "CODEX_PATH" in str(caught.value)
    assert "pip install" in str(caught.value)
    if kind == "plain":
        assert not path.stat().st_mode & 0o111


def test_every_place_is_listed_when_nothing_is_found(tmp_path: Path) -> None:
    """With what was wrong there, and how to get one."""
    (tmp_path / "node_modules").mkdir()
    with pytest.raises(CodexNotFoundError) as caught:
        locate_codex(env=env(tmp_path), folder=tmp_path / "work")
    text = str(caught.value)
    places = ["PATH", "node_modules", ".npm-global", ".local/bin", ".yarn/bin", ".codex/local", str(tmp_path / "global"), "bundled"]
    assert all(place in text for place in places)
    assert "npm install -g @openai/codex" in text
    assert "codex_path_override" in text


def shim(make: Make, tmp_path: Path, launcher: str, native: str) -> tuple[Path, Path]:
    """One of npm's launchers, which would need node, and what it launches."""
    script = make(launcher, answer="node is not installed")
    return script, make(vendor(native))


def test_a_link_to_the_launcher_is_followed_to_the_executable(tmp_path: Path, make: Make) -> None:
    """As npm makes it for a local and a global install."""
    script, native = shim(make, tmp_path, "lib/node_modules/@openai/codex/bin/codex.js", f"lib/{NEW}")
    link = tmp_path / "bin" / "codex"
    link.parent.mkdir()
    link.symlink_to(script)
    assert locate_codex(env=env(tmp_path), folder=tmp_path / "work").path == native
    assert locate_codex(script, env=env(tmp_path)).path == native


@pytest.mark.parametrize(
    ("launcher", "native"), [("npm/codex.cmd", f"npm/{NEW}"), ("w/node_modules/.bin/codex.cmd", f"w/{FLAT}")], ids=["global", "local"]
)
def test_a_windows_launcher_is_followed_to_the_executable(tmp_path: Path, make: Make, launcher: str, native: str) -> None:
    """Beside `node_modules`, or inside."""
    script, path = shim(make, tmp_path, launcher, native)
    assert locate_codex(script, env=env(tmp_path)).path == path


def test_a_launcher_without_an_executable_is_asked_itself(tmp_path: Path, make: Make) -> None:
    """Another package manager may have put it elsewhere."""
    script = make("lib/node_modules/@openai/codex/bin/codex.js")
    assert locate_codex(script, env=env(tmp_path)).path == script


@pytest.mark.parametrize(("layout", "helpers"), [("pkg/bin/codex", "codex-path"), ("pkg/codex/codex", "path")])
def test_29_30_a_package_has_its_helpers_beside_it(tmp_path: Path, make: Make, layout: str, helpers: str) -> None:
    """In the new layout and the old."""
    path = make(layout)
    assert locate_codex(path).path_folder is None
    (tmp_path / "pkg" / helpers).mkdir()
    assert locate_codex(path).path_folder == tmp_path / "pkg" / helpers


def test_a_packages_version_is_read_not_asked(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """This saves a process. A file without a version does not end the search."""
    path = make("pkg/bin/codex", BETWEEN)
    note = tmp_path / "pkg" / "codex-package.json"
    for content in ("", "[]", '{"version": 5}', '{"version": "new"}'):
        note.write_text(content)
        assert locate_codex(path).version == BETWEEN
    note.write_text(json.dumps({"version": UNTESTED}))

    def never(*_args: Any, **_options: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(subprocess, "run", never)
    assert locate_codex(path).version == UNTESTED


def test_a_version_is_asked_once_per_state_of_the_file(make: Make, tmp_path: Path) -> None:
    """An update is seen."""
    path = make("codex", OLDEST)
    count = tmp_path / "count"
    path.write_text(f"#!/bin/sh\necho x >> '{count}'\necho codex-cli {OLDEST}\n")
    assert {locate_codex(path).version for _ in range(3)} == {OLDEST}
    assert count.read_text() == "x\n"
    make("codex", BETWEEN)
    assert locate_codex(path).version == BETWEEN


def test_an_executable_that_does_not_answer_is_passed_over(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bounded time."""
    monkeypatch.setattr(locate, "VERSION_TIMEOUT", 0.2)
    make("bin/codex").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    good = make("global/codex")
    assert locate_codex(env=env(tmp_path), folder=tmp_path / "work").path == good


@pytest.mark.parametrize("text", ["codex-cli {}-alpha.3", "codex {}", "codex-cli-exec {}\nmore"])
def test_versions_come_in_several_forms(make: Make, text: str) -> None:
    """The numbers count."""
    assert locate_codex(make("codex", BETWEEN, answer=text)).version == BETWEEN


@pytest.mark.anyio
async def test_making_a_client_looks_for_nothing(tmp_path: Path) -> None:
    """Only a turn, or a question about the executable, does."""
    codex = Codex(codex_path_override=tmp_path / "nowhere")
    codex.start_thread()
    with pytest.raises(CodexNotFoundError, match="nowhere"):
        await codex.locate()
