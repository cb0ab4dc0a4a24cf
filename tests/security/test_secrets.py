"""A secret from any option is not an argument of a process, and errors, events and saved outputs do not repeat it."""

import copy
import json
import logging
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from codex_jupyter.sdk import (
    Codex,
    CodexOptions,
    CommandExecutionItem,
    ConfigError,
    ItemCompletedEvent,
    ThreadOptions,
    TransportError,
    Turn,
    TurnFailedError,
)
from codex_jupyter.sdk.executable.config_flags import render_config_flags
from codex_jupyter.sdk.executable.secret_settings import for_process, for_server, secret_values
from codex_jupyter.sdk.transports.auto import AutoTransport
from codex_jupyter.testing import ScriptedModel, fail, shell, wait_for
from codex_jupyter.testing.cli_settings import TOKEN_VARIABLE
from tests.notebook.conftest import Kernel
from tests.processes import command_line
from tests.sdk.conftest import Real, tagged
from tests.sdk.support.fake import until
from tests.sdk.support.mcp_server import __file__ as mcp_server

pytestmark = pytest.mark.anyio

TRANSPORTS = pytest.mark.parametrize("transport", ["exec", "app-server"])
SOURCES = pytest.mark.parametrize("source", ["config", "config_overrides", "thread"])
HEADER, VARIABLE, WEB_HEADER, WEB_TOKEN, QUERY = (
    f"planted-{name}-Zq7" for name in ("header", "variable", "web-header", "web-token", "query")
)
PLANTED = (HEADER, VARIABLE, WEB_HEADER, WEB_TOKEN, QUERY)


