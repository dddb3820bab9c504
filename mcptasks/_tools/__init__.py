"""The generator of the blocking facade, and its check: `python -m mcptasks._tools [--check]`.

The generator reads the public classes and functions of `mcptasks/_async/` as source and renders `mcptasks/_sync/`. The
signatures and docstrings there correspond to the async ones; each body is one call through the portal
(`mcptasks/_portal/facade.py`). All modules here import nothing but the standard library, so that the check runs on a
bare Python.

    __main__.py    the command
    errors.py      the error that stops the generator
    names.py       the map that people edit: all that the generator cannot read from the source
    source.py      source text -> classes, methods, signatures
    scope.py       the meaning of the names in a signature
    shapes.py      return types -> the kind of body that the blocking method needs
    docstrings.py  async docstrings -> blocking docstrings
    layout.py      code of any length -> lines as ruff would break them
    methods.py     one async method -> its blocking counterpart
    functions.py   one async function -> its blocking counterpart
    render.py      everything together -> the text of each generated file
    check.py       compares the files on disk with the rendered files
"""
