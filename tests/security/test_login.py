"""Log in and out from Python and from a cell, and be refused at once where a login is needed and there is none."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import codex_jupyter
from codex_jupyter.sdk import Account, AuthenticationError, Codex, LoginError, ThreadOptions, UnsupportedOperationError
from codex_jupyter.sdk.transports.login_check import needs_login
from codex_jupyter.sdk.transports.scripted import ScriptedTransport
from codex_jupyter.testing import ScriptedModel
from tests.notebook.chat.pages import ChatPage
from tests.notebook.conftest import Execution, Kernel
from tests.processes import command_line
from tests.sdk.conftest import Real
from tests.sdk.support.fake import MakeFake, until
from tests.sdk.support.fake_server import fake_server
from tests.security.issuer import CODE, EMAIL, REFRESH_TOKEN, Issuer

pytestmark = pytest.mark.anyio
TRANSPORTS = pytest.mark.parametrize("transport", ["exec", "app-server", "auto"])
LIMIT = 60.0


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    server = Issuer()
    yield server
    server.shutdown()
    server.server_close()


def needing(model: ScriptedModel) -> dict[str, Any]:
    """The settings of a scripted model that accepts the login of the CLI: a key that is its token."""
    config = copy.deepcopy(model.config)
    provider = config["model_providers"]["demo"]
    del provider["env_key"]
    provider["requires_openai_auth"] = True
    return config


def client(real: Real, model: ScriptedModel, transport: str = "app-server", issuer: Issuer | None = None, **options: Any) -> Codex:
    env = real.environment(model) | ({} if issuer is None else issuer.env)
    config = needing(model) | ({} if issuer is None else issuer.config)
    return real.codex(model, config=config, env=env, transport=transport, **options)


async def run(codex: Codex, real: Real, **options: Any) -> str:
    thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, **options)
    return (await thread.run("go")).final_response


@TRANSPORTS
async def test_without_a_login_nothing_is_sent_and_after_it_the_next_turn_runs(real: Real, transport: str) -> None:
    """On the same client, whose server runs already."""
    model = real.play(["Hi!"])
    codex = client(real, model, transport)
    with pytest.raises(AuthenticationError, match="No one is logged in, so nothing was sent") as caught:
        await run(codex, real)
    assert "%codex login" in str(caught.value)
    assert model.requests == []
    assert list(model.codex_home.glob("sessions/**/*.jsonl")) == []
    assert await codex.login_api_key(model.token) == Account(type="apiKey")
    assert await run(codex, real) == "Hi!"
    await codex.logout()
    with pytest.raises(AuthenticationError, match="No one is logged in"):
        await run(codex, real)


@TRANSPORTS
async def test_the_own_provider_of_the_cli_needs_a_login(real: Real, transport: str) -> None:
    """There is no network here: no try is made."""
    model = real.play([])
    codex = real.codex(model, config={"model_provider": "openai"}, transport=transport)
    with anyio.fail_after(LIMIT), pytest.raises(AuthenticationError, match="No one is logged in"):
        await run(codex, real)


@TRANSPORTS
async def test_a_provider_of_the_user_needs_no_login(real: Real, transport: str) -> None:
    """Also if only the thread's own settings name it."""
    model = real.play(["Hi!", "Again."])
    assert await run(real.codex(model, transport=transport), real) == "Hi!"
    config = {name: value for name, value in model.config.items() if name != "model_provider"}
    codex = real.codex(model, config=config | {"model_provider": "openai"}, transport=transport)
    assert await run(codex, real, config_overrides=['model_provider="demo"']) == "Again."


