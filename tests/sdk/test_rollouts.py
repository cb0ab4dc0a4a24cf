"""The list of stored threads: as the real CLI writes them, and as a disk may give them back."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from codex_jupyter.sdk import Codex, ConfigError, Usage
from codex_jupyter.sdk.rollouts import MAX_LINE, stored_usage
from codex_jupyter.sdk.thread_list import TITLE_LENGTH, ThreadPage, ThreadQuery, list_threads
from codex_jupyter.testing import shell
from tests.catalogue import DIRECT
from tests.sdk.conftest import Real
from tests.sdk.support.fake import both_backends

pytestmark = pytest.mark.anyio

CREATED = "2026-01-02T03:04:05.678Z"


class Home:
    """A CODEX_HOME whose files a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sessions = folder / "sessions" / "2026" / "01" / "02"
        self.sessions.mkdir(parents=True)

    def write(self, number: int, *lines: Any, **meta: Any) -> Path:
        """Write the file of a thread that was last changed `number` seconds after the epoch."""
        thread_id = str(UUID(int=number))
        first = {"type": "session_meta", "payload": {"id": thread_id, "cwd": "/w", "timestamp": CREATED, "source": "exec", **meta}}
        path = self.sessions / f"rollout-2026-01-02T03-04-05-{thread_id}.jsonl"
        path.write_bytes(b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in (first, *lines)))
        os.utime(path, (number, number))
        return path

    def threads(self, limit: int | None = None, **query: Any) -> ThreadPage:
        return list_threads(self.folder, ThreadQuery(**({"working_directory": Path("/w"), "limit": limit} | query)))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def said(text: str, ordinal: int = 0) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"ordinal": ordinal, "type": "response_item", "payload": {"type": "message", "role": "user", "content": content}}


def turn(number: int, ordinal: int = 0) -> dict[str, Any]:
    return {"ordinal": ordinal, "type": "event_msg", "payload": {"type": "task_started", "turn_id": str(number)}}


@both_backends
async def test_what_the_cli_has_stored_is_listed(real: Real) -> None:
    """With title, times, turns, folder, model and source; the newest first, and only those of the folder."""
    model = real.play([[[shell("echo hi")], "One."], "Two.", "Three."], model=DIRECT)
    codex = real.codex(model)
    elsewhere = real.folder / "elsewhere"
    elsewhere.mkdir()
    before = datetime.now(UTC) - timedelta(seconds=1)
    thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True)
    await thread.run("Say\n  one. " + "And more. " * 20)
    await thread.run("Say two.")
    other = codex.start_thread(working_directory=elsewhere, skip_git_repo_check=True)
    await other.run("Say three.")
    (listed,) = await codex.list_threads(real.workspace)
    assert listed.id == thread.id
    assert listed.title.startswith("Say one. And more. And more.")
    assert len(listed.title) <= TITLE_LENGTH
    assert (listed.turns, listed.model, listed.source) == (2, DIRECT, "exec")
    assert listed.working_directory == real.workspace
    assert before < listed.created < listed.updated < datetime.now(UTC) + timedelta(seconds=1)
    assert [summary.id for summary in await codex.list_threads(everywhere=True)] == [other.id, thread.id]
    assert [summary.id for summary in await codex.list_threads(everywhere=True, limit=1)] == [other.id]


async def test_a_fork_is_listed_with_its_whole_history(real: Real) -> None:
    """Though the CLI leaves that in the other thread's file."""
    codex = real.codex(real.play(["One.", "Two.", "Three."]))
    options: Any = {"working_directory": real.workspace, "skip_git_repo_check": True}
    thread = codex.start_thread(**options)
    await thread.run("Say one.")
    assert thread.id is not None
    fork = await codex.fork_thread(thread.id, **options)
    await thread.run("Say two.")
    await fork.run("Say three.")
    listed = {summary.id: summary for summary in await codex.list_threads(real.workspace)}
    assert {thread_id: (summary.title, summary.turns) for thread_id, summary in listed.items()} == {
        thread.id: ("Say one.", 2),
        fork.id: ("Say one.", 2),
    }


async def test_the_default_folder_is_the_current_one(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also through a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path / "link")
    home.write(1, said("here"), cwd=str(tmp_path / "link"))
    home.write(2, said("there"))
    codex = Codex(env={"CODEX_HOME": str(home.folder)})
    assert [summary.title for summary in await codex.list_threads()] == ["here"]
    with pytest.raises(ConfigError, match="everywhere"):
        await codex.list_threads(tmp_path, everywhere=True)
    with pytest.raises(ConfigError, match="limit"):
        await codex.list_threads(limit=-1)


async def test_a_home_that_is_not_there_has_no_threads(tmp_path: Path) -> None:
    """An environment without CODEX_HOME means the folder in the user's home."""
    assert await Codex(env={"CODEX_HOME": str(tmp_path / "none")}).list_threads() == []
    Home(tmp_path / ".codex").write(1, said("at home"))
    assert [summary.title for summary in await Codex(env={"HOME": str(tmp_path)}).list_threads("/w")] == ["at home"]


