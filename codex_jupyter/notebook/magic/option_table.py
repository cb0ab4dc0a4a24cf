"""The options of `%codex`, each once. The parser, the settings, the help and Tab completion are made from this table.

An option with flags can be given before a prompt. Each option is a setting of the same name too, which holds for the notebook. The setting
of `--config` is `settings`, because a `Configurable` already has an attribute `config`, and that of `--tool` is `tools`.
"""

from typing import Final, get_args

from codex_jupyter._choices import (
    ApprovalMode,
    CellsMode,
    KernelMode,
    PresetName,
    SandboxMode,
    ShellEnvironment,
    TransportName,
    WebSearchMode,
)
from codex_jupyter.notebook.magic.option import Option

SANDBOX_MODES: Final[tuple[str, ...]] = get_args(SandboxMode)
APPROVALS: Final[tuple[str, ...]] = tuple(mode for mode in get_args(ApprovalMode) if mode != "untrusted")
"""`codex exec` refuses `untrusted`, so it is not offered."""

_CODEX_DEFAULT: Final = "Empty uses the configuration of Codex."

OPTIONS: Final = (
    Option(name="model", flags=("-m", "--model"), help="Model, such as gpt-5.5.", default_help=_CODEX_DEFAULT, values="model"),
    Option(
        name="preset",
        flags=("--preset",),
        kind="choice",
        metavar="NAME",
        choices=get_args(PresetName),
        help="Rights of the agent, all at once: read-only, ask (recommended), edit or full. Options such as --sandbox override "
        "a part of it.",
        default_help="Empty sets none.",
    ),
    Option(
        name="sandbox",
        flags=("-s", "--sandbox"),
        kind="choice",
        metavar="MODE",
        choices=SANDBOX_MODES,
        help="What the agent's commands may do.",
        default_help="Empty uses the configuration of Codex (read-only if it has none).",
    ),
    Option(
        name="cd",
        flags=("-C", "--cd"),
        metavar="FOLDER",
        help="Working folder of the agent.",
        default_help="Empty is the current folder of the kernel.",
        is_path=True,
    ),
    Option(
        name="add_dir",
        flags=("--add-dir",),
        kind="list",
        metavar="FOLDER",
        repeatable=True,
        help="Another folder that the agent may write to; repeatable.",
        setting_help="Other folders that the agent may write to.",
        is_path=True,
    ),
    Option(
        name="image",
        flags=("-i", "--image"),
        kind="list",
        metavar="SPEC",
        repeatable=True,
        help="Image to attach: plot, plot:-2, plots:3, cell:12, a variable or a file; repeatable.",
        setting_help="Images that are attached to every prompt, as -i names them.",
        values="image",
        is_path=True,
    ),
    Option(
        name="config",
        setting="settings",
        flags=("-c", "--config"),
        kind="table",
        metavar="KEY=VALUE",
        repeatable=True,
        help="Setting of Codex for this turn, as in its config.toml; repeatable.",
        setting_help="Settings of Codex, as in its config.toml. They override the file.",
    ),
    Option(
        name="effort",
        flags=("-e", "--effort"),
        help="Reasoning effort, such as low, medium or high.",
        default_help=_CODEX_DEFAULT,
        values="effort",
    ),
    Option(
        name="approval",
        flags=("-a", "--approval"),
        kind="choice",
        metavar="WHEN",
        choices=APPROVALS,
        help="When the agent asks before it acts.",
        default_help="Empty is never.",
    ),
    Option(
        name="kernel",
        flags=("-k", "--kernel"),
        kind="choice",
        metavar="MODE",
        choices=get_args(KernelMode),
        help="What the agent may do in this kernel: off, read (look at variables, cells, outputs and plots), ask (also run code that you "
        "approve each time), once (that you approve once per notebook), run (run any code, with all rights of the kernel).",
        default_help="Empty uses the preset.",
    ),
    Option(
        name="cells",
        kind="choice",
        metavar="MODE",
        choices=get_args(CellsMode),
        help="Changes of notebook cells by the agent: propose, review (applied for you to keep or undo) or apply.",
        default_help="Empty uses the preset, otherwise propose.",
    ),
    Option(
        name="kernel_rows",
        kind="count",
        default=20,
        minimum=1,
        help="Rows of a data frame that the agent may look at with --kernel.",
    ),
    Option(
        name="tool",
        setting="tools",
        flags=("--tool",),
        kind="list",
        metavar="NAME",
        repeatable=True,
        help="Function of the notebook that the agent may call; repeatable.",
        setting_help="Functions of the notebook that the agent may call.",
        values="variable",
    ),
    Option(
        name="transport",
        kind="choice",
        default="auto",
        choices=("auto", *(name for name in get_args(TransportName) if name != "auto")),
        help="Transport of the turns: exec, one process per turn; app-server, which streams text, asks and can be steered; "
        "auto, which chooses for each turn.",
    ),
    Option(
        name="shell_environment",
        kind="choice",
        choices=get_args(ShellEnvironment),
        help="Environment variables of the kernel that the agent's commands inherit: all, or core (such as HOME and PATH).",
        default_help="Empty uses the configuration of Codex (all except CODEX_API_KEY).",
    ),
    Option(
        name="web_search",
        flags=("--web-search",),
        kind="choice",
        metavar="MODE",
        choices=get_args(WebSearchMode),
        help="Web search.",
        default_help=_CODEX_DEFAULT,
    ),
    Option(
        name="new",
        flags=("-n", "--new"),
        kind="flag",
        default=False,
        help="Start a new thread.",
        setting_help="Start a new thread with every prompt.",
    ),
    Option(
        name="thread",
        flags=("-t", "--thread"),
        metavar="NAME",
        help="Name of the thread to use.",
        default_help="Empty is the notebook's own thread.",
        values="thread",
    ),
    Option(
        name="resume",
        flags=("-r", "--resume"),
        metavar="ID",
        bare_value="last",
        help="Resume an earlier thread: an id, or the last thread.",
        setting_help="Thread that the first prompt of a kernel resumes: an id, or `last` for the notebook's earlier thread, if any.",
        default_help="Empty resumes no thread.",
        values="earlier thread",
    ),
    Option(
        name="out",
        flags=("-o", "--out"),
        metavar="VAR",
        help="Variable that receives the answer, or the value of the schema.",
        default_help="Empty stores no answer.",
        values="variable",
    ),
    Option(
        name="schema",
        flags=("--schema",),
        metavar="NAME",
        help="Schema of the answer: a class or dict of the notebook, or a JSON file.",
        default_help="Empty allows any text.",
        values="variable",
        is_path=True,
    ),
    Option(
        name="context",
        flags=("--context",),
        default="auto",
        metavar="WHAT",
        repeatable=True,
        help="What the kernel reports with the prompt: auto, vars, vars:NAME, cells, cells:-5.., outputs, error, none; repeatable.",
        setting_help="What the kernel reports with a prompt: auto, vars, vars:NAME,NAME, cells, cells:-5.., outputs, error, none; "
        "several are joined by +.",
        values="context",
    ),
    Option(
        name="attach_plots",
        kind="choice",
        default="mentioned",
        choices=("none", "mentioned", "new"),
        help="Images that are attached besides those of -i: none; those that the prompt mentions as @plot or @variable; "
        "or also all that are new to the thread.",
    ),
    Option(
        name="max_image_side",
        kind="count",
        default=2048,
        minimum=16,
        help="Largest side of an image in pixels. Larger images are scaled down.",
    ),
    Option(
        name="max_image_bytes",
        kind="count",
        default=5_000_000,
        minimum=1_000,
        help="Largest size of an image in bytes. Larger images are scaled down.",
    ),
    Option(name="quiet", flags=("-q", "--quiet"), kind="flag", default=False, help="Show only the answer."),
    Option(
        name="live_updates",
        kind="choice",
        default="auto",
        choices=("auto", "on", "off"),
        help="Outputs of a running turn: on changes them while it runs; off adds each item once when it has ended, for front ends that "
        "ignore changes, such as consoles; auto looks at the front end.",
    ),
    Option(
        name="fold_work",
        kind="flag",
        default=True,
        help="Fold the work of a turn into one line, below the answer. Failed actions, changed files and images stay visible.",
    ),
    Option(
        name="bg",
        flags=("--bg",),
        kind="flag",
        default=False,
        help="Run in the background. The value of the cell is the running turn.",
        setting_help="Run every turn in the background.",
    ),
    Option(
        name="timeout",
        flags=("--timeout",),
        kind="seconds",
        default=0.0,
        metavar="SECONDS",
        help="Stop the turn after this time.",
        default_help="0 sets no limit.",
    ),
    Option(
        name="network_timeout",
        kind="seconds",
        default=300.0,
        help="Seconds without a byte from the model after which a turn that waits for the model is stopped.",
        default_help="0 sets no limit.",
    ),
    Option(
        name="max_seconds_per_turn",
        kind="seconds",
        default=0.0,
        help="Seconds after which every turn is stopped, also if its cell allows more.",
        default_help="0 sets no limit.",
    ),
    Option(
        name="max_tokens_per_turn",
        kind="count",
        default=0,
        help="Tokens of input and output after which a turn is stopped.",
        default_help="0 sets no limit.",
    ),
    Option(
        name="snapshots",
        kind="flag",
        default=True,
        help="Record the files of the working folder before and after each turn that may change them, so that `%codex undo` can take it "
        "back. Their contents are stored in your state folder, except those that look secret.",
    ),
    Option(
        name="dry_run",
        flags=("--dry-run",),
        kind="flag",
        default=False,
        help="Show what would be sent, and send nothing.",
        setting_help="Only show what prompts would send, and send nothing.",
    ),
    Option(
        name="expand",
        flags=("--expand",),
        kind="flag",
        default=True,
        help="Replace {name} in the prompt by the value of that variable; on by default.",
        setting_help="Replace {name} in a prompt by the value of that variable.",
    ),
    Option(
        name="raise_errors",
        flags=("--raise",),
        kind="flag",
        default=True,
        help="Raise an error if the turn fails, so that Run All stops; on by default.",
        setting_help="Raise an error if a turn fails, so that Run All stops.",
    ),
)
LINE_OPTIONS: Final = tuple(option for option in OPTIONS if option.flags)
"""The options that a line can give, in the order of the help."""


def _all_flags(option: Option) -> tuple[str, ...]:
    negated = () if option.takes_value else tuple(f"--no-{flag[2:]}" for flag in option.flags if flag.startswith("--"))
    return (*option.flags, *negated)


FLAGS: Final = {flag: option for option in LINE_OPTIONS for flag in _all_flags(option)}
"""The option of each flag, in the order of the help."""
