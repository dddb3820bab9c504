"""The table of outcomes in docs/protocols.md, between two markers. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tests.conformance.expected import OTHERWISE, REVISIONS, Case, Outcome, Role

BEGIN = "<!-- conformance: begin -->"
END = "<!-- conformance: end -->"
ROLES: dict[Role, str] = {"client": "the client", "server": "the server of `mcptasks.testing`"}


def table(found: dict[Case, Outcome], version: str) -> str:
    """The table, and below it the reason of each outcome that is not a pass."""
    reasons = list(dict.fromkeys(reason for case, (_, reason) in OTHERWISE.items() if case in found))
    lines = [
        f"Version {version} of the suite:",
        "",
        f"| who is tested | scenario | {' | '.join(REVISIONS)} |",
        "| --- | --- | --- | --- |",
        *_rows(found, reasons),
        "",
        *(f"{number}. {reason[0].upper()}{reason[1:]}." for number, reason in enumerate(reasons, start=1)),
    ]
    return "\n".join(lines)


def _rows(found: dict[Case, Outcome], reasons: list[str]) -> Iterator[str]:
    for role, who in ROLES.items():
        names = {case.scenario for case in found if case.role == role}
        # Those about authorization come last, since they test the SDK more than this client.
        for name in sorted(names, key=lambda name: (name.startswith("auth/"), name)):
            cells = [_cell(found, Case(role, name, revision), reasons) for revision in REVISIONS]
            yield f"| {who} | `{name}` | {' | '.join(cells)} |"


def _cell(found: dict[Case, Outcome], case: Case, reasons: list[str]) -> str:
    if case not in found:
        return "-"
    reason = OTHERWISE.get(case)
    note = f" ({reasons.index(reason[1]) + 1})" if reason is not None and reason[0] == found[case] else ""
    return f"{found[case]}{note}"


def with_table(page: str, text: str) -> str:
    """The page with this table in place of the one between its markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the table: {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"
