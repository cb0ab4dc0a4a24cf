"""`%codex rules`: what the user has allowed for good, and how to take it back."""

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.display.table import Table
from codex_jupyter.sdk.approval_rules import permanent_approvals, revoke

if TYPE_CHECKING:
    from codex_jupyter.notebook.magic.magics import CodexMagics


def rules(magics: "CodexMagics") -> Table:
    """List what is allowed for good."""
    session = magics.session
    session.approvals, problems = permanent_approvals(session.client.codex_home)
    for problem in problems:
        print(problem)
    rows = (
        {"no": number, "allows": one.subject, "which": reveal(one.name, one_line=True), "file": str(one.file)}
        for number, one in enumerate(session.approvals, 1)
    )
    return Table(rows, ("no", "allows", "which", "file"), empty="Nothing is allowed for good.")


def revoke_rule(magics: "CodexMagics", number: str = "") -> None:
    """Take back the approval that has this number in the last list."""
    session = magics.session
    listed = session.approvals or permanent_approvals(session.client.codex_home)[0]
    if not number.isdecimal() or not 1 <= int(number) <= len(listed):
        what = f"There is no rule {number}." if number else "Name the rule by its number."
        raise UsageError(f"{what} `%codex rules` lists them.")
    chosen = listed[int(number) - 1]
    revoke(chosen)
    session.approvals = []
    print(f"Not allowed for good any more: {chosen.subject} {reveal(chosen.name, one_line=True)}.")
    if session.threads.running:
        print("The turn that runs still has it; `%codex stop` stops it. The next prompt asks.")
