"""A Jupyter kernel in a process that has imported `mcptasks` before. `stand_ins.py` says how it is started."""

from __future__ import annotations

import os
import warnings

from ipykernel import kernelapp

# The forking process has made errors of warnings. A kernel shows what any program shows.
warnings.resetwarnings()
for each in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
    warnings.simplefilter("ignore", each)
# The kernel would end since another process is its parent. It ends with its stand-in.
os.environ.pop("JPY_PARENT_PID", None)
kernelapp.launch_new_instance()
