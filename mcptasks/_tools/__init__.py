"""The generator of the blocking facade, and its check: `python -m mcptasks._tools [--check]`.

It reads the public classes and functions of `mcptasks/_async/` as source and renders `mcptasks/_sync/`: the same, with
the same signatures and docstrings, whose bodies are one call through the portal (`mcptasks/_portal/facade.py`). Nothing
here imports anything but the standard library, so that the check runs on a bare Python.

    names.py       what the generator cannot see in the source: the map that people edit
    source.py      source text -> classes, methods, signatures
    scope.py       what the names in a signature stand for
    shapes.py      what a return type asks of the body
    docstrings.py  docstrings of the one world -> docstrings of the other
    layout.py      code of any length -> lines as ruff would break them
    methods.py     one method -> its counterpart
    functions.py   one function -> its counterpart
    render.py      all of these together: the text of each generated file
    check.py       the files on disk against the rendered ones
"""
