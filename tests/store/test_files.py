"""SQLite files: what is refused and not touched, modes, journals, forks, full disks, locks, secrets, crashes."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from mcptasks._core.exceptions import StoreError, StoreVersionError
from mcptasks._store.records import Query
from mcptasks._store.sql import migrating, migrations
from mcptasks._store.sqlite import files, opening
from mcptasks._store.sqlite.backend import FileBackend
from mcptasks._store.sqlite.clock import LeaseClock, lease_clock, wall_clock
from mcptasks._store.sqlite.opening import Journal, Options, sound_journal
from mcptasks._store.upkeep import Claim, Forget, Purge
from mcptasks._store.writes import Acknowledged, Asked, Decide, Over
from tests.helpers.stores import LATER, NOW, alive, created, do, file_backend, files_up_to, intended

DATA = Path(__file__).parent / "data"
each_journal = pytest.mark.parametrize("journal", ["truncate", "wal"])


def made(path: Path) -> Path:
    """A store with one task."""
    backend = file_backend(path)
    created(backend, alive(backend))
    backend.close()
    return path


def other_program(path: Path) -> None:
    """A database of another program."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE task (id TEXT)")
    connection.commit()
    connection.close()


def foreign_id(path: Path) -> None:
    """A database that says which program it belongs to."""
    made(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA application_id = 42")
    connection.close()


def newer(path: Path) -> None:
    """A store of a newer version, which this one cannot live with."""
    made(path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = '99'")
    connection.commit()
    connection.close()


def truncated(path: Path) -> None:
    """A store whose end is missing."""
    whole = made(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def zeroed(path: Path) -> None:
    """A file of zeros, as some file systems leave one after a power cut."""
    path.write_bytes(b"\0" * made(path).stat().st_size)


def garbled(path: Path) -> None:
    """A store whose schema was overwritten."""
    whole = bytearray(made(path).read_bytes())
    whole[100:4096] = b"\xff" * 3996
    path.write_bytes(whole)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (
        lambda path: path.write_text("not a database, but longer than the header of one" * 3),
        "no store of mcptasks",
    ),
    "short text": (lambda path: path.write_text("hello"), "no store of mcptasks"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "another program's": (other_program, "database of another program"),
    "another program's by its id": (foreign_id, "database of another program"),
    "newer": (newer, r"has version 99, and this mcptasks \(\S+\) understands version \d+ at most: update mcptasks"),
    "truncated": (truncated, "is damaged, since its end is missing"),
    "zeroed": (zeroed, "nothing but zeros"),
    "garbled": (garbled, "is damaged"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_store_is_refused(tmp_path: Path, kind: str) -> None:
    """A file that is no sound store is refused in one sentence that says what to do, and is not touched."""
    spoil, words = BAD[kind]
    path = tmp_path / "tasks.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=words) as caught:
        FileBackend(Options(path=path)).rows(Query())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert {each.name for each in tmp_path.iterdir()} <= {"tasks.db", "tasks.db-journal"}


def zero_pages(whole: bytes) -> bytes:
    """Pages in the middle that hold nothing but zeros."""
    return whole[: len(whole) // 3] + bytes(len(whole) // 3) + whole[len(whole) // 3 * 2 :]


def random_bytes(whole: bytes) -> bytes:
    """Random bytes from the second page on, which leaves the schema as it was."""
    return whole[:4096] + random.Random(14).randbytes(len(whole) - 4096)


def read_all(path: Path) -> None:
    """Read every task."""
    with closing(FileBackend(Options(path=path))) as backend:
        backend.rows(Query())


def write_all(path: Path) -> None:
    """Delete every task."""
    with closing(FileBackend(Options(path=path))) as backend:
        do(backend, Purge(before=NOW + LATER, phases=frozenset({"created"})))


@each_journal
@pytest.mark.parametrize("spoil", [zero_pages, random_bytes])
def test_a_file_that_is_damaged_in_the_middle(
    tmp_path: Path, journal: Journal, spoil: Callable[[bytes], bytes]
) -> None:
    """The damage is found when it is read. The error says what to do; no byte of the file is changed, also not by a
    write that meets the damage; and a backup in its place is opened again."""
    path = tmp_path / "tasks.db"
    backend = file_backend(path, journal=journal)
    alive(backend)
    for number in range(50):
        created(backend, task_id=f"t{number}", key=f"k{number}")
    backend.backup(tmp_path / "backup.db")
    backend.close()
    spoilt = spoil(path.read_bytes())
    path.write_bytes(spoilt)
    for use in (read_all, write_all):
        with pytest.raises(StoreError, match=r"is damaged \(.*\): put a backup in its place"):
            use(path)
    assert path.read_bytes() == spoilt
    path.write_bytes((tmp_path / "backup.db").read_bytes())
    assert len(FileBackend(Options(path=path)).rows(Query())) == 50


def test_a_newer_store_says_which(tmp_path: Path) -> None:
    """The error has both versions."""
    newer(tmp_path / "tasks.db")
    with pytest.raises(StoreVersionError) as caught:
        FileBackend(Options(path=tmp_path / "tasks.db")).owners()
    assert (caught.value.found, caught.value.understood) == (99, migrations.NEWEST)


def test_a_newer_store_that_this_version_can_live_with(tmp_path: Path) -> None:
    """During a roll-out old and new processes work side by side: `reads_from` says whether that is possible."""
    path = made(tmp_path / "tasks.db")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = '99' WHERE name = 'version'")
    connection.commit()
    connection.close()
    assert len(FileBackend(Options(path=path)).rows(Query())) == 1


def test_an_older_store_is_not_migrated_by_a_check(tmp_path: Path) -> None:
    """`migrate="check"` refuses a store that would have to be migrated, names the command, and makes a new one."""
    newest = migrations.NEWEST
    steps = (*migrations.MIGRATIONS, migrations.Migration(newest + 1, 1, ("CREATE TABLE more (id TEXT)",)))
    found = migrating.Found(newest, 1)
    assert migrating.pending(found, "here", may=True, steps=steps) == [steps[-1]]
    with pytest.raises(
        StoreVersionError,
        match=rf"has version {newest}, .* needs version {newest + 1}: run `python -m mcptasks store migrate`",
    ):
        migrating.pending(found, "here", may=False, steps=steps)
    assert migrating.pending(migrating.Found(0), "here", may=False, steps=steps) == list(steps)
    assert FileBackend(Options(path=tmp_path / "new.db", migrate=False)).rows(Query()) == []


@pytest.mark.parametrize("path", sorted(DATA.glob("version-*.db")), ids=lambda path: path.stem)
def test_stores_of_released_versions(path: Path, tmp_path: Path) -> None:
    """A store of every released version is opened, and its tasks are there, with the takeovers that it has counted."""
    copy = tmp_path / "tasks.db"
    copy.write_bytes(path.read_bytes())
    backend = FileBackend(Options(path=copy))
    (found,) = backend.rows(Query(phases=frozenset({"created"})))
    assert (found.task_id, found.name, dict(found.labels)) == ("t1", "work", {"job": "nightly"})
    assert [each.key for each in backend.questions()] == ["q"]
    (taken,) = do(backend, Claim(owner=alive(backend, "new"), endpoint=found.endpoint, at=NOW))
    before = 0 if path.stem == "version-1" else 1
    assert (found.takeovers, taken.takeovers) == (before, before + 1)
    assert [each.takeovers for each in backend.rows(Query())] == [before + 1]
    assert [words for words in backend.check() if "damaged" in words] == []


def test_every_version_has_a_file() -> None:
    """There is a store of every version in tests/store/data."""
    wanted = {f"version-{step.version}" for step in migrations.MIGRATIONS}
    assert {path.stem for path in DATA.glob("version-*.db")} == wanted


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A store in such a folder is refused in one sentence, whether its file is there or not."""
    if os.geteuid() == 0:
        # Nothing is forbidden to root, and another user cannot reach pytest's folders: a file in a folder's place is
        # refused to both.
        (tmp_path / "file").touch()
        folder = tmp_path / "file"
    else:
        folder = tmp_path / "folder"
        folder.mkdir(mode=0o500)
    with pytest.raises(StoreError, match="cannot be made"):
        FileBackend(Options(path=folder / "tasks.db")).rows(Query())
    with pytest.raises(StoreError, match="cannot be made"):
        FileBackend(Options(path=folder / "more" / "tasks.db")).rows(Query())


MOUNTS = """22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /home rw shared:2 - nfs4 server:/home rw,vers=4.2
31 30 8:2 / /home/local\\040disk rw - xfs /dev/sdb rw
32 22 0:30 / /mnt/share rw - cifs //server/share rw
33 22 0:31 / /mnt/sshfs rw master:1 propagate_from:2 - fuse.sshfs host: rw
nonsense
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/home/me/tasks.db", "nfs4", True),
        ("/home/local disk/tasks.db", "xfs", False),
        ("/homes/tasks.db", "ext4", False),
        ("/mnt/share", "cifs", True),
        ("/mnt/sshfs/a/b", "fuse.sshfs", True),
        ("/tasks.db", "ext4", False),
    ],
)
def test_which_file_system_a_path_lies_on(path: str, kind: str, network: bool) -> None:
    """The longest mount point above the path counts."""
    assert files.file_system(path, MOUNTS) == kind
    assert files.is_network(kind) is network
    assert files.file_system(path, "") == ""


def test_network_file_systems_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store there is refused unless the program takes the risk. Then its leases go by the wall clock, and its journal
    is one that needs no shared memory."""
    (tmp_path / "mounts").write_text(f"22 1 0:1 / / rw - ext4 a rw\n30 22 0:26 / {tmp_path} rw - nfs4 server:/ rw\n")
    monkeypatch.setattr(files, "_MOUNTS", tmp_path / "mounts")
    path = tmp_path / "store" / "tasks.db"
    with pytest.raises(StoreError, match=r"network file system \(nfs4\).*PostgreSQL.*network=True"):
        FileBackend(Options(path=path)).rows(Query())
    assert not path.exists()
    opened = opening.open_file(Options(path=path, network=True))
    assert opened.connection.clock == wall_clock()
    assert opened.connection.raw.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
    opened.connection.raw.close()


def test_the_journal_that_is_sound() -> None:
    """A write-ahead log is chosen only for versions of SQLite that cannot damage it, and on local disks."""
    versions: Sequence[tuple[tuple[int, int, int], Journal]] = [
        ((3, 40, 1), "truncate"),
        ((3, 51, 2), "truncate"),
        ((3, 51, 3), "wal"),
        ((3, 52, 0), "truncate"),
        ((3, 53, 0), "wal"),
    ]
    for version, journal in versions:
        assert sound_journal(version, network=False) == journal
        assert sound_journal(version, network=True) == "truncate"


@each_journal
def test_how_a_file_is_made(tmp_path: Path, journal: Journal) -> None:
    """Only its user can read the files and the folder, whatever the umask; the settings are those that survive a power
    cut; the journal stays that of the file."""
    path = tmp_path / "a" / "store" / "tasks.db"
    before = os.umask(0)
    try:
        backend = file_backend(path, journal=journal)
        alive(backend)
    finally:
        os.umask(before)
    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for settings in (path, FileBackend(Options(path=path)).place):
        opened = opening.open_file(Options(path=Path(settings)))
        raw = opened.connection.raw
        found = {
            name: raw.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete")
        }
        assert found == {"journal_mode": journal, "synchronous": 2, "secure_delete": 1}
        assert raw.execute("PRAGMA application_id").fetchone() == (0x4D435054,)
        raw.close()
    assert [words for words in backend.check() if "mode" in words] == []
    path.chmod(0o644)
    assert any(f"chmod 600 {path}" in words for words in backend.check())


def test_the_default_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's state folder; a relative `XDG_STATE_HOME` is ignored, as its specification asks."""
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert files.default_place() == Path("/state/mcptasks/tasks.db")
    monkeypatch.setenv("HOME", "/home/me")
    for relative in ("state", ""):
        monkeypatch.setenv("XDG_STATE_HOME", relative)
        assert files.default_place() == Path("/home/me/.local/state/mcptasks/tasks.db")


def test_the_clock_of_leases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leases go by the time since the boot if there is one; a reboot ends them all. Other clocks give them a margin."""
    clock = lease_clock(shared=False)
    assert (bool(clock.boot), clock.margin) in ((True, 0.0), (False, 15.0))
    assert lease_clock(shared=True) == wall_clock()
    backend = file_backend(tmp_path / "tasks.db")
    held = created(backend, alive(backend))
    connection = backend._connection
    assert connection is not None
    connection.clock = LeaseClock(clock.now, "another boot")
    assert backend.find(held.id)[0].lease_left is None
    connection.clock = LeaseClock(lambda: clock.now() - 3600, clock.boot)
    assert backend.find(held.id)[0].lease_left is not None


def test_a_lock_that_is_held(tmp_path: Path) -> None:
    """A writer waits for the lock of another process, and then says that somebody has held it; nothing was written."""
    path = made(tmp_path / "tasks.db")
    backend = file_backend(path, busy=0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match=r"locked by another process for 0\.1 seconds"):
        alive(backend, "two")
    other.execute("ROLLBACK")
    other.close()
    alive(backend, "two")
    assert [each.owner for each in backend.owners()] == ["one", "two"]


@each_journal
def test_a_full_disk(tmp_path: Path, journal: Journal) -> None:
    """What does not fit is an error and leaves nothing behind; the store goes on once there is room."""
    backend = file_backend(tmp_path / "tasks.db", journal=journal)
    alive(backend)
    connection = backend._connection
    assert connection is not None
    pages = connection.raw.execute("PRAGMA page_count").fetchone()[0]
    connection.raw.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StoreError, match="disk is full"):
        intended(backend, key="big", arguments=b"x" * 100_000)
    assert backend.rows(Query()) == []
    connection.raw.execute(f"PRAGMA max_page_count = {pages + 1000}")
    intended(backend, key="big", arguments=b"x" * 100_000)
    assert len(backend.rows(Query())) == 1


@each_journal
def test_a_file_that_may_not_grow(tmp_path: Path, journal: Journal) -> None:
    """A quota or a limit of the process is an error with what to look at, and leaves nothing behind; the store goes on
    once the file may grow."""
    backend = file_backend(tmp_path / "tasks.db", journal=journal)
    alive(backend)
    size = max(each.stat().st_size for each in tmp_path.iterdir())
    with files_up_to(size), pytest.raises(StoreError, match="disk, its quota, and the limit"):
        intended(backend, key="big", arguments=b"x" * 100_000)
    assert backend.rows(Query()) == []
    intended(backend, key="big", arguments=b"x" * 100_000)
    assert len(backend.rows(Query())) == 1
    assert [words for words in backend.check() if "damaged" in words] == []


def test_a_file_that_could_not_be_written_when_it_was_opened(tmp_path: Path) -> None:
    """SQLite opens such a file for reading. A process need not be started again when the file can be written."""
    backend = file_backend(tmp_path / "tasks.db")
    alive(backend)
    connection = backend._connection
    assert connection is not None
    # To root no file is read-only, and the error is the same.
    connection.raw.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match="see the modes of the file and of its folder"):
        alive(backend, "two")
    alive(backend, "three")
    assert [each.owner for each in backend.owners()] == ["one", "three"]


@pytest.mark.parametrize("how", ["moved or deleted", "replaced"])
def test_a_file_that_goes_while_it_is_open(tmp_path: Path, how: str) -> None:
    """Whoever writes into a file that nobody finds again is told so, and goes on when the file is back."""
    path = made(tmp_path / "tasks.db")
    backend = file_backend(path)
    alive(backend)
    path.rename(tmp_path / "elsewhere")
    if how == "replaced":
        made(path)
    with pytest.raises(StoreError, match=f"was {how} .*while it was open"):
        alive(backend)
    (tmp_path / "elsewhere").replace(path)
    alive(backend)


SECRET = b"sentinel-2f8c1b"


@each_journal
def test_what_was_wiped_is_in_no_byte(tmp_path: Path, journal: Journal) -> None:
    """After the acknowledgement, the end or the deletion, no file of the store holds a byte of a question or answer."""
    backend = file_backend(tmp_path / "tasks.db", journal=journal)
    alive(backend)

    def is_there() -> bool:
        return any(SECRET in each.read_bytes() for each in tmp_path.iterdir())

    held = created(backend)
    do(backend, Asked(held=held, key="q", at=NOW, request=SECRET * 1000))
    do(backend, Decide(held=held, key="q", at=NOW, answer=SECRET * 1000))
    assert is_there()
    do(backend, Acknowledged(held=held, key="q", at=NOW))
    assert not is_there()
    do(backend, Asked(held=held, key="r", at=NOW, request=SECRET))
    do(backend, Over(held=held, at=NOW, status="completed", result=SECRET))
    assert is_there()
    do(backend, Forget((held.id,)))
    assert not is_there()


FORK = """
import os, sys
from pathlib import Path
from mcptasks._store.records import Query
from tests.helpers.stores import alive, created, file_backend
backend = file_backend(Path(sys.argv[1]))
created(backend, alive(backend))
with backend._lock:
    child = os.fork()
    if not child:
        alive(backend, "child")
        assert len(backend.rows(Query())) == 1
        os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
alive(backend, "parent")
"""


def test_a_fork(tmp_path: Path) -> None:
    """A forked child has a connection of its own, also if another thread used the parent's at that moment, and the
    parent's goes on."""
    path = tmp_path / "tasks.db"
    done = run(FORK, str(path))
    assert done.returncode == 0, done.stderr
    backend = file_backend(path)
    assert [each.owner for each in backend.owners()] == ["child", "one", "parent"]
    assert backend.check() == []


@each_journal
def test_a_backup(tmp_path: Path, journal: Journal) -> None:
    """A copy is a store with the same tasks, only its user can read it, and it goes over no other file."""
    backend = file_backend(tmp_path / "tasks.db", journal=journal)
    held = created(backend, alive(backend))
    copy = tmp_path / "copy" / "tasks.db"
    backend.backup(copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [each.id for each in FileBackend(Options(path=copy)).rows(Query())] == [held.id]
    before = copy.read_bytes()
    with pytest.raises(StoreError, match="exists already"):
        backend.backup(copy)
    assert copy.read_bytes() == before


def test_a_backup_that_fails(tmp_path: Path) -> None:
    """The error names the copy, and no part of a copy is left, so that another attempt can have its name."""
    backend = file_backend(tmp_path / "tasks.db")
    created(backend, alive(backend))
    copy = tmp_path / "copy.db"
    with files_up_to(10_000), pytest.raises(StoreError, match=rf"the backup {copy} cannot be made"):
        backend.backup(copy)
    assert {each.name for each in tmp_path.iterdir()} <= {"tasks.db", "tasks.db-journal"}
    backend.backup(copy)
    assert len(FileBackend(Options(path=copy)).rows(Query())) == 1


CRASH = """
import os, resource, signal, sys
from datetime import timedelta
from pathlib import Path
from mcptasks._store.sql import calls, migrating
from mcptasks._store.sqlite import connection
from mcptasks._store.upkeep import Purge
from tests.helpers.stores import LATER, NOW, alive, created, do, file_backend, intend
path, journal, point = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def die(*arguments, **keywords):
    os.kill(os.getpid(), 9)

def dying(module, name, number):
    real, seen = getattr(module, name), [0]
    def instead(*arguments, **keywords):
        answer = real(*arguments, **keywords)
        seen[0] += 1
        if seen[0] == number:
            die()
        return answer
    setattr(module, name, instead)

backend = file_backend(path, journal=journal)
if point == "migration":
    dying(migrating, "write_meta", 1)
elif point == "new file":
    dying(connection.SqliteConnection, "_execute", 1)
elif point != "committed":
    alive(backend)
    created(backend, key="before")
if point.startswith("statement"):
    dying(connection.SqliteConnection, "_execute", int(point.split()[1]))
elif point == "purge":
    dying(connection.SqliteConnection, "_execute", 1)
    do(backend, Purge(before=NOW + timedelta(days=1), phases=frozenset({"created"})))
elif point == "in a commit":
    # SQLite has all of a transaction in memory until the commit. The kernel kills whoever writes beyond the limit.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    size = max(each.stat().st_size for each in path.parent.iterdir()) + 20_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    intend(backend, key="after", arguments=b"x" * 1_000_000)
intend(backend, key="after", labels={"a": "b", "c": "d"})
os.kill(os.getpid(), 9)
"""


@each_journal
@pytest.mark.parametrize(
    "point",
    ["new file", "migration", "statement 1", "statement 2", "statement 3", "in a commit", "purge", "committed"],
)
def test_a_process_that_is_killed(tmp_path: Path, journal: Journal, point: str) -> None:
    """A process that dies at any point leaves a store that opens, with every transaction whole or not there."""
    path = tmp_path / "tasks.db"
    done = run(CRASH, str(path), journal, point)
    assert done.returncode == -(signal.SIGXFSZ if point == "in a commit" else signal.SIGKILL), done.stderr
    backend = file_backend(path, journal=journal)
    found = backend.rows(Query())
    keys = {each.key for each in found}
    nothing = set[str]()
    assert keys == {"new file": nothing, "migration": nothing, "committed": {"after"}}.get(point, {"before"})
    assert all(dict(each.labels) == {"a": "b", "c": "d"} for each in found if each.key == "after")
    assert [words for words in backend.check() if "damaged" in words] == []
    alive(backend)
    intended(backend, key="again")


RACE = """
import sys
from pathlib import Path
from mcptasks._store.writes import Decide, Held
from tests.helpers.stores import NOW, do, file_backend, intend
path, journal, task, name = Path(sys.argv[1]), *sys.argv[2:]
backend = file_backend(path, journal=journal)
backend.owners()
print("ready", flush=True)
input()
for number in range(20):
    made = intend(backend, key=f"k{number}").held is not None
    decided = do(backend, Decide(held=Held(task, "one", 1), key=f"q{number}", at=NOW, answer=name.encode()))
    print(number, made, decided.ours, decided.answer.decode())
"""


@each_journal
def test_processes_that_race(tmp_path: Path, journal: Journal) -> None:
    """Among several processes one makes the call for a key, and one answer to a question is that of all."""
    path = tmp_path / "tasks.db"
    backend = file_backend(path, journal=journal)
    held = created(backend, alive(backend, lease=3600))
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(path), journal, held.id, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for name in ("a", "b", "c")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    lines = [line.split() for racer in racers for line in told(racer)]
    assert len(lines) == 60
    for number in range(20):
        found = [line[1:] for line in lines if line[0] == str(number)]
        assert [made for made, _, _ in found].count("True") == 1
        assert [ours for _, ours, _ in found].count("True") == 1
        assert len({answer for _, _, answer in found}) == 1
    assert [words for words in backend.check() if "damaged" in words] == []


def told(racer: subprocess.Popen[str]) -> list[str]:
    """What a process says until its end."""
    output, _ = racer.communicate(timeout=300)
    assert racer.returncode == 0
    return output.splitlines()
