"""The SQL that all databases share: tables, one function for each write, and the reads.

A database brings its connection, its transactions and its dialect; everything else is here.

    dialect.py     the types of a dialect and of a connection; each database's own are in its folder
    values.py      times and text in their form in the columns
    migrations.py  the tables, version by version
    migrating.py   which version a database has, and bringing it up to date
    reading.py     tasks and questions out of their columns, and the queries for them
    calls.py       the writes of a creating call
    tasks.py       the writes of a task's life and of its questions; wipes questions that are answered
    upkeep.py      the writes about owners, leases, people's orders and what was learned
    telling.py     the writes behind `Store.finished`
    backend.py     the parts of a backend that do not depend on the database
"""
