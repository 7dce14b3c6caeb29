"""The control plane is a real one: rollouts, RBAC, admission policies, outages."""

import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.harness import ControlPlane, KubectlError, control_plane, helm, local, wait_until
from e2e.harness.ports import free_port

pytestmark = pytest.mark.controlplane

ROOT = Path(__file__).parents[2]


@pytest.fixture
def namespace(plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.originalname.replace("_", "-").removeprefix("test-")[:50].rstrip("-")
    with plane.namespace(name) as created:
        wait_until(  # the controllers fill a new namespace after it was made
            lambda: "default" in plane.kubectl("-n", created, "get", "sa", "-o", "name").stdout,
            timeout=10,
            what="the namespace's service account",
        )
        yield created


def needs_rollouts(plane: ControlPlane) -> None:
    if not plane.rolls_out:
        pytest.skip(f"provider {plane.provider} has no scheduler or no kubelet")


def deployment(name: str, *, replicas: int = 3, **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": annotations},
                "spec": {"containers": [{"name": "app", "image": "example.invalid/app:1"}]},
            },
        },
    }


def in_namespace(manifest: dict[str, Any], namespace: str) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


def test_workloads_roll_out_and_go(plane: ControlPlane, namespace: str) -> None:
    needs_rollouts(plane)

    def run(*args: str) -> str:
        return plane.kubectl("-n", namespace, *args).stdout

    plane.apply(in_namespace(deployment("web"), namespace))
    run("rollout", "status", "deployment/web", "--timeout=30s")
    run("set", "image", "deployment/web", "app=example.invalid/app:2")
    run("rollout", "status", "deployment/web", "--timeout=30s")
    images = "jsonpath={.items[*].spec.containers[0].image}"
    ready = "--field-selector=status.phase=Running"
    wait_until(
        lambda: run("get", "pods", ready, "-o", images).split() == ["example.invalid/app:2"] * 3,
        timeout=10,
        what="only new pods are left",
    )
    run("delete", "deployment", "web")
    wait_until(
        lambda: not run("get", "pods,replicasets", "-o", "name"), timeout=10, what="all is gone"
    )


def test_jobs_complete(plane: ControlPlane, namespace: str) -> None:
    needs_rollouts(plane)
    plane.kubectl("-n", namespace, "create", "job", "once", "--image=example.invalid/job:1")
    done = ["wait", "--for=condition=Complete", "job/once", "--timeout=30s"]
    plane.kubectl("-n", namespace, *done)


def test_a_bad_rollout_does_not_become_ready(plane: ControlPlane, namespace: str) -> None:
    needs_rollouts(plane)
    stuck = deployment("web", replicas=1, **{"e2e.sluice.dev/stuck": "true"})
    plane.apply(in_namespace(stuck, namespace))
    status = ["rollout", "status", "deployment/web", "--timeout=2s"]
    with pytest.raises(KubectlError, match="timed out"):
        plane.kubectl("-n", namespace, *status)


def test_a_service_account_may_do_what_its_role_says(plane: ControlPlane, namespace: str) -> None:
    plane.kubectl("-n", namespace, "create", "serviceaccount", "reader")
    reader = plane.service_account_kubeconfig(namespace, "reader")
    assert oct(reader.stat().st_mode)[-3:] == "600"
    who = plane.kubectl("auth", "whoami", kubeconfig=reader).stdout
    assert f"system:serviceaccount:{namespace}:reader" in who

    def list_pods() -> subprocess.CompletedProcess[str]:
        return plane.kubectl("get", "pods", check=False, kubeconfig=reader)

    assert "forbidden" in list_pods().stderr
    rule = ["create", "role", "pods", "--verb=get,list", "--resource=pods"]
    plane.kubectl("-n", namespace, *rule)
    bind = ["create", "rolebinding", "pods", "--role=pods"]
    plane.kubectl("-n", namespace, *bind, f"--serviceaccount={namespace}:reader")
    wait_until(lambda: list_pods().returncode == 0, timeout=5, what="the role counts")
    assert plane.kubectl("get", "secrets", check=False, kubeconfig=reader).returncode != 0


def test_admission_policies_are_enforced(plane: ControlPlane, namespace: str) -> None:
    name = f"freeze-{plane.run}"
    plane.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {
                    "resourceRules": [
                        {
                            "apiGroups": ["apps"],
                            "apiVersions": ["v1"],
                            "resources": ["deployments"],
                            "operations": ["UPDATE"],
                        }
                    ]
                },
                "validations": [
                    {
                        "expression": "object.spec.template == oldObject.spec.template",
                        "message": "FROZEN",
                        "reason": "Forbidden",
                    }
                ],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
                },
            },
        },
    )
    plane.apply(in_namespace(deployment("web"), namespace))

    def change(image: str) -> str:
        arguments = ["set", "image", "deployment/web", f"app=example.invalid/app:{image}"]
        return plane.kubectl("-n", namespace, *arguments, check=False).stderr

    tags = iter(range(2, 1000))
    wait_until(lambda: "FROZEN" in change(str(next(tags))), timeout=10, what="the policy counts")
    plane.kubectl("-n", namespace, "scale", "deployment/web", "--replicas=5")
    plane.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name)


def test_only_health_is_anonymous(plane: ControlPlane) -> None:
    if plane.local is None:
        pytest.skip(f"provider {plane.provider} is not ours to configure")
    context = ssl.create_default_context(cafile=str(plane.local.files.authority))

    def get(path: str) -> int:
        try:
            with urllib.request.urlopen(plane.server + path, context=context) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert get("/readyz") == 200
    assert get("/version") == 401
    assert get("/api/v1/namespaces") == 401


