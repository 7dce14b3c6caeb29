"""What processes take of the machine."""

import os
from pathlib import Path


def cpu(pid: int) -> float:
    """Processor seconds of a process so far. Source: proc(5), fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """MiB of memory that a process has now. Source: proc(5), VmRSS of status."""
    return _status(pid, "VmRSS") / 1024


def peak_memory(pid: int) -> float:
    """MiB of memory that a process had at its most. Source: proc(5), VmHWM of status."""
    return _status(pid, "VmHWM") / 1024


def threads(pid: int) -> int:
    """How many threads a process has. Source: proc(5), status."""
    return _status(pid, "Threads")


def descriptors(pid: int) -> int:
    """How many files and sockets a process has open. Source: proc(5), fd."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise LookupError(f"the kernel does not tell {field} of a process")
