"""Becomes another program that the kernel kills as soon as the process which asked for it is gone.

    python die_with_parent.py PARENT_PID COMMAND [ARGUMENT...]

A broker must not outlive its tests, and a killed test run (CI's time limit, kill -9) runs no fixture's clean-up.
The prctl survives exec, so COMMAND keeps this process's id and there is no helper process to look after.
subprocess's preexec_fn would do it too, but it forks a process that has threads (librdkafka's), which Python 3.12
warns of. Only Linux has it: elsewhere COMMAND ends with the fixture.

Stands alone: it is run by path, and imports nothing of the project.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before the call above: then nothing would ever send the signal.
        if os.getppid() != parent:
            sys.exit("the process that asked for this one is gone")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
