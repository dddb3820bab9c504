"""A store in PostgreSQL, with psycopg 3 (the extra `postgres`). Imported only if a store has such an address.

psycopg is used synchronously: its asynchronous connections do not work on trio.

    backend.py    the backend: batches of writes in one transaction, reads, notifications
    session.py    one connection, and transactions that are carried out once even if the connection is lost
    failures.py   what an error means: whether to try again, and what a person can do
    address.py    the connection string
    tables.py     making and migrating the tables
    dialect.py    the shared SQL as PostgreSQL takes it
    listening.py  hearing of commits of other processes
"""
