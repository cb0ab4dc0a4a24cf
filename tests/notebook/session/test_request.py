"""The request of a prompt: how it is built from settings and options, and that all tables agree."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from codex_jupyter.notebook.extension import load, unload
from codex_jupyter.notebook.magic.magics import CodexMagics
from codex_jupyter.notebook.magic.option_table import LINE_OPTIONS, OPTIONS
from codex_jupyter.notebook.namespace import notebook_namespace
from codex_jupyter.notebook.session.current import current_session
from codex_jupyter.notebook.session.request import PromptOverrides, PromptSettings, build_request
from codex_jupyter.sdk import TurnBudget
from tests.notebook.shells import new_shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.chdir(tmp_path)
    with new_shell(tmp_path / "ipython") as shell:
        yield shell
        unload(shell)


@pytest.fixture
def magics(shell: InteractiveShell) -> CodexMagics:
    load(shell)
    magics: CodexMagics = shell.magics_manager.registry["CodexMagics"]
    return magics


def build(magics: CodexMagics, text: str = "go", **overrides: Any) -> Any:
    settings: Any = magics
    return build_request(settings, notebook_namespace(magics.shell), text, **overrides)


def test_the_option_table_has_every_override_and_every_setting_of_a_request() -> None:
    assert {option.name for option in LINE_OPTIONS} - {"dry_run"} == PromptOverrides.__optional_keys__
    assert {option.setting_name for option in OPTIONS} - {"dry_run", "transport"} == PromptSettings.__annotations__.keys()


def test_an_option_overrides_its_setting_and_a_missing_option_uses_it(magics: CodexMagics) -> None:
    magics.shell.run_line_magic("config", "CodexMagics.model = 'set'")
    magics.shell.run_line_magic("config", "CodexMagics.quiet = True")
    assert build(magics).thread_options.model == build(magics, model=None).thread_options.model == "set"
    assert build(magics, model="given").thread_options.model == "given"
    assert build(magics, model="").thread_options.model is None
    assert (build(magics).display, build(magics, quiet=False).display) == ("answer", "live")


def test_the_limits_of_every_turn_are_the_budget_of_the_sdk_beside_the_timeout_of_a_cell(magics: CodexMagics) -> None:
    assert (build(magics).turn_options.timeout, build(magics).turn_options.budget) == (None, None)
    magics.shell.run_line_magic("config", "CodexMagics.max_seconds_per_turn = 20")
    assert build(magics, timeout=50.0).turn_options.budget == TurnBudget(seconds=20)
    assert build(magics, timeout=50.0).turn_options.timeout == 50
    magics.shell.run_line_magic("config", "CodexMagics.max_tokens_per_turn = 9")
    assert build(magics).turn_options.budget == TurnBudget(seconds=20, tokens=9)


def test_settings_about_the_purpose_of_a_cell_do_not_apply_to_other_prompts(magics: CodexMagics) -> None:
    for setting in ("new = True", "bg = True", "out = 'answer'", "schema = 'Verdict'", "model = 'set'"):
        magics.shell.run_line_magic("config", f"CodexMagics.{setting}")
    magics.shell.user_ns["Verdict"] = {"type": "object"}
    of_a_cell, of_a_chat = build(magics), magics.session.request("go")
    assert (of_a_cell.new, of_a_cell.background, of_a_cell.output_variable) == (True, True, "answer")
    assert (of_a_chat.new, of_a_chat.background, of_a_chat.output_variable) == (False, False, "")
    assert (of_a_cell.turn_options.output_schema, of_a_chat.turn_options.output_schema) == ({"type": "object"}, None)
    assert of_a_chat.thread_options.model == "set"


def test_the_preview_of_a_request_sends_and_changes_nothing(magics: CodexMagics) -> None:
    magics.shell.user_ns["x"] = 41
    prompt, thread_id = magics.session.preview(build(magics, "What is {x}?", context=["none"], new=True))
    assert (prompt.input, prompt.user_prompt, thread_id) == ("What is 41?", "What is {x}?", None)
    assert magics.session.threads.conversations == {}


def test_the_session_of_a_shell_is_there_without_load_ext_and_after_unload_ext(shell: InteractiveShell) -> None:
    first = current_session(shell)
    assert first is current_session(shell) is shell.magics_manager.registry["CodexMagics"].session
    unload(shell)
    assert "CodexMagics" not in shell.magics_manager.registry
    assert current_session(shell) is not first
