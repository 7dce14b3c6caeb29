"""The release, as far as it can be looked at without an engine, a registry and a forge."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def release() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    return read


def steps(job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = release()["jobs"][job]["steps"]
    return found


def scripts() -> list[str]:
    return [step["run"] for job in release()["jobs"] for step in steps(job) if "run" in step]


@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.split("\n")[0][:40])
def test_a_script_is_one_that_bash_can_read(script: str) -> None:
    answer = subprocess.run(
        ["bash", "-n"], input=script, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_nothing_is_published_before_the_tests_have_passed() -> None:
    assert [step.get("run") for step in steps("check")][-1] == ".ci/run"
    assert release()["jobs"]["image"]["needs"] == "check"
    assert set(release()["jobs"]["publish"]["needs"]) == {"check", "image"}


def test_a_job_may_do_what_it_needs_and_the_rest_may_read() -> None:
    assert release()["permissions"] == {"contents": "read"}
    granted = {name: job.get("permissions", {}) for name, job in release()["jobs"].items()}
    assert granted == {
        "check": {},
        "image": {"contents": "read", "id-token": "write"},
        "publish": {"contents": "write", "id-token": "write"},
    }


def test_no_script_has_an_expression_in_it_that_somebody_could_write_commands_into() -> None:
    for script in scripts():
        assert "${{" not in script


@pytest.mark.parametrize(("tag", "passes"), [("v0.1.0", True), ("v0.1.1", False), ("0.1.0", False)])
def test_a_tag_that_is_not_the_version_is_refused(tmp_path: Path, tag: str, passes: bool) -> None:
    [script] = [step["run"] for step in steps("check") if step.get("id") == "version"]
    output = tmp_path / "output"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    answer = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=ROOT,
        env={"PATH": path, "TAG": tag, "GITHUB_OUTPUT": str(output)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode == 0) is passes, answer.stderr
    if passes:
        assert re.fullmatch(r"version=0\.1\.0\nepoch=\d+\n", output.read_text())
    else:
        assert tag in answer.stderr


def test_the_image_is_built_with_a_pinned_base_sbom_and_provenance_and_signed() -> None:
    [build] = [step["with"] for step in steps("image") if step.get("id") == "build"]
    assert build["sbom"] is True
    assert build["provenance"] == "mode=max"
    assert "rewrite-timestamp=true" in build["outputs"]
    arguments = {line.partition("=")[0] for line in build["build-args"].splitlines()}
    declared = set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE))
    assert arguments == declared
    commands = " ".join(step.get("run", "") for step in steps("image"))
    assert "cosign sign " in commands
    assert "cosign attest " in commands


def test_what_the_release_replaces_in_values_and_manifests_is_there() -> None:
    values = (ROOT / "deploy/helm/sluice/values.yaml").read_text().splitlines()
    assert values.count("  repository: sluice") == 1
    assert values.count('  digest: ""') == 1
    images = re.findall(
        r"image: sluice:.*", (ROOT / "deploy/kustomize/base/sluice.yaml").read_text()
    )
    assert len(images) == 1


def test_only_what_the_image_is_made_of_is_sent_to_its_build() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    copied = {
        name
        for found in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for name in found.split()
    }
    assert copied == let_in
