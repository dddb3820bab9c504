"""What comes out of each scenario of the conformance suite: the table that the runner compares its findings with. Pure.

A scenario that is in no table here fails the run: after a new version of the suite, say what comes out of what is new.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Role: TypeAlias = Literal["client", "server"]
Outcome: TypeAlias = Literal["passes", "fails", "checks nothing"]

LEGACY = "2025-11-25"
MODERN = "2026-07-28"
REVISIONS = (LEGACY, MODERN)
BOTH = (LEGACY, MODERN)


class Case(NamedTuple):
    """One scenario, and the revision of the protocol at which it is run."""

    role: Role
    scenario: str
    revision: str


PASSING: dict[Role, dict[tuple[str, ...], str]] = {
    "client": {
        BOTH: """
            tools_call json-schema-2020-12-preservation
            auth/metadata-default auth/metadata-var1 auth/metadata-var2 auth/metadata-var3 auth/basic-cimd
            auth/scope-from-www-authenticate auth/scope-from-scopes-supported auth/scope-omitted-when-undefined
            auth/scope-step-up auth/scope-retry-limit auth/pre-registration
            auth/token-endpoint-auth-basic auth/token-endpoint-auth-post auth/token-endpoint-auth-none
            auth/client-credentials-jwt auth/client-credentials-basic auth/enterprise-managed-authorization
        """,
        (LEGACY,): "initialize elicitation-sep1034-client-defaults sse-retry",
        (MODERN,): """
            request-metadata sep-2322-client-request-state json-schema-ref-no-deref
            http-standard-headers http-custom-headers http-invalid-tool-headers
            auth/resource-mismatch auth/offline-access-scope auth/offline-access-not-supported
            auth/authorization-server-migration auth/metadata-issuer-mismatch
            auth/iss-supported auth/iss-not-advertised auth/iss-supported-missing
            auth/iss-wrong-issuer auth/iss-unexpected auth/iss-normalized
        """,
    },
    "server": {
        (MODERN,): """
            tasks-lifecycle tasks-capability-negotiation tasks-wire-fields tasks-request-state-removal tasks-mrtr-input
            tasks-request-headers tasks-dispatch-and-envelope tasks-required-task-error tasks-mrtr-composition
        """,
    },
}
"""The scenarios that pass, by the revisions at which they do."""

NO_DPOP = "the SDK's provider makes no proofs of possession (DPoP, SEP-1932)"
NO_WORKLOADS = "the SDK has no provider for workload identities (grant `jwt-bearer` without an identity provider)"
NO_STREAM = "the suite skips its own check: it has none yet that reads `subscriptions/listen`"

OTHERWISE: dict[Case, tuple[Outcome, str]] = {
    **{Case("client", "auth/dpop", revision): ("fails", NO_DPOP) for revision in BOTH},
    **{Case("client", "auth/dpop-nonce", revision): ("fails", NO_DPOP) for revision in BOTH},
    **{Case("client", "auth/wif-jwt-bearer", revision): ("fails", NO_WORKLOADS) for revision in BOTH},
    Case("server", "tasks-status-notifications", MODERN): ("checks nothing", NO_STREAM),
}
"""What else comes out, and why."""

NOT_RUN: dict[Role, dict[str, str]] = {
    "client": {
        "auth/2025-03-26-": "about a revision that is older than the two task protocols",
        "sep-2640-": "the extension for skills, which this client does not use",
    },
    "server": {"": "about servers in general; the server here is one for tests of tasks"},
}
"""Scenarios that are left out, by the beginning of their names, unless they are in a table above; and why."""


def _expected() -> dict[Case, Outcome]:
    passing: dict[Case, Outcome] = {
        Case(role, scenario, revision): "passes"
        for role, groups in PASSING.items()
        for revisions, names in groups.items()
        for scenario in names.split()
        for revision in revisions
    }
    otherwise: dict[Case, Outcome] = {case: outcome for case, (outcome, _) in OTHERWISE.items()}
    return passing | otherwise


EXPECTED: dict[Case, Outcome] = _expected()
"""What comes out of each case."""


def unknown(role: Role, scenarios: list[str]) -> list[str]:
    """Those scenarios of the suite that are in no table."""
    known = {case.scenario for case in EXPECTED if case.role == role}
    return [name for name in scenarios if name not in known and not name.startswith(tuple(NOT_RUN[role]))]


def differences(found: dict[Case, Outcome], asked: set[Case]) -> list[str]:
    """What came out otherwise than expected, a sentence each, among the cases that were to be run."""
    lines: list[str] = []
    for case in sorted(asked):
        outcome = found.get(case, "checks nothing")
        if outcome != EXPECTED[case]:
            lines.append(
                f"{case.role}, {case.scenario}, {case.revision}: {outcome}, and should be "
                f'"{EXPECTED[case]}" (tests/conformance/expected.py)'
            )
    return lines
