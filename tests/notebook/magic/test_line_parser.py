"""The line of a magic: options are read, the prompt is left alone."""

import argparse

import pytest
from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from codex_jupyter.notebook.magic.line_parser import option_parser, parse_line


@pytest.fixture
def parser() -> MagicArgumentParser:
    return option_parser()


@pytest.mark.parametrize(
    "prompt",
    [
        "explain {x} and $y",
        'say "hello  there" twice',
        "it's an odd quote",
        "why -s and --sandbox?",
        "a - b",
        "-1 is the answer, why",
        "- a list",
        "C:\\temp\\new",
        "naïve 日本語 😀",
        '"unclosed',
    ],
)
def test_a_prompt_is_never_altered(parser: MagicArgumentParser, prompt: str) -> None:
    """With or without options before it, the text after them is given back to the letter."""
    assert parse_line(parser, prompt)[1] == prompt
    options, rest, _ = parse_line(parser, f"-s read-only --model=m -n {prompt}")
    assert (options.sandbox, options.model, options.new, rest) == ("read-only", "m", True, prompt)


def test_two_dashes_end_the_options(parser: MagicArgumentParser) -> None:
    """After it, a prompt may start with a dash."""
    options, rest, _ = parse_line(parser, "-n -- -m is an option")
    assert (options.new, options.model, rest) == (True, None, "-m is an option")


def test_values_may_be_quoted(parser: MagicArgumentParser) -> None:
    """A folder may have a blank in its name."""
    options, rest, _ = parse_line(parser, "-C 'my folder/sub' --model=\"a b\" go")
    assert (options.cd, options.model, rest) == ("my folder/sub", "a b", "go")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--modle x", "Did you mean --model"),
        ("--zzzz x", "There is no option --zzzz. `%codex help`"),
        ("--help", "There is no option --help. `%codex help`"),
        ("--version", "There is no option --version. `%codex help`"),
        ("-model x", "There is no option -model. Did you mean --model?"),
        ("-s", "-s needs a value"),
        ("-m -n", "-m needs a value"),
        ("-s nonsense go", "invalid choice"),
        ("-q=1 go", "-q takes no value"),
        ("-Q go", "Did you mean -q"),
        ("-bg go", "Did you mean --bg"),
        ("-z go", "There is no option -z. `%codex help`"),
        ('-c x.token="planted go', "-c: a quote in its value is not closed.$"),
        ("--config='x=planted go", "--config: a quote in its value is not closed.$"),
    ],
)
def test_a_wrong_option_is_a_usage_error(parser: MagicArgumentParser, line: str, message: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(UsageError, match=message):
        parse_line(parser, line)


def test_the_options_alone_leave_no_prompt(parser: MagicArgumentParser) -> None:
    """Nothing is left over."""
    options, rest, _ = parse_line(parser, " -n ")
    assert isinstance(options, argparse.Namespace)
    assert rest == ""


def test_an_optional_value_is_not_taken_from_the_prompt(parser: MagicArgumentParser) -> None:
    """`-r` takes an id or `last`; a name needs the `=`."""
    thread_id = "01a214fe-0653-7bd0-8ede-eb5035bec8f3"
    for line, resume, rest in (
        ("-r go on", "last", "go on"),
        ("-r last go", "last", "go"),
        (f"-r {thread_id} go", thread_id, "go"),
        ("--resume=side go", "side", "go"),
        ("-r", "last", ""),
        ("-r -q go", "last", "go"),
    ):
        options, prompt, _ = parse_line(parser, line)
        assert (options.resume, prompt) == (resume, rest)


def test_what_is_switched_on_can_be_switched_off(parser: MagicArgumentParser) -> None:
    """So that a cell can overrule a setting of the notebook."""
    for name, dest in (
        ("quiet", "quiet"),
        ("bg", "bg"),
        ("new", "new"),
        ("dry-run", "dry_run"),
        ("expand", "expand"),
        ("raise", "raise_errors"),
    ):
        assert getattr(parse_line(parser, f"--{name} go")[0], dest) is True
        assert getattr(parse_line(parser, f"--no-{name} go")[0], dest) is False
        assert getattr(parse_line(parser, "go")[0], dest) is None


@pytest.mark.parametrize(
    ("line", "setting", "rest"),
    [
        ('-c mcp_servers.x.args=["/path"] go', 'mcp_servers.x.args=["/path"]', "go"),
        ('-c x.args=["/a b", "c"] go "on"', 'x.args=["/a b", "c"]', 'go "on"'),
        ('--config=x={ a = "b", c = [1, 2] } go', 'x={ a = "b", c = [1, 2] }', "go"),
        ("-c x.args=['/path'] go", "x.args=['/path']", "go"),
        ('-c x=["]", "["] go', 'x=["]", "["]', "go"),
        ("-c 'x=[\"/path\"]' go", 'x=["/path"]', "go"),
        ('-c model="gpt 5" go', "model=gpt 5", "go"),
        ("-c x=[1 go", "x=[1 go", ""),
    ],
)
def test_a_list_or_table_of_toml_keeps_its_quotes(parser: MagicArgumentParser, line: str, setting: str, rest: str) -> None:
    """The brackets belong to the value, also with blanks in them."""
    parsed = parse_line(parser, line)
    assert parsed.options.config == [setting]
    assert parsed.rest == rest
