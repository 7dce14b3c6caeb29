"""The wheel that is released, not the source tree: built, installed and run."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(target)], cwd=ROOT, check=True, capture_output=True)
    (found,) = target.glob("sluice_operator-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*install, "--target", str(target), str(wheel)], check=True, capture_output=True)
    return target


def python(installed: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        assert "sluice/py.typed" in archive.namelist()
    assert tops == {"sluice", next(top for top in tops if top.endswith(".dist-info"))}


def test_two_wheels_of_one_commit_are_the_same(tmp_path: Path) -> None:
    built = []
    for name in ("a", "b"):
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        subprocess.run(
            [*build, "--directory", str(tmp_path / name)],
            cwd=ROOT,
            env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"},
            check=True,
            capture_output=True,
        )
        (found,) = (tmp_path / name).glob("sluice_operator-*.whl")
        built.append(found.read_bytes())
    assert built[0] == built[1]


def test_operator_is_the_standard_library_beside_the_installed_wheel(installed: Path) -> None:
    code = "import operator, sluice; print(operator.__file__); print(sluice.__file__)"
    standard, ours = python(installed, "-c", code).splitlines()
    assert not standard.startswith((str(ROOT), str(installed)))
    assert ours.startswith(str(installed))


def test_the_installed_command_prints_the_crds_that_are_committed(installed: Path) -> None:
    crds = "".join(path.read_text() for path in sorted((ROOT / "crds").glob("sluice.dev_*.yaml")))
    printed = python(installed, "-m", "sluice", "crds")
    assert printed.count("kind: CustomResourceDefinition") == crds.count(
        "kind: CustomResourceDefinition"
    )
    for kind in ("ServiceLevelObjective", "ErrorBudgetPolicy", "GateOverride", "BudgetCorrection"):
        assert f"kind: {kind}\n" in printed + "\n"


def test_every_command_explains_itself(installed: Path) -> None:
    commands = python(installed, "-m", "sluice", "--help")
    for command in ("run", "crds", "check", "override", "thaw"):
        assert f" {command} " in commands
        assert "Usage:" in python(installed, "-m", "sluice", command, "--help")