class Web(ThreadingHTTPServer):
    """An MCP server over HTTP that refuses everyone, and keeps what they sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Refuse)
        self.headers: list[dict[str, str]] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class _Refuse(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})  # type: ignore[attr-defined]
        self.send_response(403)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.shutdown()
    server.server_close()


@dataclass
class Plant:
    """A client whose settings hold secrets in every place that Codex has for them."""

    real: Real
    model: ScriptedModel
    web: Web

    @property
    def seen(self) -> Path:
        return self.real.folder / "desk.json"

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*PLANTED, self.model.token)

    @property
    def settings(self) -> dict[str, Any]:
        script = self.real.folder / "desk.py"
        script.write_text(
            f"import json, os, runpy\nopen({str(self.seen)!r}, 'w').write(json.dumps(dict(os.environ)))\n"
            f"runpy.run_path({mcp_server!r}, run_name='__main__')\n"
        )
        provider = {"experimental_bearer_token": self.model.token, "http_headers": {"X-Planted": HEADER}}
        desk = {"command": sys.executable, "args": [str(script)], "env": {"DESK_SETTING": VARIABLE, "PATH": os.environ["PATH"]}}
        url = f"http://127.0.0.1:{self.web.server_port}/mcp"
        remote = {"url": url, "http_headers": {"X-Web": WEB_HEADER}, "bearer_token": WEB_TOKEN}
        return {"model_providers": {"demo": provider}, "mcp_servers": {"desk": desk, "web": remote}}

    def open(self, source: str, transport: str) -> tuple[Codex, dict[str, Any]]:
        """Make a client, and the options of a thread, with the secrets in one kind of option."""
        config = copy.deepcopy(self.model.config)
        del config["model_providers"]["demo"]["env_key"]
        env = self.real.environment(self.model)
        env = {name: value for name, value in env.items() if value != self.model.token}
        overrides = render_config_flags(self.settings)
        options: dict[str, Any] = {"config": config, "env": env, "transport": transport}
        if source == "config":
            config["model_providers"]["demo"] |= self.settings["model_providers"]["demo"]
            config["mcp_servers"] = self.settings["mcp_servers"]
        elif source == "config_overrides":
            options["config_overrides"] = overrides
        thread = {"working_directory": self.real.workspace, "skip_git_repo_check": True}
        return self.real.codex(self.model, **options), thread | ({"config_overrides": overrides} if source == "thread" else {})


def command_lines(real: Real) -> list[str]:
    """The arguments of every process of a test, as everyone on the machine can read them."""
    return [argument for process in tagged(real.tag) for argument in command_line(process)]


@TRANSPORTS
@SOURCES
async def test_no_secret_is_an_argument_of_any_process_and_each_arrives(real: Real, web: Web, transport: str, source: str) -> None:
    release = threading.Event()
    model = real.play([[shell("env"), [wait_for(release), "Done."]], "Again."])
    plant = Plant(real, model, web)
    codex, options = plant.open(source, transport)
    seen: list[str] = []
    async with codex.start_thread(**options).run_streamed("go") as streamed:
        async for event in streamed.events:
            if isinstance(event, ItemCompletedEvent) and isinstance(event.item, CommandExecutionItem):
                seen = await to_thread.run_sync(command_lines, real)
                release.set()
        turn = await streamed.wait()
    assert any("app-server" in line or line == "exec" for line in seen)
    assert not [line for line in seen for secret in plant.secrets if secret in line]
    assert {request.headers["x-planted"] for request in model.requests} == {HEADER}
    assert json.loads(plant.seen.read_text())["DESK_SETTING"] == VARIABLE
    assert (web.headers[0]["x-web"], web.headers[0]["authorization"]) == (WEB_HEADER, f"Bearer {WEB_TOKEN}")
    [command] = [item for item in turn.items if isinstance(item, CommandExecutionItem)]
    assert "PATH=" in command.aggregated_output
    assert not [secret for secret in plant.secrets if secret in command.aggregated_output]
    stored = b"".join(path.read_bytes() for path in model.codex_home.rglob("*") if path.is_file())
    assert not [secret for secret in plant.secrets if secret.encode() in stored]
    # A resumed thread needs them, too.
    assert turn.thread_id is not None
    again = await codex.resume_thread(turn.thread_id, **options).run("again")
    assert again.final_response == "Again."
    assert model.requests[-1].headers["x-planted"] == HEADER


@SOURCES
async def test_query_parameters_go_to_the_app_server_over_its_input(real: Real, source: str) -> None:
    release = threading.Event()
    model = real.play([[shell("true"), [wait_for(release), "Done."]]])
    setting = {"model_providers": {"demo": {"query_params": {"q": QUERY}}}}
    client = {"config_overrides": render_config_flags(setting)} if source == "config_overrides" else {}
    config = copy.deepcopy(model.config)
    if source == "config":
        config["model_providers"]["demo"] |= setting["model_providers"]["demo"]
    codex = real.codex(model, config=config, transport="auto", **client)
    thread = {"config_overrides": render_config_flags(setting)} if source == "thread" else {}
    turns: list[Turn] = []

    async def run() -> None:
        # Not streamed: `auto` would otherwise take `exec`.
        options: Any = {"working_directory": real.workspace, "skip_git_repo_check": True, **thread}
        turns.append(await codex.start_thread(**options).run("go"))

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await until(lambda: len(model.requests) == 2)
        seen = await to_thread.run_sync(command_lines, real)
        release.set()
    assert "app-server" in seen
    assert not [line for line in seen if QUERY in line]
    assert model.requests[-1].path.endswith(f"?q={QUERY}")
    assert isinstance(codex.transport, AutoTransport)
    assert (await codex.transport.choice()) == ("app-server", "a setting holds a secret, which 'exec' could pass on only as an argument")


REFUSED: dict[str, Mapping[str, Any]] = {
    "query parameter": {"model_providers": {"demo": {"query_params": {"q": QUERY}}}},
    "key in a URL": {"mcp_servers": {"web": {"url": f"https://example.org/mcp?api_key={QUERY}"}}},
    "password in a URL": {"model_providers": {"demo": {"base_url": f"https://ada:{QUERY}@example.org/v1"}}},
    "telling name": {"shell_environment_policy": {"set": {"DEPLOY_TOKEN": QUERY}}},
    "argument of a tool": {"mcp_servers": {"desk": {"command": "desk", "args": ["serve", "sk-" + "abcdefghijklm" + "1234567890"]}}},
    "option of a tool": {"mcp_servers": {"desk": {"command": "desk", "args": ["--api-key", QUERY]}}},
    "option of a tool, in one": {"mcp_servers": {"desk": {"command": "desk", "args": [f"--password={QUERY}"]}}},
    "variable in an argument": {"mcp_servers": {"desk": {"command": "docker", "args": ["run", "-e", f"API_KEY={QUERY}", "desk"]}}},
    "variable in an option": {"mcp_servers": {"desk": {"command": "docker", "args": ["run", f"--env=API_KEY={QUERY}", "desk"]}}},
    "variable in a script": {"mcp_servers": {"desk": {"command": "sh", "args": ["-c", f"TOKEN='{QUERY}' desk"]}}},
    "variable before a command": {"mcp_servers": {"desk": {"command": f"env TOKEN={QUERY} desk"}}},
    "header of a tool": {"mcp_servers": {"desk": {"command": "npx", "args": ["mcp-remote", "--header", f"Authorization: Bearer {QUERY}"]}}},
    "header without a space": {"mcp_servers": {"desk": {"command": "npx", "args": ["mcp-remote", "-H", f"X-Api-Key:{QUERY}"]}}},
    "user and password of a tool": {"mcp_servers": {"desk": {"command": "desk", "args": ["-u", f"ada:{QUERY}"]}}},
    "variable with another value": {"mcp_servers": {"desk": {"command": "desk", "env": {"TAKEN": QUERY}}}},
    "variable of Codex": {"mcp_servers": {"desk": {"command": "desk", "env": {"HTTPS_PROXY": QUERY}}}},
}


@pytest.mark.parametrize("setting", REFUSED.values(), ids=list(REFUSED))
async def test_exec_refuses_a_secret_that_could_only_be_an_argument_and_the_server_takes_it(real: Real, setting: Mapping[str, Any]) -> None:
    overrides, env = render_config_flags(setting), {"TAKEN": "other"}
    with pytest.raises(ConfigError, match="'app-server', or put it into the config") as caught:
        for_process(overrides, env)
    secrets = [value for value in secret_values(overrides, {}) if len(value) > 5]
    assert not [value for value in secrets if value in str(caught.value)]
    placed = for_server(overrides)
    assert not [flag for flag in placed.flags for value in secrets if value in flag]
    assert all(value in str(placed.parameters) for value in secrets)
    codex = real.codex(real.play(["Hi!"]), config_overrides=overrides, transport="exec")
    codex.options.env["TAKEN"] = "other"  # type: ignore[index]
    with pytest.raises(ConfigError, match=" a secret, which"):
        await codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True).run("go")


@pytest.mark.parametrize("setting", [{"x": {"token": QUERY}}, {"otel": {"exporter": {"otlp-http": {"headers": {"x": QUERY}}}}}])
async def test_a_secret_that_only_the_file_can_hold_is_refused_by_both(real: Real, setting: Mapping[str, Any]) -> None:
    for transport in ("exec", "app-server"):
        codex = real.codex(real.play(["Hi!"]), config_overrides=render_config_flags(setting), transport=transport)
        with pytest.raises(ConfigError, match="put it into the config") as caught:
            await codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True).run("go")
        assert QUERY not in str(caught.value)


def test_settings_without_a_secret_stay_as_they_are() -> None:
    """Names of variables, of files and of methods, limits, paths and permissions only sound like secrets."""
    overrides = [
        *render_config_flags(
            {
                "model_providers": {"p": {"env_key": "MY_KEY", "env_http_headers": {"Authorization": "MY_HEADER"}}},
                "mcp_servers": {
                    "s": {"command": "desk", "bearer_token_env_var": "MY_TOKEN", "env_vars": ["MY_TOKEN"], "env": {"PATH": "/bin"}}
                },
                "mcp_servers.remote": {
                    "command": "npx",
                    "args": [
                        *(
                            "mcp-remote",
                            "https://example.org:8080/mcp",
                            "--header",
                            "Authorization: Bearer ${MY_TOKEN}",
                            "-H",
                            "Accept: text/html",
                        ),
                        *(
                            "-e",
                            "MY_TOKEN",
                            "--token-file",
                            "/run/token",
                            "--max-tokens",
                            "4000",
                            "--max_tokens=4000",
                            "ada/token-server:latest",
                        ),
                    ],
                },
                "cli_auth_credentials_store": "file",
                "preferred_auth_method": "apikey",
                "model_auto_compact_token_limit": 1000,
                "shell_environment_policy": {"set": {"COLOR": "blue", "CODEX_API_KEY": ""}},
                "permissions": {"nb": {"filesystem": {"/home/ada/secrets": "read"}}},
                "projects": {"/srv/token": {"trust_level": "trusted"}},
            }
        ),
        "developer_instructions=Be brief.",
    ]
    assert for_process(overrides, {}).flags == overrides
    assert for_process(overrides, {}).env == {}
    assert for_server(overrides).flags == overrides
    assert for_server(overrides).parameters == {}


def test_what_is_left_of_a_table_stays_a_table() -> None:
    """A table in one override replaces the table of the file, as it did with its secrets in it."""
    override = 'model_providers.p={name="P", experimental_bearer_token="planted", http_headers={A="one", B="two"}}'
    placed = for_process([override], {})
    names = {value: name for name, value in placed.env.items()}
    table = f'env_key = "{names["planted"]}", env_http_headers = {{A = "{names["one"]}", B = "{names["two"]}"}}'
    assert placed.flags[0] == f'model_providers.p={{name = "P", {table}}}'
    assert placed.flags[1:] == [f'shell_environment_policy.set.{name}=""' for name in placed.env]
    placed = for_server([override])
    assert placed.flags == ['model_providers.p={name = "P"}']
    assert placed.parameters == {
        "model_providers.p.experimental_bearer_token": "planted",
        "model_providers.p.http_headers.A": "one",
        "model_providers.p.http_headers.B": "two",
    }


def test_variables_that_a_tool_is_given_already_are_kept() -> None:
    """Paths of the last override that names them, or of the file."""
    env = render_config_flags({"mcp_servers": {"desk": {"env": {"A": "one", "B": "two"}}}})
    file = {"mcp_servers": {"desk": {"env_vars": ["C"]}}}
    wanted = 'mcp_servers.desk.env_vars=["{}", "A", "B"]'
    assert wanted.format("C") in for_process(env, {}, file).flags
    assert wanted.format("D") in for_process(['mcp_servers.desk.env_vars=["D"]', *env], {}, file).flags


BROKEN = [
    f"model_providers.demo.experimental_bearer_token {QUERY}",
    f'model_providers.demo={{experimental_bearer_token="{QUERY}"',
    f'model_providers.demo.http_headers.X="{QUERY}',
    f"={QUERY}",
    f'["{QUERY}"]',
]


@TRANSPORTS
@SOURCES
@pytest.mark.parametrize("override", BROKEN)
async def test_a_broken_override_is_not_repeated(real: Real, override: str, source: str, transport: str) -> None:
    if source == "config":
        codex = real.codex(real.play([]), config={"model_providers": {"demo": {"http_headers": QUERY}}}, transport=transport)
        override = ""
    else:
        codex = real.codex(real.play([]), config_overrides=[override] * (source == "config_overrides"), transport=transport)
    thread = codex.start_thread(
        working_directory=real.workspace, skip_git_repo_check=True, config_overrides=[override] * (source == "thread")
    )
    with pytest.raises((ConfigError, TransportError)) as caught:
        await thread.run("go")
    assert QUERY not in "".join(map(str, (caught.value, repr(caught.value), vars(caught.value))))


@TRANSPORTS
@SOURCES
async def test_an_error_of_the_provider_does_not_repeat_a_secret(
    real: Real, web: Web, transport: str, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the error, nor in the turn, nor in what streams."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "codex_jupyter.wire")
    text = " and ".join([*PLANTED[:-1], "sk-" + "proj-abcdefghijklm" + "1234567890"])
    plant = Plant(real, real.play([[fail(401, f"bad login: {text}", "invalid_request_error", "invalid_api_key")]]), web)
    codex, options = plant.open(source, transport)
    async with codex.start_thread(**options).run_streamed("go") as streamed:
        events = [event async for event in streamed.events]
        with pytest.raises(TurnFailedError) as caught:
            await streamed.wait()
    shown = [str(caught.value), repr(caught.value), repr(caught.value.turn), repr(events), caplog.text]
    assert "bad login: ***" in shown[0]
    assert not [secret for secret in (HEADER, VARIABLE, WEB_HEADER, WEB_TOKEN, "proj-abc") for line in shown if secret in line]


@TRANSPORTS
async def test_the_secrets_of_the_users_own_file_are_masked_too(real: Real, transport: str) -> None:
    model = real.play([[fail(401, f"bad login: {HEADER} {VARIABLE} {QUERY}", "invalid_request_error", "invalid_api_key")]])
    config = copy.deepcopy(model.config)
    provider = config["model_providers"].pop("demo")
    lines = [f"{name} = {json.dumps(value)}" for name, value in provider.items()]
    lines += [f'http_headers = {{X = "{HEADER}"}}', 'env_http_headers = {Y = "MY_HEADER"}', f'query_params = {{q = "{QUERY}"}}']
    (model.codex_home / "config.toml").write_text("\n".join(["[model_providers.demo]", *lines]))
    codex = real.codex(model, config=config, env=real.environment(model) | {"MY_HEADER": VARIABLE}, transport=transport)
    with pytest.raises(TurnFailedError, match=r"bad login: \*\*\* \*\*\* \*\*\*") as caught:
        await codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True).run("go")
    assert QUERY not in repr(caught.value.turn)


@pytest.mark.parametrize("given", [{"api_key": HEADER}, {"config": {"x": {"token": HEADER}}}, {"env": {"X": HEADER}}])
@pytest.mark.parametrize("held", ["options", "client"])
def test_a_client_with_a_secret_cannot_be_pickled(given: dict[str, Any], held: str) -> None:
    codex = Codex(**given)
    with pytest.raises(ConfigError, match=f"CodexOptions with {next(iter(given))} cannot be pickled") as caught:
        pickle.dumps(codex.options if held == "options" else codex)
    assert HEADER not in str(caught.value)
    assert copy.deepcopy(codex.options) == codex.options


async def test_the_pickle_of_a_client_that_was_used_has_no_variable_of_this_process(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a setting of the user's configuration. The copy works."""
    model = real.play(["One.", "Two."])
    for name, value in {**real.environment(model), "AWS_SECRET_ACCESS_KEY": VARIABLE}.items():
        monkeypatch.setenv(name, value)
    lines = [f'model_provider = "demo"\n[model_providers.demo]\nname = "Demo"\nbase_url = "{model.url}"\nenv_key = "{TOKEN_VARIABLE}"']
    (model.codex_home / "config.toml").write_text("\n".join([*lines, f'http_headers = {{ X-Key = "{HEADER}" }}', ""]))
    thread = Codex().start_thread(working_directory=real.workspace, skip_git_repo_check=True)
    await thread.run("go")
    data = pickle.dumps(thread)
    assert not [secret for secret in (VARIABLE, HEADER, model.token) if secret.encode() in data]
    assert (await pickle.loads(data).run("again")).final_response == "Two."  # noqa: S301 - our own


