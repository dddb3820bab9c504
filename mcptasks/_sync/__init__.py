# Generated from mcptasks/_async by `nox -s generate`. Do not edit: change the source and run that again.
"""The blocking mirror of `_async`, file by file."""
