"""Processes of loaders that end with their training, however that ends.

A training that is killed cannot end its loaders, and each keeps hundreds of megabytes.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Linux' number of the request, see prctl(2)."""


def end_with_this_process() -> None:
    """Have the kernel kill whatever this process forks from now on when it ends.

    On Linux; elsewhere forked processes are ended by Python alone.
    """
    if sys.platform != "linux":
        return
    libc, forking = ctypes.CDLL(None), [os.getpid()]

    def before() -> None:
        forking[0] = os.getpid()

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != forking[0]:  # it ended meanwhile
            os._exit(1)

    os.register_at_fork(before=before, after_in_child=in_child)