def test_options_without_a_secret_can_be_pickled() -> None:
    options = CodexOptions(base_url="http://localhost/v1")
    assert pickle.loads(pickle.dumps(options)) == options  # noqa: S301 - our own
    with pytest.raises(ConfigError, match="ThreadOptions with config_overrides cannot be pickled"):
        pickle.dumps(ThreadOptions(config_overrides=[f'mcp_servers.s.env.X="{HEADER}"']))


def in_kernel(kernel: Kernel, plant: Plant) -> Callable[[str], str]:
    """Give a kernel a client, and read all that it then shows as text."""
    config = copy.deepcopy(plant.model.config)
    del config["model_providers"]["demo"]["env_key"]
    env = {name: value for name, value in plant.real.environment(plant.model).items() if value != plant.model.token}
    options = json.dumps({"config": config, "env": env})
    kernel.execute(
        f"import json, codex_jupyter\nclient = codex_jupyter.Codex(transport='auto', **json.loads({options!r}))\n%codex use client"
    )

    def shown(code: str) -> str:
        return json.dumps(kernel.execute(code).messages, default=str)

    return shown


@pytest.mark.parametrize("transport", ["auto", "exec"])
def test_no_saved_output_of_a_cell_repeats_a_secret(kernel: Kernel, real: Real, web: Web, transport: str) -> None:
    """They come by a setting of the magic or by `-c`, and the provider repeats each."""
    plant = Plant(real, real.play([]), web)
    reply = fail(401, "bad login: " + " ".join(PLANTED[:-1]), "invalid_request_error", "invalid_api_key")
    plant.model = real.play([[reply], [reply]])
    shown = in_kernel(kernel, plant)
    shown(f"%config CodexMagics.transport = {transport!r}\n%config CodexMagics.settings = json.loads({json.dumps(plant.settings)!r})")
    try:
        outputs = [shown("%codex hello"), shown("%codex --dry-run hello"), shown("%codex status"), shown("%codex doctor")]
        assert "bad login: ***" in outputs[0]
        shown("%config CodexMagics.settings = {}")
        options = " ".join(f"-c '{override}'" for override in render_config_flags(plant.settings))
        outputs += [shown(f"%codex {options} hello"), shown(f"%codex --dry-run {options} hello")]
        assert "bad login: ***" in outputs[-2]
        outputs += [shown(f"%codex -c {override} hello") for override in BROKEN]
        outputs += [shown(f"%codex -c '{override} hello") for override in BROKEN]
    finally:
        shown("%config CodexMagics.settings = {}\n%config CodexMagics.transport = 'auto'\n%codex demo off")
    for output in outputs:
        for secret in PLANTED:
            assert secret not in output, output[max(0, output.index(secret) - 300) :][:600]
