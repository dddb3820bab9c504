"""Every public error class, by its name."""

from __future__ import annotations

import mcptasks
from mcptasks import TaskError
from mcptasks._core import exceptions

ERRORS: dict[str, type[TaskError]] = {
    name: value
    for name, value in vars(exceptions).items()
    if isinstance(value, type) and issubclass(value, TaskError) and value.__module__ == mcptasks.__name__
}
