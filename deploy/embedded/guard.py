"""Become another program that is killed when its parent dies: `guard.py PARENT_PID PROGRAM [ARGUMENT ...]`.

Runs as a file in an interpreter of its own, so that nothing runs between fork and exec in the parent,
which may have threads. The process id stays the same. Outside Linux the program runs unguarded.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h; the setting survives exec


def main(parent: str, *command: str) -> None:
    """Ask the kernel for SIGKILL at the parent's death, then exec `command`; returns only by an error."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL)) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != int(parent):
            sys.exit("the parent ended before the guard was set")
    os.execv(command[0], command)  # noqa: S606 - the command is our own caller's, and no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
