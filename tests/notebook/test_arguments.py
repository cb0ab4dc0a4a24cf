"""The line of a magic: options are read, the prompt is left alone."""

import argparse

import pytest
from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from codex_jupyter.notebook.arguments import parse_line
from codex_jupyter.notebook.magics import CodexMagics


@pytest.fixture
def parser() -> MagicArgumentParser:
    return CodexMagics.codex.parser  # type: ignore[no-any-return]


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
    options, rest = parse_line(parser, f"-s read-only --model=m -n {prompt}")
    assert (options.sandbox, options.model, options.new, rest) == ("read-only", "m", True, prompt)


def test_two_dashes_end_the_options(parser: MagicArgumentParser) -> None:
    """A prompt may then begin with a dash."""
    options, rest = parse_line(parser, "-n -- -m is an option")
    assert (options.new, options.model, rest) == (True, None, "-m is an option")


def test_values_may_be_quoted(parser: MagicArgumentParser) -> None:
    """A folder may have a blank in its name."""
    options, rest = parse_line(parser, "-C 'my folder/sub' --model=\"a b\" go")
    assert (options.cd, options.model, rest) == ("my folder/sub", "a b", "go")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--modle x", "Did you mean --model"),
        ("--zzzz x", "There is no option --zzzz. `%codex help`"),
        ("-s", "-s needs a value"),
        ("-m -n", "-m needs a value"),
        ("-s nonsense go", "invalid choice"),
    ],
)
def test_a_wrong_option_is_a_usage_error(parser: MagicArgumentParser, line: str, message: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(UsageError, match=message):
        parse_line(parser, line)


def test_the_options_alone_leave_no_prompt(parser: MagicArgumentParser) -> None:
    """Nothing is left over."""
    options, rest = parse_line(parser, " -n ")
    assert isinstance(options, argparse.Namespace)
    assert rest == ""
