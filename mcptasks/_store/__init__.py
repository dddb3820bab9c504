"""What outlives the process: the calls of clients, written down before they are sent. Imported only if a store is used.

Everything here is below the engine, and knows of no connection to a server. Nothing here imports pydantic or the SDK,
so that a command that lists tasks starts at once.

    records.py     what a store holds and hands out: tasks, questions, owners
    writes.py      every change that the holder of a task makes, with its answer
    upkeep.py      the changes about owners, leases and what was learned, and those that people ask for
    deliveries.py  the types of the writes behind `Store.finished`; `sql/telling.py` carries them out
    backend.py     what a database behind a store can do
    codec.py       encryption of payloads
    payloads.py    payloads as a codec seals them; leaves out arguments and results that the program does not keep
    digests.py     digests of arguments, and the key file beside the store
    recovery.py    what a client finds when it takes over tasks that others have left
    recording.py   rows as the records that programs see
    lease.py       the rule: when an owner is to show that it lives, and until when it may act
    scene.py       which process this is, and which others of this machine are dead
    writer.py      group commit
    access.py      an open store, called on a thread
    dropped.py     closes a connection when its object is garbage
    session.py     one client's part in a store: renews its lease, and hands on its writes
    finished.py    the iteration behind `Store.finished`
    places.py      from a path or a URL to a backend
    sql/           the SQL that all databases share
    sqlite/        files, and memory
    postgres/      a PostgreSQL database, shared by many processes
"""
