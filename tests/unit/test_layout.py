"""`operator/` is a source root beside the standard library's module of that name."""

import operator
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_operator_is_the_standard_library_in_pytest() -> None:
    assert operator.itemgetter(1)("ab") == "b"
    assert not str(operator.__file__).startswith(str(ROOT))


def test_operator_is_the_standard_library_for_a_python_started_at_the_root() -> None:
    code = "import operator, json, asyncio, sluice; print(operator.__file__)"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert not ran.stdout.startswith(str(ROOT))


def test_the_source_root_is_no_package() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
