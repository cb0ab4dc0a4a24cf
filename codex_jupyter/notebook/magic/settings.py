"""The settings of the magic: what `%config CodexMagics` shows and sets, and `ipython_config.py` sets for good.

Each option of a cell is a setting of the same name, but for `--config`: a `Configurable` has a `config` already, so that is `settings`.
"""

from typing import Any, Final

from IPython.core.error import UsageError
from IPython.core.magic import Magics
from traitlets import Bool, Dict, Enum, Float, Int, List, TraitError, Unicode, validate

from codex_jupyter.notebook.session.names import check_name

SANDBOX_MODES: Final = ("read-only", "workspace-write", "danger-full-access")
APPROVALS: Final = ("never", "on-request", "on-failure")
TRANSPORTS: Final = ("auto", "exec", "app-server")
SHELL_ENVIRONMENTS: Final = ("all", "core")
WEB_SEARCH_MODES: Final = ("disabled", "cached", "live")


class _CodexConfig(Dict):  # its generic form exists for type checkers only
    """Settings of Codex. On a command line, `key=value` means what it means to Codex: the value is TOML, or else a text."""

    def item_from_string(self, s: str) -> dict[str, Any]:
        """Read `key=value`."""
        import tomllib

        [(key, value)] = super().item_from_string(s).items()
        try:
            return {key: tomllib.loads(f"v = {value}")["v"]}
        except tomllib.TOMLDecodeError:
            return {key: value}


class CodexSettings(Magics):
    """The settings; a cell's own options come before them, and Codex's own configuration after them."""

    model = Unicode("", help="The model; empty leaves it to Codex.").tag(config=True)
    sandbox = Enum(
        ("", *SANDBOX_MODES),
        default_value="",
        help="What the agent's commands may do: read-only, workspace-write or danger-full-access; empty leaves it to Codex (read-only).",
    ).tag(config=True)
    cd = Unicode("", help="The folder that the agent works in; empty is the kernel's current folder.").tag(config=True)
    add_dir = List(Unicode(), help="More folders that the agent may write to.").tag(config=True)
    image = List(Unicode(), help="Pictures that go along with every prompt, as -i names them.").tag(config=True)
    settings = _CodexConfig(help="Settings for Codex as in its config.toml; they win over the file.").tag(config=True)
    effort = Unicode("", help="How hard the model thinks, such as low, medium or high; empty leaves it to Codex.").tag(config=True)
    approval = Enum(
        ("", *APPROVALS), default_value="", help="When the agent asks before it acts: on-request, on-failure or never; empty is never."
    ).tag(config=True)
    transport = Enum(
        TRANSPORTS,
        default_value="auto",
        help="What runs the turns: exec, a process each; app-server, one that tells text as it is written, asks and can be steered; auto.",
    ).tag(config=True)
    shell_environment = Enum(
        ("", *SHELL_ENVIRONMENTS),
        default_value="",
        help="Environment variables of the kernel that the agent's commands inherit: core (HOME, PATH and what else a shell needs) or all; "
        "empty leaves it to Codex (all but CODEX_API_KEY).",
    ).tag(config=True)
    web_search = Enum(
        ("", *WEB_SEARCH_MODES), default_value="", help="Web search: disabled, cached or live; empty leaves it to Codex."
    ).tag(config=True)
    new = Bool(False, help="Whether every prompt begins a new thread.").tag(config=True)
    thread = Unicode("", help="The name of the thread that prompts use; empty is the notebook's own.").tag(config=True)
    resume = Unicode(
        "",
        help="What the first prompt of a kernel goes on with: last, the notebook's earlier thread if there is one, or an id; or nothing.",
    ).tag(config=True)
    out = Unicode("", help="The variable that gets each answer.").tag(config=True)
    schema = Unicode("", help="The form of every answer: a class or dict of the notebook, or a JSON file.").tag(config=True)
    context = Unicode(
        "auto",
        help="What the kernel tells along with a prompt: auto, vars, vars:NAME,NAME, cells, cells:-5.., outputs, error, none; joined by +.",
    ).tag(config=True)
    attach_plots = Enum(
        ("none", "mentioned", "new"),
        default_value="mentioned",
        help="Which pictures go along: none but those of -i; also those mentioned as @plot or @variable; or also all that are new.",
    ).tag(config=True)
    max_image_side = Int(2048, min=16, help="Pixels of the longest side of a picture; a larger one is scaled down.").tag(config=True)
    max_image_bytes = Int(5_000_000, min=1_000, help="Largest picture in bytes; a larger one is scaled down.").tag(config=True)
    quiet = Bool(False, help="Whether only the answer is shown.").tag(config=True)
    bg = Bool(False, help="Whether turns go on in the background.").tag(config=True)
    timeout = Float(0.0, min=0.0, help="Seconds after which a turn is stopped; 0 never.").tag(config=True)
    network_timeout = Float(
        300.0, min=0.0, help="Seconds without a byte from the model after which a turn is stopped, while it waits for the model; 0 never."
    ).tag(config=True)
    max_seconds_per_turn = Float(0.0, min=0.0, help="Seconds after which every turn is stopped, whatever its cell says; 0 never.").tag(
        config=True
    )
    max_tokens_per_turn = Int(0, min=0, help="Tokens of input and output after which a turn is stopped; 0 never.").tag(config=True)
    dry_run = Bool(False, help="Whether prompts are only shown, and nothing is sent.").tag(config=True)
    expand = Bool(True, help="Whether {name} in a prompt is replaced by the value of that variable.").tag(config=True)
    raise_errors = Bool(True, help="Whether a turn that failed raises, so that Run All stops.").tag(config=True)

    @validate("thread", "out")
    def _is_name(self, proposal: Any) -> str:
        name: str = proposal["value"]
        try:
            return check_name(name, proposal["trait"].name) if name else name
        except UsageError as error:
            raise TraitError(str(error)) from None

    @validate("context")
    def _is_context(self, proposal: Any) -> str:
        from codex_jupyter.notebook.context.spec import parse_spec

        try:
            parse_spec(proposal["value"])
        except UsageError as error:
            raise TraitError(str(error).removeprefix("--")) from None
        return str(proposal["value"])
