"""`%codex rules`: the permanent approvals of the user, and how to revoke them."""

from IPython.core.error import UsageError

from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.display.table import Table
from codex_jupyter.notebook.session.session import NotebookSession
from codex_jupyter.sdk.approval_rules import permanent_approvals, revoke


def list_rules(session: NotebookSession) -> Table:
    """Return the permanent approvals, and print problems with their files."""
    session.approvals, problems = permanent_approvals(session.client.codex_home)
    for problem in problems:
        print(problem)
    rows = (
        {"no": number, "allows": approval.subject, "which": reveal(approval.name, one_line=True), "file": str(approval.file)}
        for number, approval in enumerate(session.approvals, 1)
    )
    return Table(tuple(rows), ("no", "allows", "which", "file"), empty="Nothing is approved permanently.")


def revoke_rule(session: NotebookSession, number: str = "") -> None:
    """Revoke the approval that has this number in the last list."""
    listed = session.approvals or permanent_approvals(session.client.codex_home)[0]
    if not number.isdecimal() or not 1 <= int(number) <= len(listed):
        problem = f"There is no rule {number}." if number else "Give the number of the rule."
        raise UsageError(f"{problem} `%codex rules` lists them.")
    approval = listed[int(number) - 1]
    revoke(approval)
    session.approvals = []
    print(f"Not approved permanently any more: {approval.subject} {reveal(approval.name, one_line=True)}.")
    if session.threads.running:
        print("The running turn still has it; `%codex stop` stops it. The next prompt asks.")