def test_what_is_stored_survives_an_outage(plane: ControlPlane, namespace: str) -> None:
    if plane.local is None:
        pytest.skip(f"provider {plane.provider} is not ours to stop")
    plane.kubectl("-n", namespace, "create", "configmap", "kept", "--from-literal=a=b")
    for grace in (0.0, 1.0):
        plane.stop_api_server(grace=grace)
        assert "refused" in plane.kubectl("get", "nodes", check=False).stderr
        plane.start_api_server()
        assert plane.kubectl.json("-n", namespace, "get", "configmap", "kept")["data"] == {"a": "b"}
    if plane.rolls_out:  # the controllers lived through it
        plane.apply(in_namespace(deployment("web"), namespace))
        status = ["rollout", "status", "deployment/web", "--timeout=60s"]
        plane.kubectl("-n", namespace, *status)


def test_two_run_side_by_side(plane: ControlPlane) -> None:
    with control_plane() as other:
        if other.provider == "existing":
            pytest.skip("both are the same existing cluster")
        assert other.server != plane.server
        other.kubectl("create", "namespace", "only-there")
        names = plane.kubectl("get", "namespaces", "-o", "name").stdout.split()
        assert "namespace/only-there" not in names
        directory = other.directory
    assert not directory.exists()


def processes_naming(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if text in command:
            found.append(command)
    return found


@pytest.mark.parametrize("end", [subprocess.Popen.kill, subprocess.Popen.terminate])
def test_nothing_is_left_when_its_owner_is_killed(
    plane: ControlPlane, end: Callable[[subprocess.Popen[str]], None]
) -> None:
    if plane.local is None:
        pytest.skip(f"provider {plane.provider} starts no processes")
    code = (
        "import time; from e2e.harness import control_plane\n"
        "with control_plane() as plane: print(plane.directory, flush=True); time.sleep(1000)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    directory = owner.stdout.readline().strip()
    assert len(processes_naming(directory)) >= 2
    end(owner)
    owner.communicate()
    wait_until(
        lambda: not processes_naming(directory) and not Path(directory).exists(),
        timeout=10,
        what="everything is gone",
    )


@pytest.fixture
def as_existing(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> str:
    """Our own control plane, seen as somebody's cluster; returns its context."""
    monkeypatch.setenv("SLUICE_TEST_KUBECONFIG", str(plane.kubeconfig))
    monkeypatch.delenv("SLUICE_TEST_CLUSTER_CONFIRMED", raising=False)
    return plane.kubectl("config", "current-context").stdout.strip()


def test_an_existing_cluster_is_used_and_left_clean(
    plane: ControlPlane, as_existing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_TEST_CLUSTER_CONFIRMED", as_existing)
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "test-role"},
        "rules": [],
    }
    with control_plane() as theirs:
        assert (theirs.provider, theirs.server) == ("existing", plane.server)
        with theirs.namespace("shop") as name:
            assert name.startswith("shop-")
        theirs.apply(role)
        theirs.apply(role)  # ours by now
        with pytest.raises(RuntimeError, match="not ours to stop"):
            theirs.stop_api_server()
    assert plane.kubectl("get", "clusterrole", "test-role", check=False).returncode != 0
    left = "jsonpath={.items[*].metadata.labels}"
    assert theirs.run not in plane.kubectl("get", "namespaces", "-o", left).stdout


def test_an_object_of_an_existing_cluster_is_not_taken_over(
    plane: ControlPlane, as_existing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_TEST_CLUSTER_CONFIRMED", as_existing)
    with control_plane() as theirs, pytest.raises(RuntimeError, match="was there before"):
        theirs.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    plane.kubectl("get", "namespace", "default")


def test_an_existing_cluster_must_be_confirmed(as_existing: str) -> None:
    with pytest.raises(RuntimeError, match=as_existing) as caught, control_plane():
        pass
    assert "kind" not in str(caught.value), "nothing else may be taken in its stead"


def test_a_directory_of_programs_is_enough(
    plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if plane.provider != "built":
        pytest.skip("needs the programs that we build")
    binary = plane.kubectl.program.resolve()
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (tmp_path / name).symlink_to(binary)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with control_plane(api_server_flags=["--max-requests-inflight=77"]) as small:
        assert (small.provider, small.rolls_out) == ("assets", False)
        small.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        commands = processes_naming(str(small.directory))
        assert any("--max-requests-inflight=77" in command for command in commands)


def test_a_port_that_is_taken_meanwhile_is_no_failure(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    if plane.provider != "built":
        pytest.skip("needs a control plane of our own")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1]])
        monkeypatch.setattr(local, "free_port", lambda: next(ports, None) or free_port())
        with control_plane() as other:
            assert not other.server.endswith(str(taken.getsockname()[1]))
            other.kubectl("get", "nodes")


def test_helm_installs(plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: hello\nversion: 1.0.0\n")
    (tmp_path / "templates" / "config.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\n"
    )

    def run(*args: str) -> str:
        command = [
            str(helm()),
            f"--kubeconfig={plane.kubeconfig}",
            f"--namespace={namespace}",
            *args,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "v4." in run("version")
    run("install", "greeting", str(tmp_path))
    plane.kubectl("-n", namespace, "get", "configmap", "greeting")
    run("uninstall", "greeting")
    assert plane.kubectl("-n", namespace, "get", "cm", "greeting", check=False).returncode != 0


def test_it_starts_in_seconds(plane: ControlPlane) -> None:
    if plane.provider != "built":
        pytest.skip("a promise about our own control plane")
    started = time.monotonic()
    with control_plane():
        elapsed = time.monotonic() - started
    assert elapsed < 30
