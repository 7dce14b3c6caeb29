"""Programs are built once, from what their module says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.harness import NoControlPlane, control_plane
from e2e.harness.gotools import ALL, CONTROLPLANE, PROMETHEUS, GoTool, NoGoError, built

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoTool:
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path / "cache"))
    module = tmp_path / "hello"
    module.mkdir()
    (module / "go.mod").write_text("module hello\n\ngo 1.22\n")
    (module / "main.go").write_text('package main\n\nfunc main() { print("hello") }\n')
    return GoTool(name="hello", module=str(module), package=".", usual="1 s")


def output(program: Path) -> str:
    return subprocess.run([program], capture_output=True, text=True, check=True).stderr


def test_a_program_is_built_once_and_again_when_its_source_changes(
    hello: GoTool, capsys: pytest.CaptureFixture[str]
) -> None:
    first = built(hello)
    assert output(first) == "hello"
    assert "building hello: done" in capsys.readouterr().err
    assert built(hello) == first
    assert capsys.readouterr().err == ""

    (hello.directory / "main.go").write_text('package main\n\nfunc main() { print("bye") }\n')

    assert output(built(hello)) == "bye"
    assert output(first) == "hello"


def test_two_processes_build_it_once(hello: GoTool) -> None:
    code = (
        "import sys; from e2e.harness.gotools import GoTool, built; "
        "print(built(GoTool(name='hello', module=sys.argv[1], package='.', usual='1 s')))"
    )
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", code, hello.module],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    results = [builder.communicate() for builder in builders]
    assert results[0][0] == results[1][0]
    assert sum("building hello: done" in log for _, log in results) == 1


def test_a_program_that_does_not_compile_leaves_nothing(hello: GoTool) -> None:
    (hello.directory / "main.go").write_text("package main\n\nfunc main() { nonsense }\n")
    with pytest.raises(RuntimeError, match=r"building hello failed[\s\S]*undefined: nonsense"):
        built(hello)
    assert not [file for file in hello.directory.parent.glob("cache/tools/*/*") if file.is_dir()]


def test_the_version_of_kubernetes_is_stamped() -> None:
    linker = CONTROLPLANE.flags()[-1]
    assert "k8s.io/component-base/version.gitVersion=v1.36." in linker
    assert "k8s.io/component-base/version.gitMinor=36" in linker


def test_prometheus_is_stamped_with_the_version_of_its_release_and_knows_no_clouds() -> None:
    flags = PROMETHEUS.flags()
    assert re.search(r"common/version\.Version=3\.\d+\.\d+$", flags[-1])
    assert flags[flags.index("-tags") + 1] == "remove_all_sd"


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_modules_are_pinned_with_sums(tool: GoTool) -> None:
    requires = "require" in (tool.directory / "go.mod").read_text()
    assert (tool.directory / "go.sum").exists() == requires


def test_every_provider_says_why_it_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SLUICE_TEST_KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(NoControlPlane) as caught, control_plane():
        pass
    assert dict(caught.value.reasons) == {
        "existing": "SLUICE_TEST_KUBECONFIG is not set",
        "assets": f"{tmp_path} does not hold etcd and kube-apiserver",
        "kind": "the program `kind` is not on PATH",
        "built": "Go is not installed (the program `go` is not on PATH)",
    }
    assert "built: Go is not installed" in str(caught.value)


def test_no_go_is_no_crash(hello: GoTool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoGoError, match="Go is not installed"):
        built(hello)
