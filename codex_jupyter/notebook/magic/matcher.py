"""Tab completion of `%codex` and `%%codex` in a shell.

IPython does not complete the options of a magic. Completions of its `complete_command` hook are mixed with those of Jedi, which reads
`--model` as an expression. So this is a matcher: it can suppress the other matchers, and does so where it has completions.
"""

import contextlib
from collections.abc import Callable
from typing import Any, Final

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.interactiveshell import InteractiveShell

_IDENTIFIER: Final = "codex_jupyter.completion"


def install(shell: InteractiveShell, complete: Callable[[str], list[str]]) -> None:
    """Complete the lines of the magic. A second call replaces the first.

    Args:
        shell: The shell.
        complete: Takes the line up to the cursor, with the magic, and returns replacements for its `current_word`, as `candidates` does.
            If it raises, there is no completion.
    """
    uninstall(shell)

    def matcher(context: CompletionContext) -> SimpleMatcherResult:
        from codex_jupyter.notebook.magic.completion import current_word  # not needed to load the extension

        line, words = context.text_until_cursor, list[str]()
        if _is_code(context):
            with contextlib.suppress(Exception):
                words = complete(line)
        completions = [SimpleCompletion(text=text, type="magic") for text in words]
        return SimpleMatcherResult(completions=completions, matched_fragment=current_word(line), suppress=bool(words), ordered=True)

    # Before all others, so that they do not run: Jedi alone can take a second.
    _matchers(shell).append(context_matcher(identifier=_IDENTIFIER, priority=1000)(matcher))


def uninstall(shell: InteractiveShell) -> None:
    """Undo `install`; does nothing if it was not called."""
    matchers = _matchers(shell)
    matchers[:] = [matcher for matcher in matchers if getattr(matcher, "matcher_identifier", None) != _IDENTIFIER]


def _matchers(shell: InteractiveShell) -> list[Any]:
    matchers: list[Any] = shell.Completer.custom_matchers
    return matchers


def _is_code(context: CompletionContext) -> bool:
    """Return True if IPython would read the cursor's line as a magic. The body of a cell magic is text."""
    above = "\n".join(context.full_text.split("\n")[: context.cursor_line]).strip()
    in_body, is_cell_magic = above.startswith("%%"), context.line_with_cursor.lstrip().startswith("%%")
    return not in_body and not (above and is_cell_magic)
