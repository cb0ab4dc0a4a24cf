"""Secrets: where they go, and everywhere they do not."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from codex_jupyter.sdk import (
    AuthenticationError,
    Codex,
    CodexOptions,
    CommandExecutionItem,
    ConfigError,
    ProcessExitError,
    TransportError,
    TurnFailedError,
)
from codex_jupyter.sdk.executable.secret_settings import for_process
from codex_jupyter.testing import fail, shell
from tests.sdk.conftest import Real
from tests.sdk.support.fake import HAPPY, MakeFake

pytestmark = pytest.mark.anyio

SECRET = "sk-very-" + "secret-0123456789"
CONFIG = {"mcp_servers": {"s": {"url": "http://x", "http_headers": {"Authorization": f"Bearer {SECRET}"}}}}


def options() -> CodexOptions:
    return CodexOptions(api_key=SECRET, config=CONFIG, config_overrides=(f'x.token="{SECRET}"',), env={"CODEX_API_KEY": SECRET})


@pytest.mark.parametrize("show", [repr, str, format])
def test_no_repr_shows_a_secret(show: Any) -> None:
    """Neither of the options, nor of what holds them."""
    codex = Codex(options())
    shown = [options(), options().api_key, codex, codex.options, codex.transport, codex.start_thread()]
    assert not any(SECRET in show(value) for value in shown)


def test_no_dump_shows_the_key() -> None:
    """The key must be asked for by name."""
    assert SECRET not in str(CodexOptions(api_key=SECRET).model_dump())
    assert SECRET not in CodexOptions(api_key=SECRET).model_dump_json()


def test_no_message_about_bad_options_shows_a_secret() -> None:
    """The values are left out."""
    bad: dict[str, Any] = {"env": {"CODEX_API_KEY": SECRET, "N": 5}, "config": SECRET, "nonsense": SECRET}
    with pytest.raises(ConfigError) as caught:
        CodexOptions(api_key=SECRET, **bad)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_the_key_is_in_the_environment_and_not_in_the_arguments(fake: MakeFake) -> None:
    """Everybody can read the arguments of a process."""
    cli = fake(HAPPY, api_key=SECRET)
    await cli.thread().run("go")
    assert cli.env["CODEX_API_KEY"] == SECRET
    assert not any(SECRET in argument for argument in cli.argv)


@pytest.mark.parametrize(
    "given", [{"api_key": SECRET}, {"env": {"CODEX_API_KEY": SECRET}}, {"config": CONFIG}], ids=["key", "env", "config"]
)
@pytest.mark.parametrize("how", ["stderr", "stdout", "error", "failed", "silent"])
async def test_no_error_repeats_a_secret(fake: MakeFake, how: str, given: Mapping[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """For every message of the CLI."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "codex_jupyter.wire")
    secret = f"Bearer {SECRET}" if "config" in given else SECRET
    body = {
        "stderr": f"sys.stderr.write('bad value {secret} in config'); sys.stderr.flush(); os._exit(1)",
        "stdout": f"print('bad value {secret}', flush=True); os._exit(1)",
        "error": f"started(); emit(dict(type='error', message='bad value {secret}')); os._exit(1)",
        "failed": f"started(); failed('bad value {secret}')",
        "silent": f"print('bad value {secret}')",
    }[how]
    with pytest.raises((TransportError, TurnFailedError)) as caught:
        await fake(body, **given).thread().run("go")
    error = caught.value
    shown = [str(error), repr(error), repr(error.args), repr(error.turn), repr(vars(error)), caplog.text]
    assert not any(SECRET in text for text in shown)
    assert "bad value ***" in str(error)


async def test_a_real_refusal_does_not_repeat_the_key(real: Real) -> None:
    """Some providers do, in their message."""
    model = real.play([[fail(401, f"Incorrect API key provided: {SECRET}", "invalid_request_error", "invalid_api_key")]])
    codex = real.codex(model, api_key=SECRET)
    with pytest.raises(AuthenticationError) as caught:
        await codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True).run("go")
    assert SECRET not in str(caught.value) + repr(caught.value.turn)


async def test_a_short_key_does_not_garble_messages(fake: MakeFake) -> None:
    """A key of a letter is a placeholder."""
    with pytest.raises(ProcessExitError, match="exact reason"):
        await fake("sys.stderr.write('exact reason'); sys.stderr.flush(); os._exit(1)", api_key="x").thread().run("go")


async def shell_environment(real: Real, **options: Any) -> str:
    """Return the environment that a command of the agent has."""
    model = real.play([[shell("env"), "Done."]])
    thread = real.codex(model, api_key=SECRET, **options).start_thread(working_directory=real.workspace, skip_git_repo_check=True)
    turn = await thread.run("go")
    (command,) = [item for item in turn.items if isinstance(item, CommandExecutionItem)]
    assert "PATH=" in command.aggregated_output
    return command.aggregated_output


async def test_the_agents_shell_does_not_get_the_key(real: Real) -> None:
    """The CLI would hand it on."""
    assert SECRET not in await shell_environment(real)


async def test_a_variable_for_the_agents_shell_does_not_give_it_the_key(real: Real) -> None:
    """Adding a variable does not decide about the key."""
    shown = await shell_environment(real, config={"shell_environment_policy": {"set": {"COLOR": "blue"}}})
    assert "COLOR=blue" in shown
    assert SECRET not in shown


async def test_the_agents_shell_gets_the_key_on_request(real: Real) -> None:
    """A policy about what is inherited is the user's own decision."""
    assert f"CODEX_API_KEY={SECRET}" in await shell_environment(real, config={"shell_environment_policy": {"inherit": "all"}})


@pytest.mark.parametrize("overrides", [["shell_environment_policy.inherit=all"], ['shell_environment_policy={inherit="all"}']])
async def test_raw_overrides_are_decisions_too(fake: MakeFake, overrides: list[str]) -> None:
    """In either form."""
    cli = fake(HAPPY, api_key=SECRET, config_overrides=overrides)
    await cli.thread().run("go")
    assert not any("CODEX_API_KEY" in argument for argument in cli.argv)


def test_an_empty_list_is_a_setting_without_a_secret() -> None:
    assert for_process(["notify=[]"], {}).flags == ["notify=[]"]
