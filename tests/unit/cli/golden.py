"""Printed output that is committed."""

import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def is_golden(name: str, text: str) -> None:
    """`text` is what is committed; UPDATE_GOLDEN=1 commits what it is now."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()