def test_the_title_is_what_the_user_asked_first(home: Home) -> None:
    """Not what the CLI says in the user's name; whichever of the two forms comes first."""
    synthetic = said("<environment_context>\n  <cwd>/w</cwd>\n</environment_context>")
    item = {"type": "UserMessage", "content": [{"type": "text", "text": "from the item"}]}
    home.write(1, synthetic, said("# AGENTS.md instructions for /w"), said("the prompt"), said("another"))
    home.write(2, {"type": "event_msg", "payload": {"type": "item_completed", "item": item}})
    home.write(3, {"type": "event_msg", "payload": {"type": "user_message", "message": "an old form"}})
    home.write(4, synthetic)
    assert [summary.title for summary in home.threads()] == ["", "an old form", "from the item", "the prompt"]


def test_threads_of_sub_agents_are_left_out(home: Home) -> None:
    """They belong to the thread that started them."""
    home.write(1, said("sub"), parent_thread_id=str(UUID(int=9)), source={"subagent": "review"})
    assert home.threads() == []


def test_damaged_files_and_lines_are_passed_over(home: Home) -> None:
    """The readable part of a thread is returned all the same."""
    home.write(1, b"\x00\xff{]\n", b"[1]\n", b"\n", {"type": "new_in_0.200", "payload": 1}, turn(1), said("kept"), b'{"type":"event_')
    for number, damaged in enumerate((b"", b"\x00" * 4096, b'{"type":"session_meta","payload":{"id":1}}\n', b"[" * 100_000)):
        (home.sessions / f"rollout-x-{number}.jsonl").write_bytes(damaged)
    (home.sessions / "rollout-folder.jsonl").mkdir()
    home.write(2, said("no time"), timestamp="yesterday", source=None)
    first, second = home.threads()
    assert (first.title, first.source, first.created) == ("no time", "unknown", datetime.fromtimestamp(2, UTC))
    assert (second.title, second.turns, second.model) == ("kept", 1, None)
    assert second.created == datetime.fromisoformat(CREATED)


def counted(**total: Any) -> dict[str, Any]:
    return {"type": "event_msg", "payload": {"type": "token_count", "info": {"total_token_usage": total}}}


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"payload": [], "type": "token_count"}\n',
        b'{"payload": {"type": "token_count", "info": null}}\n',
        b'{"payload": {"type": "token_count", "info": {"total_token_usage": 7}}}\n',
        b'{"payload": {"type": "token_count"',
        b'"token_count"\n',
    ],
)
def test_damaged_counts_of_tokens_are_passed_over(home: Home, damaged: bytes) -> None:
    """The last readable count is used, without the parts that are not numbers."""
    home.write(1, counted(input_tokens=5), counted(input_tokens=7, output_tokens="many", total_tokens=7), damaged)
    assert stored_usage(home.folder, str(UUID(int=1))) == Usage(input_tokens=7)


def test_tokens_are_those_of_the_file_in_which_a_thread_continues(home: Home) -> None:
    """Or those of its start, up to that place. A misleading first line does not cause an endless loop."""
    first = home.write(1, counted(input_tokens=5), counted(input_tokens=9))
    end = first.read_bytes().index(b'{"type": "event_msg"', first.read_bytes().index(b'"input_tokens": 5'))
    base: dict[str, Any] = {"thread_id": str(UUID(int=1)), "end_ordinal_exclusive": 1, "end_byte_offset": end}
    home.write(2, history_base=base).rename(first.with_stem(f"{first.stem}_{UUID(int=2)}"))
    assert stored_usage(home.folder, str(UUID(int=1))) == Usage(input_tokens=5)
    wrongs: list[dict[str, Any]] = [{"thread_id": str(UUID(int=3))}, {"thread_id": "../*"}, {"end_byte_offset": -5}, {"thread_id": 7}]
    for number, wrong in enumerate(wrongs, 3):
        home.write(number, history_base=base | wrong)
        assert stored_usage(home.folder, str(UUID(int=number))) is None
    assert stored_usage(home.folder, "*") is None


def test_a_huge_line_is_not_held(home: Home) -> None:
    """It is passed over, and what follows is read."""
    home.write(
        1, b'{"type":"response_item","payload":{"role":"user","content":"' + b"x" * (2 * MAX_LINE) + b'"}}\n', said("after"), turn(1)
    )
    assert [(summary.title, summary.turns) for summary in home.threads()] == [("after", 1)]


def test_only_as_many_files_as_asked_for_are_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest ones, and the first line of the next one: there is another page."""
    for number in range(1, 6):
        home.write(number, said(str(number)))
    opened: list[str] = []
    original = Path.open

    def spy(path: Path, *arguments: Any) -> Any:
        opened.append(path.stem[-1])
        return original(path, *arguments)

    monkeypatch.setattr(Path, "open", spy)
    assert [summary.title for summary in home.threads(limit=2)] == ["5", "4"]
    assert [opened.count(number) for number in "54321"] == [2, 2, 1, 0, 0]


def test_forks_that_go_round_in_circles_end(home: Home) -> None:
    """And one whose origin is gone has what is left."""
    for number, origin in ((1, 2), (2, 1), (3, 99)):
        home.write(number, said(str(number), 5), forked_from_id=str(UUID(int=origin)), forked_from_ordinal_exclusive=5)
    assert [summary.title for summary in home.threads()] == ["3", "2", "1"]
