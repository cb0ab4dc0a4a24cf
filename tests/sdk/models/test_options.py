"""Options: a typo or a bad value is reported at once, with the likely intention."""

from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk import Codex, CodexOptions, ConfigError, ThreadOptions, TurnOptions, UnsupportedOperationError
from codex_jupyter.sdk.models.options import CodexOptionsDict, ThreadOptionsDict, TurnOptionsDict
from codex_jupyter.sdk.transports.scripted import ScriptedTransport
from tests.invented import NEWEST
from tests.sdk.support.fake import HAPPY, MakeFake

MODELS = [(CodexOptions, CodexOptionsDict), (ThreadOptions, ThreadOptionsDict), (TurnOptions, TurnOptionsDict)]


@pytest.mark.parametrize(("model", "keywords"), MODELS)
def test_keyword_arguments_are_the_fields(model: Any, keywords: Any) -> None:
    """For type checkers as for the run."""
    assert list(keywords.__annotations__) == list(model.model_fields)
    assert keywords.__total__ is False


@pytest.mark.parametrize("model", [model for model, _ in MODELS])
def test_a_typo_is_reported_with_the_options(model: Any) -> None:
    """All of them are named."""
    with pytest.raises(ConfigError, match="typo is not an option") as caught:
        model(typo=1)
    assert all(name in str(caught.value) for name in model.model_fields)


@pytest.mark.parametrize(
    ("model", "name", "hint"),
    [
        (ThreadOptions, "sandbox", "sandbox is not an option of ThreadOptions. Did you mean sandbox_mode? The options are "),
        (ThreadOptions, "network_timeout", "network_timeout is not an option of ThreadOptions. Pass it to the turn, such as to run()."),
        (CodexOptions, "sandbox_mode", "sandbox_mode is not an option of CodexOptions. Pass it to the thread, "),
        (TurnOptions, "env", "env is not an option of TurnOptions. Pass it to Codex()."),
        (TurnOptions, "xyz", "xyz is not an option of TurnOptions. The options are "),
    ],
)
def test_an_unknown_option_says_where_it_belongs_or_names_a_similar_one(model: Any, name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        model(**{name: 1})
    assert str(caught.value).startswith(hint)


def test_a_typo_is_reported_wherever_options_are_given() -> None:
    """Client, thread and turn."""
    codex: Any = Codex(transport=ScriptedTransport([]))
    client: Any = Codex
    for call in (client, codex.start_thread, lambda **bad: codex.resume_thread("01990000-0000-7000-8000-000000000001", **bad)):
        with pytest.raises(ConfigError, match="sandbx is not an option"):
            call(sandbx="x")
    with pytest.raises(ConfigError, match="sandbx is not an option"):
        codex.start_thread().run_streamed("go", sandbx="x")


@pytest.mark.parametrize(
    ("model", "values", "reason"),
    [
        (ThreadOptions, {"sandbox_mode": "readonly"}, "'read-only', 'workspace-write' or 'danger-full-access'.*'readonly'"),
        (ThreadOptions, {"approval_policy": "always"}, "approval_policy must be"),
        (ThreadOptions, {"web_search_mode": "on"}, "web_search_mode must be"),
        (ThreadOptions, {"additional_directories": 5}, "additional_directories is not valid"),
        (TurnOptions, {"timeout": 0}, "timeout is not valid: input should be greater than 0"),
        (TurnOptions, {"timeout": float("nan")}, "timeout is not valid"),
        (TurnOptions, {"cancellation": 5}, "cancellation is not valid"),
        (TurnOptions, {"cyber_access_program": "x"}, "cyber_access_program must be"),
        (CodexOptions, {"env": {"A": 1}}, "env is not valid"),
        (CodexOptions, {"config": [1]}, "config is not valid"),
        (CodexOptions, {"config_overrides": "a=1"}, "config_overrides is not valid"),
    ],
)
def test_a_bad_value_is_reported(model: Any, values: dict[str, Any], reason: str) -> None:
    """By the name of its option."""
    with pytest.raises(ConfigError, match=reason):
        model(**values)


def test_several_mistakes_are_reported_together() -> None:
    """A line for each."""
    bad: dict[str, Any] = {"sandbox_mode": "x", "modl": "y"}
    with pytest.raises(ConfigError) as caught:
        ThreadOptions(**bad)
    assert len(str(caught.value).splitlines()) == 2


def test_keyword_arguments_go_over_options() -> None:
    """Options that are not set keep the value of the object."""
    base = ThreadOptions(model="a", sandbox_mode="read-only")
    assert ThreadOptions.of(base, {"model": "b"}) == ThreadOptions(model="b", sandbox_mode="read-only")
    assert ThreadOptions.of(base, {}) is base
    assert ThreadOptions.of(None, {}) == ThreadOptions()


@pytest.mark.parametrize("wrong", [{"model": "a"}, "a", TurnOptions()])
def test_options_of_another_kind_are_refused(wrong: Any) -> None:
    """A dict is not an options object. Its content can be keyword arguments."""
    with pytest.raises(ConfigError, match="must be a ThreadOptions"):
        ThreadOptions.of(wrong, {})


def test_options_do_not_change() -> None:
    """A thread does not change while others use it."""
    options: Any = ThreadOptions(additional_directories=["/a"])
    with pytest.raises(Exception, match="frozen"):
        options.model = "x"
    assert options.additional_directories == (Path("/a"),)


def test_an_unknown_transport_is_refused() -> None:
    """With those there are."""
    other: Any = "telepathy"
    with pytest.raises(ConfigError, match=r"telepathy.*'exec'"):
        Codex(transport=other)


@pytest.mark.anyio
async def test_a_transport_without_an_executable_cannot_locate_one() -> None:
    """The error names a transport that has an executable."""
    with pytest.raises(UnsupportedOperationError, match="exec"):
        await Codex(transport=ScriptedTransport([])).locate()


@pytest.mark.anyio
async def test_the_version_is_that_of_the_executable(fake: MakeFake) -> None:
    """Looked up when it is asked for."""
    cli = fake(HAPPY)
    codex = cli.codex()
    located = await codex.locate()
    assert located.version == NEWEST
    assert located.path == cli.path
    assert located.source == "codex_path_override"


@pytest.mark.anyio
async def test_a_threads_options_can_be_changed_between_turns(fake: MakeFake) -> None:
    """The next turn runs with the new ones."""
    cli = fake(HAPPY)
    thread = cli.thread(model="one")
    await thread.run("go")
    thread.options = ThreadOptions.of(thread.options, {"model": "two"})
    await thread.run("go")
    assert "two" in cli.argv
    assert "one" not in cli.argv
