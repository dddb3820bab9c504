"""Which exceptions may stand above an error of ours in a traceback. Pure.

`str()` of our own errors is harmless, whatever a server sent. `str()` of other packages' exceptions is not: the SDK's
hold the server's raw words, and a validation error may list a million problems. A traceback prints the causes too.
"""

from __future__ import annotations

from typing import cast

from pydantic import ValidationError

from mcptasks._core.safe_text import message

_MOST = 30
"""How many exceptions, or problems of one validation error, a traceback may show. With more, the traceback shows no
cause at all: people read about one screen."""


def harmless(exc: BaseException | None) -> BaseException | None:
    """The exception, for `raise ... from`; None if its text in a traceback could do harm.

    Callers put the cause's words into the error's own message too, so nothing is lost.
    """
    if exc is None:
        return None
    left, known = [exc], {id(exc)}
    while left:
        each = left.pop()
        if len(known) > _MOST or not _is_harmless(each):
            return None
        below = [each.__cause__] if each.__suppress_context__ else [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            below += cast("BaseExceptionGroup[BaseException]", each).exceptions
        for other in below:
            if other is not None and id(other) not in known:
                known.add(id(other))
                left.append(other)
    return exc


def _is_harmless(exc: BaseException) -> bool:
    if isinstance(exc, ValidationError) and exc.error_count() > _MOST:
        return False
    try:
        texts = [str(exc), *getattr(exc, "__notes__", ())]
        return all(text == message(text) for text in texts)
    except Exception:  # noqa: BLE001 - `str` of another package's exception may raise anything
        return False
