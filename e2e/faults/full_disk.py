"""Run a program that can write no file: `python -m e2e.faults.full_disk PROGRAM ARGUMENT...`.

As on a full disk or a read-only one, each write to a file fails, which needs no rights to arrange:
no file may grow beyond nothing (RLIMIT_FSIZE). What the program prints goes through a pipe.
"""

import os
import resource
import sys


def main() -> None:
    """Become the program; a child passes on what it prints, until it ends."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(write)
        os.dup2(read, 0)
        os.execlp("cat", "cat")
    os.close(read)
    for stream in (1, 2):
        os.dup2(write, stream)
    os.close(write)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
