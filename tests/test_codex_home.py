"""The home that most tests copy behaves as one that the CLI has created."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk import Codex
from codex_jupyter.testing import ScriptedModel, shell
from tests.codex_home import used_home

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
NEW = ("sessions", "shell_snapshots", "tmp", ".tmp")
"""Folders whose files have other names in each home."""


def contents(home: Path) -> tuple[set[str], dict[str, Any]]:
    """Return the names of the files, and the tables of the databases with their numbers of rows."""
    files = [path.relative_to(home) for path in home.rglob("*") if not path.name.endswith(("-shm", "-wal"))]
    names = {str(file) for file in files if file.parts[0] not in NEW}
    tables = dict[str, Any]()
    for path in home.glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as database:
            for name, statement in database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall():
                (rows,) = database.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608 - a name of the CLI
                tables[f"{path.name} {name}"] = statement, rows
    return names, tables


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_a_copied_home_gives_the_turns_and_files_that_an_empty_one_gives(tmp_path: Path, transport: Any) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "temporary").mkdir()
    (tmp_path / "empty").mkdir()
    seen = []
    for home in (tmp_path / "empty", used_home(tmp_path / "used")):
        assert not list(home.rglob("*.jsonl"))
        with ScriptedModel([[[shell("echo 42")], "Done."], "Again."], codex_home=home) as model:
            env = model.env() | {"TMPDIR": str(tmp_path / "temporary")}
            async with Codex(config=model.config, env=env, transport=transport) as codex:
                assert await codex.list_threads() == []
                thread = codex.start_thread(working_directory=tmp_path / "work", skip_git_repo_check=True)
                turns = [await thread.run("go"), await thread.run("on")]
                listed = [(entry.id == thread.id, entry.title) for entry in await codex.list_threads()]
            bodies = [(list(request.body), [item["type"] for item in request.body["input"]]) for request in model.requests]
        texts = [(turn.final_response, turn.warnings, [item.type for item in turn.items]) for turn in turns]
        seen.append((texts, listed, bodies, contents(home)))
    assert seen[0] == seen[1]
