"""What processes take of the machine."""

import os
from pathlib import Path


def cpu(pid: int) -> float:
    """Processor seconds of a process so far. Source: proc(5), fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
