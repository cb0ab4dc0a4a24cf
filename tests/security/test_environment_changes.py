"""A change of the environment, the login, the configuration or the executable takes effect at the next turn."""

import base64
import copy
import json
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from codex_jupyter.sdk import Codex, CommandExecutionItem, ConfigError, Thread, ThreadBusyError, TransportError, Turn, TurnFailedError
from codex_jupyter.sdk.executable import fingerprint
from codex_jupyter.sdk.executable.fingerprint import surroundings
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.transports.auto import AutoTransport
from codex_jupyter.testing import ScriptedModel, shell, wait_for
from codex_jupyter.testing.cli_settings import TOKEN_VARIABLE
from tests.invented import OLDEST
from tests.notebook.conftest import Kernel
from tests.processes import command_line
from tests.sdk.conftest import Real
from tests.sdk.support.fake import MakeFake, until
from tests.sdk.support.fake_server import fake_server

pytestmark = pytest.mark.anyio
LIVE = pytest.mark.parametrize("transport", ["app-server", "auto"])
LIMIT = 60.0


def started(codex: Codex, real: Real, **options: Any) -> Thread:
    return codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, **options)


def environment(codex: Codex) -> dict[str, str]:
    """The environment of a client, to be changed."""
    env = codex.options.env
    assert isinstance(env, dict)
    return env


async def streamed(thread: Thread, prompt: str = "go") -> Turn:
    """Run a turn as a notebook does, so that `auto` takes the server."""
    async with thread.run_streamed(prompt) as turn:
        return await turn.wait()


def output(turn: Turn) -> str:
    return "".join(item.aggregated_output for item in turn.items if isinstance(item, CommandExecutionItem))


def servers(real: Real) -> set[int]:
    """The ids of the servers that run."""
    return {process.pid for process in real.processes() if command_line(process)[1:2] == ["app-server"]}


@LIVE
async def test_a_variable_that_is_set_later_reaches_the_commands_of_the_same_thread(real: Real, transport: str) -> None:
    codex = real.codex(real.play([[shell("env"), "One."], [shell("env"), "Two."], [shell("env"), "Three."]]), transport=transport)
    thread = started(codex, real)
    assert "LATER=" not in output(await streamed(thread))
    environment(codex)["LATER"] = "value"
    assert "LATER=value" in output(await streamed(thread))
    del environment(codex)["LATER"]
    assert "LATER=" not in output(await streamed(thread))
    assert len(servers(real)) == 1


@LIVE
async def test_a_key_of_a_provider_that_is_set_later_is_used(real: Real, transport: str) -> None:
    model = real.play(["Hi!"])
    codex = real.codex(model, transport=transport)
    token = environment(codex).pop(TOKEN_VARIABLE)
    thread = started(codex, real)
    with pytest.raises(TurnFailedError, match=TOKEN_VARIABLE):
        await streamed(thread)
    environment(codex)[TOKEN_VARIABLE] = token
    assert (await streamed(thread)).final_response == "Hi!"


def needing_login(model: ScriptedModel) -> dict[str, Any]:
    config = copy.deepcopy(model.config)
    provider = config["model_providers"]["demo"]
    del provider["env_key"]
    provider["requires_openai_auth"] = True
    return config


