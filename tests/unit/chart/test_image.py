"""What the image is made of: the versions that were tested, all of them, and nothing more."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]


def pinned(lock: str) -> dict[str, set[str]]:
    """The versions of each package; there are several where they depend on the platform."""
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([a-z0-9._-]+)==([^ ]+)", (ROOT / lock).read_text(), re.MULTILINE
    ):
        pins.setdefault(name, set()).add(version)
    return pins


def project() -> dict[str, list[str]]:
    described: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())[
        "project"
    ]
    return described


def test_the_image_runs_the_versions_that_were_tested() -> None:
    tested = pinned("requirements.lock")
    assert {name: tested[name] for name in pinned("requirements-runtime.lock")} == pinned(
        "requirements-runtime.lock"
    )


def test_the_image_holds_every_dependency_and_no_test_tool() -> None:
    wanted = {re.split(r"[\[<>=]", dependency)[0] for dependency in project()["dependencies"]}
    runtime = set(pinned("requirements-runtime.lock"))
    assert wanted <= runtime
    assert not {"pytest", "hypothesis", "mypy", "ruff"} & runtime


def test_the_image_starts_a_command_that_the_package_installs() -> None:
    scripts = project()["scripts"]
    [entry] = re.findall(
        r'^ENTRYPOINT \["(.+)"\]$', (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert entry in scripts


def test_the_image_runs_as_a_user_that_is_a_number_and_not_root() -> None:
    [user] = re.findall(r"^USER (\d+):\d+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert int(user) > 0
