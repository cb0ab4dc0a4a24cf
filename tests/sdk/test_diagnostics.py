"""The report about this machine: right with the real CLI, and never an exception."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk import Codex, CodexCli, DoctorReport, locate_codex
from codex_jupyter.sdk.executable.login_status import LOGIN_REMEDY
from codex_jupyter.sdk.executable.sandbox_check import sandbox_problem
from tests.invented import NEWEST, OLDEST, UNTESTED
from tests.sdk.conftest import Real
from tests.sdk.support.fake import MakeFake

pytestmark = pytest.mark.anyio
KEY = "sk-proj-secret-0123456789"


async def test_the_real_cli_is_described(real: Real) -> None:
    """The CLI exists and is tested, its sandbox was tried, its home exists, and there is no login: the scripted model needs none."""
    model = real.play([])
    report = await real.codex(model).doctor()
    assert report.cli == locate_codex()
    assert report.places[-1].result == "found"
    assert report.tested
    assert (report.login, report.api_key) == (None, False)
    assert report.codex_home == real.folder / "home"
    assert (report.home_exists, report.home_writable) == (True, True)
    assert not report.login_needed
    assert [problem for problem in report.problems if "sandbox" not in problem] == []
    assert f"codex {report.cli.version} at {report.cli.path} (in the tested range" in str(report)


async def test_a_missing_login_is_a_problem_if_the_provider_can_need_it(fake: MakeFake) -> None:
    report = await fake("sys.stderr.write('Not logged in\\n'); sys.exit(1)").codex(env={"PATH": os.environ["PATH"]}).doctor()
    assert report.login_needed
    assert f"No one is logged in, unless your provider needs no login. {LOGIN_REMEDY}" in report.problems
    assert "\n! No one is logged in" in str(report)


async def test_a_login_is_reported_without_its_key(fake: MakeFake) -> None:
    """The CLI shows the ends of a key; they are not repeated, and a given one is only said to be there."""
    body = f"print('Logged in using an API key - {KEY[:8]}***{KEY[-5:]}')"
    report = await fake(body, api_key=KEY, config={"x": {"token": KEY}}).codex().doctor()
    assert report.login == "Logged in using an API key - ***"
    assert report.api_key
    for text in (str(report), repr(report)):
        assert KEY[:8] not in text
        assert KEY[-5:] not in text
    assert "login: an API key is given" in str(report)


async def test_a_sandbox_that_does_not_work_is_a_problem(fake: MakeFake, tmp_path: Path) -> None:
    """In its own words, with the remedy; a home that is missing is one, too."""
    cli = fake("sys.stderr.write('no namespaces\\n'); sys.exit(1)")
    report = await cli.codex(env={"CODEX_HOME": str(tmp_path / "none"), "PATH": os.environ["PATH"]}).doctor()
    assert report.sandbox_problem == "no namespaces"
    assert not report.home_exists
    assert [problem.split()[0] for problem in report.problems] == ["Commands", "No", "CODEX_HOME"]
    assert "(no namespaces)" in str(report)


async def test_a_default_home_that_is_missing_is_not_a_problem(fake: MakeFake, tmp_path: Path) -> None:
    """The CLI creates it. A first user need not do anything."""
    report = await fake("").codex(env={"HOME": str(tmp_path / "new"), "PATH": os.environ["PATH"]}).doctor()
    assert not report.home_exists
    assert not [problem for problem in report.problems if "CODEX_HOME" in problem]
    assert f"CODEX_HOME: {tmp_path / 'new' / '.codex'} (Codex creates it)" in str(report)


async def test_a_missing_executable_is_a_problem_and_no_error(tmp_path: Path) -> None:
    """The places that were searched are listed."""
    report = await Codex(codex_path_override=tmp_path / "none").doctor()
    assert report.cli is None
    assert not report.tested
    assert [place.result for place in report.places] == ["not there"]
    assert "looked at codex_path_override" in str(report)
    assert f"! There is no codex of version {OLDEST} or newer" in str(report)


@pytest.mark.parametrize("body", ["os.abort()", "sys.stdout.buffer.write(b'\\xff'); sys.exit(0)", ""])
async def test_a_strange_executable_raises_nothing(fake: MakeFake, body: str) -> None:
    """With any answer."""
    assert isinstance(await fake(body).codex().doctor(), DoctorReport)


async def test_a_search_that_fails_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one from a folder that was removed."""

    def gone(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError("the current folder is gone")

    monkeypatch.setattr("codex_jupyter.sdk.diagnostics.search_codex", gone)
    report = await Codex().doctor()
    assert report.cli is None
    assert "the current folder is gone" in str(report)


async def test_a_version_beyond_the_tests_is_reported(fake: MakeFake) -> None:
    """It is used all the same."""
    cli = fake("")
    (cli.folder / "codex-package.json").write_text(json.dumps({"version": UNTESTED}))
    report = await cli.codex().doctor()
    assert report.cli is not None
    assert not report.tested
    assert f"not in the tested range {OLDEST} to {NEWEST}" in str(report)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such check")
@pytest.mark.integration
def test_the_sandbox_is_tried_outside_of_the_current_folder_and_an_error_is_named_without_its_backtrace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The current folder may be deleted, which says nothing about the machine."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    program = tmp_path / "codex"
    program.write_text("#!/bin/sh\npwd >&2\nprintf 'Error: no namespaces\\n\\nStack backtrace:\\n   0: <unknown>\\n' >&2\nexit 1\n")
    program.chmod(0o755)
    cli = CodexCli(path=program, source="PATH", version="1.0.0")
    assert sandbox_problem(cli, os.environ) == "Error: no namespaces"
    program.write_text('#!/bin/sh\ntest "$(pwd)" = / && exit 0\nexit 1\n')
    assert sandbox_problem(cli, os.environ) is None
