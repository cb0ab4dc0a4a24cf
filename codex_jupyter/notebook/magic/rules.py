"""`%codex rules`: the permanent approvals of the user, grants for notebooks, and how to revoke them."""

from typing import Final

from IPython.core.error import UsageError

from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.consent.grants import Grant
from codex_jupyter.notebook.display.table import Table
from codex_jupyter.notebook.display.text_output import show_text
from codex_jupyter.notebook.session.session import NotebookSession
from codex_jupyter.sdk.approval_rules import PermanentApproval, permanent_approvals, revoke

_GRANTED: Final = {"read": "look at the kernel", "run": "run code in the kernel"}


def list_rules(session: NotebookSession) -> Table:
    """Return the permanent approvals and the grants for notebooks, and print problems with their files."""
    session.approvals, problems = _all(session)
    for problem in problems:
        show_text(problem)
    rows = ({"no": number, **_described(approval)} for number, approval in enumerate(session.approvals, 1))
    return Table(tuple(rows), ("no", "allows", "which", "file"), empty="Nothing is approved permanently.")


def revoke_rule(session: NotebookSession, number: str = "") -> None:
    """Revoke the approval that has this number in the last list."""
    listed = session.approvals or _all(session)[0]
    if not number.isdecimal() or not 1 <= int(number) <= len(listed):
        problem = f"There is no rule {number}." if number else "Give the number of the rule."
        raise UsageError(f"{problem} `%codex rules` lists them.")
    approval = listed[int(number) - 1]
    described = _described(approval)
    if isinstance(approval, Grant):
        session.grants.revoke(approval)
    else:
        revoke(approval)
    session.approvals = []
    show_text(f"Not approved permanently any more: {described['allows']} {described['which']}.")
    if session.threads.running:
        show_text("The running turn still has it; `%codex stop` stops it. The next prompt asks.")


def _all(session: NotebookSession) -> tuple[list[PermanentApproval | Grant], list[str]]:
    """Return the permanent approvals and the grants, and problems with their files."""
    approvals, problems = permanent_approvals(session.client.codex_home)
    return [*approvals, *session.grants.listed()], problems


def _described(approval: PermanentApproval | Grant) -> dict[str, str]:
    """Return a row of the table without its number."""
    if isinstance(approval, Grant):
        where = approval.notebook or "this kernel, until it ends"
        return {"allows": _GRANTED[approval.kernel], "which": reveal(f"in {where}", one_line=True), "file": ""}
    return {"allows": approval.subject, "which": reveal(approval.name, one_line=True), "file": str(approval.file)}