@pytest.mark.parametrize(
    ("config", "options", "env", "needs"),
    [
        ({}, {}, {}, True),
        ({"model_provider": "openai"}, {}, {}, True),
        ({"model_provider": "mine"}, {}, {}, False),
        ({"model_provider": "mine", "model_providers": {"mine": {"base_url": "http://x"}}}, {}, {}, False),
        ({"model_provider": "mine", "model_providers": {"mine": {"requires_openai_auth": True}}}, {}, {}, True),
        ({"model_provider": "ollama"}, {}, {}, False),
        ({"model_provider": "amazon-bedrock"}, {}, {}, False),
        ({"openai_base_url": "http://localhost/v1"}, {}, {}, False),
        ({}, {"oss": True}, {}, False),
        ({}, {"profile": "work"}, {}, False),
        ({}, {}, {"CODEX_API_KEY": "sk-1"}, False),
        ({}, {}, {"CODEX_ACCESS_TOKEN": "x"}, False),
    ],
)
def test_who_needs_a_login(config: dict[str, Any], options: dict[str, Any], env: dict[str, str], needs: bool) -> None:
    assert needs_login(config, ThreadOptions(**options), env) is needs


async def test_a_wrong_key_says_how_to_log_in(real: Real) -> None:
    model = real.play(["Hi!"])
    codex = client(real, model)
    await codex.login_api_key("sk-planted-wrong-0123456789")
    with pytest.raises(AuthenticationError, match=r"(?s)401.*`%codex login`") as caught:
        await run(codex, real)
    assert "planted" not in str(caught.value)


# --- a code for another device ---


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_a_code_for_another_device_logs_in(real: Real, issuer: Issuer, transport: str) -> None:
    model = real.play([])
    codex = client(real, model, transport, issuer)
    login = await codex.login_chatgpt_device_code()
    assert (login.url, login.user_code) == (f"{issuer.url}/codex/device", CODE)
    issuer.entered.set()
    with anyio.fail_after(LIMIT):
        assert await login.wait() == Account(type="chatgpt", email=EMAIL, plan="plus")
    stored = json.loads((model.codex_home / "auth.json").read_text())
    assert stored["tokens"]["refresh_token"] == REFRESH_TOKEN
    assert REFRESH_TOKEN not in repr(login) + repr(codex)
    await login.cancel()
    with anyio.fail_after(LIMIT):
        await codex.logout()
    assert not (model.codex_home / "auth.json").exists()


async def test_a_login_that_is_cancelled_leaves_nothing(real: Real, issuer: Issuer) -> None:
    """By a call, by the scope, and by closing the client; in each case its server ends."""
    model = real.play([])
    codex = client(real, model, issuer=issuer)
    login = await codex.login_chatgpt_device_code()
    with pytest.raises(LoginError, match="The login was cancelled"):  # noqa: PT012 - both belong to the wait
        async with anyio.create_task_group() as group:
            group.start_soon(login.cancel)
            try:
                await login.wait()
            except LoginError as error:
                caught = error
        raise caught
    login = await codex.login_chatgpt_device_code()
    with anyio.move_on_after(0.1) as scope:
        await login.wait()
    assert scope.cancelled_caught
    login = await codex.login_chatgpt_device_code()
    await codex.aclose()
    with pytest.raises(LoginError, match="The login was cancelled"):
        await login.wait()
    assert not (model.codex_home / "auth.json").exists()
    await until(lambda: not [process for process in real.processes() if "app-server" in command_line(process)])


