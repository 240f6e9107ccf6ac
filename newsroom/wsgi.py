"""What a WSGI server loads."""

import ctypes
import signal
import sys

from newsroom import create_app

PR_SET_PDEATHSIG = 1

if sys.platform == "linux":
    # A worker must not outlive the process that started it: it would hold the port.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

app = create_app()