@LIVE
@pytest.mark.parametrize("how", ["CODEX_API_KEY", "auth.json"])
async def test_a_login_by_another_program_is_used(real: Real, transport: str, how: str) -> None:
    model = real.play(["Hi!"])
    codex = real.codex(model, config=needing_login(model), transport=transport)
    login = model.codex_home / "auth.json"
    login.write_text(json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": "wrong"}))
    thread = started(codex, real)
    with pytest.raises(TurnFailedError, match="401"):
        await streamed(thread)
    if how == "auth.json":
        login.write_text(json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": model.token}))
    else:
        environment(codex)["CODEX_API_KEY"] = model.token
    assert (await streamed(thread)).final_response == "Hi!"


@LIVE
async def test_a_change_of_the_configuration_holds_for_a_thread_in_use(real: Real, transport: str) -> None:
    model = real.play(["One.", "Two."])
    codex = real.codex(model, transport=transport)
    thread = started(codex, real)
    await streamed(thread)
    (model.codex_home / "config.toml").write_text('[model_providers.demo]\nhttp_headers = { X-New = "yes" }\n')
    await streamed(thread)
    assert [request.headers.get("x-new") for request in model.requests] == [None, "yes"]
    assert len(model.requests[1].body["input"]) > len(model.requests[0].body["input"])


@pytest.mark.parametrize("transport", ["exec", "app-server", "auto"])
@pytest.mark.parametrize("level", ["trusted", "untrusted"])
async def test_a_folder_whose_trust_is_taken_away_is_read_only_in_a_thread_in_use(real: Real, transport: str, level: str) -> None:
    """The CLI lets the agent write in a folder with any trust level, if nothing else selects the sandbox."""
    model = real.play([[shell("touch new"), "Done."]] * 2)
    (real.workspace / ".git").mkdir()
    thread = started(real.codex(model, transport=transport), real)
    config = model.codex_home / "config.toml"
    for text, sandbox in ((f'[projects."{real.workspace}"]\ntrust_level = "{level}"\n', "workspace-write"), ("", "read-only")):
        config.write_text(text)
        turn = await streamed(thread)
        assert turn.rights is not None
        assert turn.rights.sandbox == sandbox
        assert (real.workspace / "new").exists() == (sandbox == "workspace-write")
        (real.workspace / "new").unlink(missing_ok=True)


@pytest.mark.parametrize("transport", ["exec", "app-server", "auto"])
@pytest.mark.parametrize("place", ["workspace", "inner"])
async def test_a_change_of_the_configuration_of_a_trusted_folder_holds_for_a_thread_in_use(real: Real, transport: str, place: str) -> None:
    model = real.play([[shell("touch new"), "Done."]] * 3)
    await anyio.run_process(["git", "init", "-q", str(real.workspace)])
    (model.codex_home / "config.toml").write_text(f'[projects."{real.workspace}"]\ntrust_level = "trusted"\n')
    folder = real.workspace / "inner"
    file = (real.workspace if place == "workspace" else folder) / ".codex" / "config.toml"
    file.parent.mkdir(parents=True)
    folder.mkdir(exist_ok=True)
    thread = real.codex(model, transport=transport).start_thread(working_directory=folder)
    for sandbox in ("workspace-write", "read-only", "workspace-write"):
        file.write_text(f'sandbox_mode = "{sandbox}"\n')
        await streamed(thread)
        assert (folder / "new").exists() == (sandbox == "workspace-write")
        (folder / "new").unlink(missing_ok=True)


def test_a_change_of_the_configuration_of_all_users_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system, cli = tmp_path / "system.toml", CodexCli(path=tmp_path / "codex", version=OLDEST, source="test")
    monkeypatch.setattr(fingerprint, "SYSTEM_CONFIG", system)
    before = surroundings(cli, {}, tmp_path)
    system.write_text('sandbox_mode = "read-only"\n')
    assert before.outdate(surroundings(cli, {}, tmp_path))


@LIVE
@pytest.mark.parametrize("how", ["link", "current folder"])
async def test_another_home_at_the_same_path_is_used(
    real: Real, transport: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configuration and the login are the same in both: there are none."""
    model = real.play(["One.", "Two."])
    codex = real.codex(model, transport=transport)
    link = tmp_path / "link"
    environment(codex)["CODEX_HOME"] = str(link / "home") if how == "link" else "home"
    for name in ("first", "second"):
        (tmp_path / name / "home").mkdir(parents=True)
        if how == "link":
            link.unlink(missing_ok=True)
            link.symlink_to(tmp_path / name)
        else:
            monkeypatch.chdir(tmp_path / name)
        thread = started(codex, real)
        await streamed(thread)
        assert [str(thread.id) in file.name for file in (tmp_path / name).rglob("rollout-*")] == [True]


@pytest.mark.parametrize("transport", ["exec", "app-server", "auto"])
async def test_a_thread_in_use_works_in_the_current_folder(
    real: Real, transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[dict[str, Any]] = [{}, {"working_directory": "."}, {"working_directory": "inner"}]
    codex = real.codex(real.play([[shell("pwd"), "Done."]] * 6), transport=transport)
    started = [codex.start_thread(skip_git_repo_check=True, **options) for options in threads]
    for name in ("first", "second"):
        folder = tmp_path / name
        (folder / "inner").mkdir(parents=True)
        monkeypatch.chdir(folder)
        places = [output(await streamed(thread)).strip() for thread in started]
        assert places == [str(folder), str(folder), str(folder / "inner")]


@pytest.mark.parametrize("transport", ["exec", "app-server", "auto"])
async def test_the_new_target_of_a_read_only_link_is_read_only_in_a_thread_in_use(real: Real, transport: str) -> None:
    codex = real.codex(real.play([[shell("touch one/new two/new"), "Done."]] * 2), transport=transport)
    thread = started(codex, real, sandbox_mode="workspace-write", read_only_paths=(real.workspace / "link",))
    link, targets = real.workspace / "link", [real.workspace / name for name in ("one", "two")]
    for target in targets:
        target.mkdir()
    for target in targets:
        link.unlink(missing_ok=True)
        link.symlink_to(target.name)
        await streamed(thread)
        assert [(folder / "new").exists() for folder in targets] == [folder != target for folder in targets]
        for folder in targets:
            (folder / "new").unlink(missing_ok=True)


async def test_another_executable_at_the_same_path_is_used(fake: MakeFake) -> None:
    cli = fake_server(fake)
    async with cli.codex(transport="app-server") as codex:
        thread = codex.start_thread(working_directory=cli.folder, skip_git_repo_check=True)
        assert (await thread.run("go")).final_response == "Hi!"
        fake_server(fake, "def turn():\n    begin(); message('Newer.'); end()\nrun()")
        assert (await thread.run("go")).final_response == "Newer."
        state = cli.path.stat()
        fake_server(fake, "def turn():\n    begin(); message('Other.'); end()\nrun()")
        os.utime(cli.path, ns=(state.st_atime_ns, state.st_mtime_ns))  # as after an installation that sets the times of all files
        assert cli.path.stat().st_size == state.st_size
        assert (await thread.run("go")).final_response == "Other."


@LIVE
async def test_a_new_server_starts_beside_the_old_one_which_ends_after_its_last_turn(real: Real, transport: str) -> None:
    release = threading.Event()
    model = real.play(["Idle.", [shell("env"), [wait_for(release, LIMIT), "Long."]], [shell("env"), "Idle again."], "Long again."])
    codex = real.codex(model, transport=transport)
    idle, long = started(codex, real), started(codex, real)
    await streamed(idle)
    (old,) = servers(real)
    async with long.run_streamed("long") as running:
        async for event in running.events:
            if event.type == "item.completed":
                break
        environment(codex)["LATER"] = "value"
        turn = await streamed(idle)
        assert turn.final_response == "Idle again."
        assert "LATER=value" in output(turn)
        assert old in servers(real)
        assert len(servers(real)) == 2
        with pytest.raises(ThreadBusyError):
            await streamed(codex.resume_thread(str(long.id)))
        release.set()
        ended = await running.wait()
    assert ended.final_response == "Long."
    assert "LATER=" not in output(ended)
    await until(lambda: old not in servers(real))
    assert len(servers(real)) == 1
    assert (await streamed(long)).final_response == "Long again."


async def test_a_start_that_is_cancelled_is_completed_by_the_next_turn(real: Real) -> None:
    codex = real.codex(real.play(["One.", "Two."]), transport="app-server")
    thread = started(codex, real)
    await streamed(thread)
    environment(codex)["LATER"] = "value"
    with anyio.CancelScope() as scope:
        scope.cancel()
        await streamed(thread)
    assert (await streamed(thread)).final_response == "Two."
    await until(lambda: len(servers(real)) == 1)


@LIVE
async def test_a_configuration_that_cannot_be_read_is_an_error_and_its_correction_is_seen(real: Real, transport: str) -> None:
    model = real.play(["One.", "Two."])
    codex = real.codex(model, transport=transport)
    thread = started(codex, real)
    await streamed(thread)
    file = model.codex_home / "config.toml"
    file.write_text("model = [")
    with pytest.raises((ConfigError, TransportError), match=r"config\.toml"):
        await streamed(thread)
    file.write_text("")
    assert (await streamed(thread)).final_response == "Two."
    if isinstance(codex.transport, AutoTransport):
        assert (await codex.transport.choice())[0] == "app-server"


async def test_a_server_that_did_not_start_is_tried_again_after_a_change(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not before: each try takes time."""
    codex = real.codex(real.play(["One.", "Two.", "Three."]), transport="auto")
    assert isinstance(codex.transport, AutoTransport)
    tries = []

    def fails(*_: object) -> None:
        tries.append(1)
        raise TransportError("It fell over.")

    with monkeypatch.context() as patch:
        patch.setattr("codex_jupyter.sdk.transports.app_server.pool.start_server", fails)
        for _ in range(2):
            await streamed(started(codex, real))
            assert (await codex.transport.choice()) == ("exec", "the app-server does not start: It fell over.")
    assert len(tries) == 1
    environment(codex)["LATER"] = "value"
    await streamed(started(codex, real))
    assert (await codex.transport.choice())[0] == "app-server"


# --- what counts ---


def token(**claims: Any) -> str:
    return f"h.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.s"


def chatgpt(user: str, number: int, **more: Any) -> str:
    tokens = {
        "id_token": token(sub=user, exp=number),
        "access_token": f"a{number}",
        "refresh_token": f"r{number}",
        "account_id": "acc",
    }
    return json.dumps({"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": str(number), **more})


BEFORE = {
    "auth.json": chatgpt("ada", 1),
    "config.toml": 'model = "m"\n[mcp_servers.desk]\ncommand = "desk"\n',
    "rules/default.rules": "prefix_rule(a)\n",
}
WRITTEN_BY_THE_CLI = {
    "refreshed tokens": {"auth.json": chatgpt("ada", 2)},
    "a trusted folder": {"config.toml": BEFORE["config.toml"] + '[projects."/srv"]\ntrust_level = "trusted"\n'},
    "a notice": {"config.toml": BEFORE["config.toml"] + "[notice]\nhide_full_access_warning = true\n"},
    "an approval of a tool": {"config.toml": BEFORE["config.toml"] + '[mcp_servers.desk.tools.write]\napproval_mode = "approve"\n'},
    "an approval of a command": {"rules/default.rules": "prefix_rule(a)\nprefix_rule(b)\n"},
    "another form of the same": {"config.toml": '[mcp_servers]\ndesk = { command = "desk" }\n\n'.join(["model = 'm'\n", ""])},
}
CHANGED = {
    "another user": {"auth.json": chatgpt("eve", 2)},
    "a key": {"auth.json": json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": "k"})},
    "no login": {"auth.json": None},
    "another model": {"config.toml": BEFORE["config.toml"].replace('"m"', '"n"')},
    "no file": {"config.toml": None},
    "a damaged file": {"config.toml": "model = ["},
    "another tool": {"config.toml": BEFORE["config.toml"] + '[mcp_servers.desk.tools.write]\napproval_mode = "prompt"\n'},
    "an approval taken back": {"rules/default.rules": ""},
}


def write(home: Path, files: Mapping[str, str | None]) -> None:
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text)


def looked(home: Path, env: Mapping[str, str] | None = None) -> Any:
    return surroundings(CodexCli(home / "codex", OLDEST, "PATH"), env or {}, home)


@pytest.mark.parametrize("files", WRITTEN_BY_THE_CLI.values(), ids=list(WRITTEN_BY_THE_CLI))
def test_what_the_cli_writes_itself_is_not_a_change(tmp_path: Path, files: Mapping[str, str]) -> None:
    write(tmp_path, BEFORE)
    before = looked(tmp_path)
    write(tmp_path, files)
    assert not before.outdate(looked(tmp_path))


@pytest.mark.parametrize("files", CHANGED.values(), ids=list(CHANGED))
def test_what_others_write_is_a_change(tmp_path: Path, files: Mapping[str, str | None]) -> None:
    write(tmp_path, BEFORE)
    before = looked(tmp_path)
    write(tmp_path, files)
    assert before.outdate(looked(tmp_path))
    assert "ada" not in repr(before)


def test_an_approval_that_the_cli_has_written_can_be_taken_back(tmp_path: Path) -> None:
    """It is known once it was seen."""
    write(tmp_path, BEFORE)
    before = looked(tmp_path)
    write(tmp_path, WRITTEN_BY_THE_CLI["an approval of a tool"])
    then = looked(tmp_path)
    write(tmp_path, BEFORE)
    assert not before.outdate(then)
    assert then.outdate(looked(tmp_path))


def test_the_environment_and_the_executable_count(tmp_path: Path) -> None:
    (tmp_path / "codex").touch()
    before = looked(tmp_path, {"A": "planted"})
    assert not before.outdate(looked(tmp_path, {"A": "planted"}))
    assert "planted" not in repr(before)
    assert before.outdate(looked(tmp_path, {"A": "planted", "B": ""}))
    (tmp_path / "codex").write_text("newer")
    assert before.outdate(looked(tmp_path, {"A": "planted"}))


async def test_what_the_real_cli_writes_itself_starts_no_server(real: Real) -> None:
    """Here an approval for good, and the note that a folder is known."""
    turns: list[Any] = [[shell("touch ../outside.txt", justification="May I?"), "Done."], "Again."]
    model = real.play(turns)
    codex = real.codex(model, transport="app-server")
    thread = started(codex, real, sandbox_mode="workspace-write", approval_policy="on-request")
    async with thread.run_streamed("go", on_approval=lambda _: "accept_always") as turn:
        await turn.wait()
    assert (real.folder / "outside.txt").exists()
    assert "touch" in (model.codex_home / "rules" / "default.rules").read_text()
    before = servers(real)
    assert (await streamed(thread)).final_response == "Again."
    assert servers(real) == before


# --- in a kernel ---


def test_a_variable_set_in_a_cell_holds_from_the_next_prompt_on(new_kernel: Callable[..., Kernel], real: Real) -> None:
    """The reported case: a key that comes after the first try was ignored until the threads were released."""
    model = real.play([[shell("env"), "Done."]])
    kernel = new_kernel()
    env = {name: value for name, value in real.environment(model).items() if name != TOKEN_VARIABLE}
    kernel.execute(f"import os\nos.environ.update({env!r})\n%config CodexMagics.settings = {model.config!r}")
    assert TOKEN_VARIABLE in (kernel.execute("%codex hello").error or "")
    kernel.execute(f"%env {TOKEN_VARIABLE}={model.token}\n%env LATER=value")
    done = kernel.execute("%codex hello")
    assert done.error is None
    assert "LATER=value" in done.text
    kernel.close()