async def test_a_login_that_is_not_completed_ends(real: Real, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codex_jupyter.sdk.login.LOGIN_TIMEOUT", 0.3)
    login = await client(real, real.play([]), issuer=issuer).login_chatgpt_device_code()
    with pytest.raises(LoginError, match="no one logged in within"):
        await login.wait()


async def test_a_login_that_is_refused_says_why(real: Real, issuer: Issuer) -> None:
    issuer.refuses = True
    with pytest.raises(LoginError, match=r"The login did not succeed: .*500"):
        await client(real, real.play([]), issuer=issuer).login_chatgpt_device_code()


async def test_a_custom_transport_has_no_login() -> None:
    codex = Codex(transport=ScriptedTransport([]))
    for call in (codex.login_chatgpt, codex.login_chatgpt_device_code, codex.logout):
        with pytest.raises(UnsupportedOperationError, match="runs no codex executable"):
            await call()


# --- a link for the browser ---

LINK = """
def answer(request):
    method, number = request["method"], request["id"]
    if method == "initialize":
        tell(id=number, result=dict(userAgent="codex_jupyter/" + VERSION))
    elif method == "account/login/start":
        record("login", request["params"])
        tell(id=number, result=dict(type="chatgpt", loginId="login-1", authUrl="https://auth.example.org/?state=planted"))
        # Others' logins, and what is about no login, are passed over.
        tell(method="account/updated", params=dict(authMode=None))
        tell(method="account/login/completed", params=dict(loginId="other", success=False, error="not ours"))
        tell(method="account/login/completed", params=dict(loginId="login-1", success=%s, error="the user said no"))
    elif method == "account/read":
        tell(id=number, result=dict(account=dict(type="chatgpt", email="ada@example.org", planType="pro"), requiresOpenaiAuth=True))
    else:
        tell(id=number, result=dict())

run()
"""


async def test_a_link_for_the_browser_logs_in(fake: MakeFake) -> None:
    cli = fake_server(fake, LINK % "True")
    login = await cli.codex().login_chatgpt()
    assert (login.url, login.user_code) == ("https://auth.example.org/?state=planted", None)
    assert "planted" not in repr(login)
    assert await login.wait() == Account(type="chatgpt", email="ada@example.org", plan="pro")
    assert cli.records("login") == [{"type": "chatgpt"}]


async def test_a_login_that_the_user_declines_is_an_error(fake: MakeFake) -> None:
    login = await fake_server(fake, LINK % "False").codex().login_chatgpt()
    with pytest.raises(LoginError, match="The login did not succeed: the user said no"):
        await login.wait()


async def test_the_key_is_kept_from_the_server_of_a_login(fake: MakeFake) -> None:
    """With one in its environment, it would keep the login to itself."""
    cli = fake_server(fake, LINK % "True", CODEX_API_KEY="planted-key")
    await (await cli.codex(api_key="planted-key").login_chatgpt()).wait()
    assert "CODEX_API_KEY" not in cli.env
    assert not any("cli_auth_credentials_store" in argument for argument in cli.argv)


# --- in a cell ---


@pytest.fixture
def at(kernel: Kernel, real: Real, issuer: Issuer) -> Iterator[Callable[..., Execution]]:
    """Run a cell of a kernel whose client can log in at the issuer."""
    model = real.play(["Hi!"])
    config, env = needing(model) | issuer.config, real.environment(model) | issuer.env
    code = f"client = codex_jupyter.Codex(transport='auto', config={config!r}, env={env!r})"
    assert kernel.execute(f"import codex_jupyter\n{code}\n%codex use client").error is None
    yield kernel.execute
    kernel.execute("%codex demo off")


def test_a_cell_logs_in_with_a_code_and_logs_out(at: Callable[..., Execution], issuer: Issuer) -> None:
    shown: list[str] = []

    def on_message(message: dict[str, Any]) -> None:
        text = json.dumps(message["content"])
        shown.append(text)
        if CODE in text:
            issuer.entered.set()

    refused = at("%codex hello")
    assert refused.error is not None
    assert refused.error.count("\n") == 0
    assert "AuthenticationError: No one is logged in, so nothing was sent. Log in with `%codex login`" in refused.error
    done = at("%codex login device", on_message)
    assert done.error is None
    assert f"enter the code {CODE}" in shown[0]
    assert f"{issuer.url}/codex/device" in shown[0]
    assert "Logged in with ChatGPT (plus)." in done.text
    # What stays in the saved file.
    assert CODE not in done.text + done.html
    assert issuer.url not in done.text + done.html
    assert EMAIL not in json.dumps(done.messages, default=str)
    assert "Logged out: the next prompt needs a login." in at("%codex logout").text


def test_a_prompt_that_was_not_sent_is_not_the_title_of_a_chat(at: Callable[..., Execution], kernel: Kernel) -> None:
    assert "nothing was sent" in (at("%codex -t asked hello").error or "")
    assert at("chat = codex_jupyter.chat('asked')").error is None
    page = ChatPage(kernel)
    page.sync()
    titles = {entry["name"]: entry["title"] for entry in page.last("meta")["threads"]}
    assert titles["asked"] == "asked"


def test_on_a_hub_the_code_is_the_default(at: Callable[..., Execution], issuer: Issuer) -> None:
    issuer.entered.set()
    try:
        done = at("import os\nos.environ['JUPYTERHUB_USER'] = 'ada'\n%codex login")
    finally:
        at("del os.environ['JUPYTERHUB_USER']")
    assert "Logged in with ChatGPT (plus)." in done.text
    assert issuer.asked[0].endswith("/deviceauth/usercode")


def test_a_cell_logs_in_with_a_key_that_is_asked_for(kernel: Kernel, at: Callable[..., Execution], real: Real) -> None:
    """It is not shown. Where no one can be asked, the message gives the remedy."""
    assert "Set CODEX_API_KEY in the environment instead" in at("%codex login key").text
    request = kernel.client.execute("%codex login key", allow_stdin=True)
    question = kernel.client.get_stdin_msg(timeout=LIMIT)["content"]
    assert question == {"prompt": "API key (it is not shown): ", "password": True}
    kernel.client.input("sk-planted-0123456789")
    outputs = []
    while (message := kernel.client.get_iopub_msg(timeout=LIMIT))["content"].get("execution_state") != "idle":
        if message["parent_header"].get("msg_id") == request:
            outputs.append(json.dumps(message["content"]))
    assert "Logged in with an API key." in "".join(outputs)
    assert "planted" not in "".join(outputs)


def test_an_interrupt_cancels_the_login(kernel: Kernel, at: Callable[..., Execution]) -> None:
    done = at("%codex login device", lambda message: kernel.manager.interrupt_kernel() if message["msg_type"] == "display_data" else None)
    assert done.error is not None
    assert "LoginError: The login was cancelled." in done.error
    assert CODE not in done.text + done.html


def test_an_interrupt_while_the_code_is_displayed_cancels_the_login(at: Callable[..., Execution]) -> None:
    at(
        "import os, signal\nfrom codex_jupyter.notebook.magic import login\nshow = login.display_own\n"
        "def interrupted(*args, **options):\n"
        "    show(*args, **options)\n    if not options.get('update'):\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "login.display_own = interrupted"
    )
    done = at("%codex login device")
    at("login.display_own = show")
    assert "LoginError: The login was cancelled." in (done.error or "")
    assert CODE not in done.text + done.html


def test_a_key_that_is_set_is_named(at: Callable[..., Execution], issuer: Issuer) -> None:
    issuer.entered.set()
    at("client.options.env['CODEX_API_KEY'] = 'sk-planted-0123456789'")
    assert "But CODEX_API_KEY is set, and is used instead of this login." in at("%codex login device").text
    assert "But CODEX_API_KEY is set, and is still used." in at("%codex logout").text


def test_what_cannot_be_done_is_said_in_one_line(kernel: Kernel, at: Callable[..., Execution]) -> None:
    assert "`%codex login` takes browser, device or key, not 'phone'." in at("%codex login phone").text
    kernel.execute("%codex demo")
    assert "Demo mode needs no login." in at("%codex login").text
    assert "Demo mode needs no login." in at("%codex logout").text


def test_every_remedy_names_a_command_that_exists() -> None:
    """After `pip install` there is no `codex` on the PATH."""
    sources = list(Path(codex_jupyter.__file__).parent.rglob("*.py"))
    assert len(sources) > 50
    assert not [path for path in sources for word in ("run", "with", "Run", "With") if f"{word} `codex login" in path.read_text()]
