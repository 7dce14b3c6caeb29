"""What people and tools do during a freeze, for real: each test in a namespace of its own."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import yaml

from e2e.gate.shop import (
    CANARY,
    OF_KIND,
    Shop,
    apply_gate,
    changed,
    deployment,
    enforced,
    later,
    merged,
)
from e2e.gate.webhook import frozen as frozen_by_webhook
from e2e.gate.webhook import opted_in
from e2e.harness import ControlPlane, wait_until
from e2e.verdict import Verdict
from sluice.api.metadata import LabelRequirement, LabelSelector
from sluice.enforcement.freeze import Override
from sluice.enforcement.native import render

pytestmark = pytest.mark.controlplane

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def shop(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Shop]:
    digest = f"{abs(hash(request.node.name)):x}"[:12]
    with control_plane.namespace(f"flow-{digest}") as namespace:
        yield Shop(control_plane, namespace)


def image(shop: Shop, name: str = "web") -> str:
    found: str = shop.get("deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


def two_revisions(shop: Shop) -> None:
    shop.deploy(deployment("web", image="web:1"))
    shop.deploy(deployment("web", image="web:2"))


def test_a_denial_is_http_403_with_reason_forbidden(shop: Shop) -> None:
    with shop.frozen():
        verdict = shop.set_image(CANARY, "web:9", "-v=8")
    lines = [line for line in verdict.said.splitlines() if "denied request: FROZEN" in line]
    body = next(line for line in lines if '"kind":"Status"' in line.replace("\\", ""))
    assert '"reason":"Forbidden"' in body.replace("\\", "")
    assert '"code":403' in body.replace("\\", "")


def test_a_freeze_is_in_force_within_two_seconds_and_so_is_its_end(shop: Shop) -> None:
    shop.deploy(deployment(CANARY))
    rendered = render(shop.freeze())
    with enforced(shop.plane, rendered.manifests):
        frozen = shop.await_verdict(denied=True)
    thawed = shop.await_verdict(denied=False)
    print(f"in force after {frozen:.2f} s, lifted after {thawed:.2f} s")
    assert frozen < 2
    assert thawed < 2


def test_undo_rolls_back_and_the_rollback_can_be_rolled_forward_again(shop: Shop) -> None:
    two_revisions(shop)
    with shop.frozen():
        assert shop("rollout", "undo", "deployment/web").passed
        assert image(shop) == "web:1"
        shop.settle("web")
        assert shop("rollout", "undo", "deployment/web").passed
        assert image(shop) == "web:2"
        assert shop.set_image("web", "web:3").denied


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_a_set_is_rolled_back_to_what_its_controller_revisions_hold(shop: Shop, kind: str) -> None:
    make = OF_KIND[kind]
    for version in ("web:1", "web:2"):
        shop.deploy(make("web", image=version))
    shop("set", "env", f"{kind}/web", "MODE=fancy")
    wait_until(
        lambda: len(shop.workload("web", kind=kind).revisions) == 3,
        timeout=10,
        what="third revision",
    )
    with shop.frozen():
        assert shop.attempt("set", "env", f"{kind}/web", "MODE=new").denied
        assert shop("rollout", "undo", f"{kind}/web").passed
        assert shop.attempt("set", "env", f"{kind}/web", "MODE=new").denied
        assert shop("rollout", "undo", f"{kind}/web", "--to-revision=1").passed
        template = shop.get(kind, "web")["spec"]["template"]
        assert template["spec"]["containers"][0]["image"] == "web:1"
        assert shop("rollout", "restart", f"{kind}/web").passed
        assert shop.set_image("web", "web:9", kind=kind).denied
        assert shop("delete", kind, "web").passed


def test_a_workload_of_another_kind_is_no_way_back_for_one_of_the_same_name(shop: Shop) -> None:
    for number, (kind, make) in enumerate(OF_KIND.items()):
        shop.deploy(make("web", image=f"old:{kind.lower()}"))
        shop.deploy(make("web", image=f"new:{number}"))
    with shop.frozen():
        for kind in OF_KIND:
            for other in OF_KIND:
                image = f"old:{other.lower()}"
                verdict = shop.set_image("web", image, "--dry-run=server", kind=kind)
                assert verdict.denied is (kind != other), verdict.said


CHANGE_TYPE = "sluice.dev/change-type"


@pytest.mark.parametrize("kind", OF_KIND)
@pytest.mark.parametrize("place", ["labels", "annotations"])
@pytest.mark.parametrize("by", ["native", "webhook"])
def test_a_declared_change_passes_once(
    control_plane: ControlPlane, request: pytest.FixtureRequest, by: str, kind: str, place: str
) -> None:
    with opted_in(control_plane, f"declared-{by}-{kind.lower()}-{place}") as shop:
        shop.deploy(OF_KIND[kind]("web"))
        types = ("security", "P0")
        if by == "native":
            freeze = changed(shop.freeze(), change_types=types, change_type_key=CHANGE_TYPE)
            with shop.frozen(freeze):
                declare_and_change(shop, kind, place)
        else:
            request.getfixturevalue("gate")
            with frozen_by_webhook(shop, exemptions={"changeTypes": types}):
                declare_and_change(shop, kind, place)


def declare_and_change(shop: Shop, kind: str, place: str) -> None:
    """What passes is a change that is declared as security or P0 in the same update."""

    def change(image: str, declared: str | None) -> Verdict:
        containers = [{"name": "web", "image": image}]
        patch = {
            "metadata": {place: {CHANGE_TYPE: declared}},
            "spec": {"template": {"spec": {"containers": containers}}},
        }
        return shop.attempt("patch", kind, "web", "-p", json.dumps(patch))

    assert change("web:2", "feature").denied
    assert change("web:2", "securityfeature").denied
    assert change("web:2", "security.CVE-2026-1").passed
    # It stays where it is, as in Git.
    assert change("web:3", "security.CVE-2026-1").denied
    assert change("web:3", None).denied
    assert change("web:3", "security.CVE-2026-2").passed
    assert change("web:4", "P0").passed
    leaves = {"metadata": {place: {CHANGE_TYPE: "P0.7"}}}
    leaves = merged(leaves, {"metadata": {"labels": {"gate": "off"}}})
    assert shop.patch("web", leaves, kind=kind).denied


def test_a_declaration_lets_nothing_pass_where_no_type_is_exempt(shop: Shop) -> None:
    shop.deploy(deployment("web"))
    with shop.frozen():
        patch = {"metadata": {"annotations": {CHANGE_TYPE: "security"}}}
        image = {
            "spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}
        }
        text = json.dumps(merged(patch, image))
        assert shop.attempt("patch", "deployment", "web", "-p", text).denied


def test_after_a_rollback_the_old_images_are_no_pass_for_other_changes(shop: Shop) -> None:
    two_revisions(shop)
    with shop.frozen():
        shop("rollout", "undo", "deployment/web")
        assert shop.attempt("set", "env", "deployment/web", "MODE=new").denied


def test_the_old_manifest_applied_again_is_a_rollback_even_after_a_restart(shop: Shop) -> None:
    first, second = deployment("web"), deployment("web")
    second["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "fancy"
    shop.deploy(first)
    shop.deploy(second)
    shop("rollout", "restart", "deployment/web")
    shop("rollout", "status", "deployment/web")
    shop.settle("web")
    with shop.frozen():
        assert shop.attempt("apply", "-f", "-", stdin=json.dumps(first)).passed
        live = shop.get("deployment", "web")["spec"]["template"]
        assert live["spec"]["containers"][0]["env"][0]["value"] == "plain"
        assert "kubectl.kubernetes.io/restartedAt" in live["metadata"]["annotations"]


def test_the_old_manifest_with_more_than_the_old_manifest_is_denied(shop: Shop) -> None:
    first, second = deployment("web"), deployment("web")
    second["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "fancy"
    shop.deploy(first)
    shop.deploy(second)
    first["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh"]
    with shop.frozen():
        assert shop.attempt("apply", "-f", "-", stdin=json.dumps(first)).denied


def test_scaling_pausing_restarting_and_deleting_go_through(shop: Shop) -> None:
    shop.deploy(deployment("web"))
    with shop.frozen():
        for change in (
            ("scale", "deployment/web", "--replicas=2"),
            ("rollout", "pause", "deployment/web"),
            ("rollout", "resume", "deployment/web"),
            ("rollout", "restart", "deployment/web"),
            ("delete", "deployment", "web"),
        ):
            assert shop(*change).passed
        scaled = merged(deployment(CANARY), {"spec": {"replicas": 4}})
        assert shop("apply", "-f", "-", stdin=json.dumps(scaled)).passed


def test_a_forced_apply_is_denied_and_the_object_stays(shop: Shop) -> None:
    shop.deploy(deployment("web"))
    uid = shop.get("deployment", "web")["metadata"]["uid"]
    manifest = json.dumps(deployment("web", image="web:9"))
    with shop.frozen():
        assert shop.attempt("apply", "--force", "-f", "-", stdin=manifest).denied
        forced = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        assert shop.attempt(*forced, stdin=manifest).denied
    assert shop.get("deployment", "web")["metadata"]["uid"] == uid
    assert image(shop) == "web:1"


def test_a_deployment_that_a_controller_owns_already_is_the_controllers_matter(shop: Shop) -> None:
    shop("create", "configmap", "owner")
    owner = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": shop.get("configmap", "owner")["metadata"]["uid"],
    }
    owned = {"metadata": {"ownerReferences": [{**owner, "controller": True}]}}
    merely_referring = {"metadata": {"ownerReferences": [owner]}}
    shop.deploy(merged(deployment("owned"), owned), merged(deployment("web"), merely_referring))
    with shop.frozen():
        assert shop.set_image("owned", "web:9").passed
        assert shop.set_image("web", "web:9").denied


def test_a_deployment_that_is_being_deleted_can_be_let_go(shop: Shop) -> None:
    shop.deploy(merged(deployment("web"), {"metadata": {"finalizers": ["example.com/hold"]}}))
    with shop.frozen():
        shop("delete", "deployment", "web", "--wait=false")
        assert shop.patch("web", {"metadata": {"finalizers": None, "labels": None}}).passed
        assert not shop.attempt("get", "deployment", "web").passed


def test_another_namespace_is_not_touched(shop: Shop, control_plane: ControlPlane) -> None:
    with control_plane.namespace(f"{shop.namespace}-x") as namespace:
        other = Shop(control_plane, namespace)
        other.deploy(deployment("web"))
        with shop.frozen():
            assert other.set_image("web", "web:9").passed


def test_an_override_passes_what_it_names_and_nothing_else(shop: Shop) -> None:
    shop.deploy(deployment("web"), deployment("api"))
    freeze = changed(shop.freeze(), overrides=(Override(later(hours=1), ("web",)),))
    with shop.frozen(freeze):
        leaving = {"metadata": {"labels": {"gate": None}}}
        assert shop.set_image("api", "api:9").denied
        assert shop.patch("api", leaving).denied
        assert shop.set_image("web", "web:9").passed
        assert shop.patch("web", leaving).passed


def test_an_override_of_all_workloads_passes_all(shop: Shop) -> None:
    shop.deploy(deployment("web"))
    with shop.frozen():
        freeze = changed(shop.freeze(), overrides=(Override(later(hours=1)),))
        apply_gate(shop.plane, render(freeze).manifests)
        shop.await_verdict(denied=False)
        assert shop.set_image("web", "web:9").passed


def test_an_override_that_has_ended_passes_nothing(shop: Shop) -> None:
    shop.deploy(deployment("web"))
    with shop.frozen(changed(shop.freeze(), overrides=(Override(later(hours=1), ("web",)),))):
        assert shop.set_image("web", "web:7", "--dry-run=server").passed
        # Not before: until a freeze is in force, more time may pass than the override has.
        end = later(seconds=2)
        ending = changed(shop.freeze(), overrides=(Override(end, ("web",)),))
        apply_gate(shop.plane, render(ending).manifests)
        wait_until(lambda: later() > end, timeout=10, what="end of the override")
        wait_until(
            lambda: shop.set_image("web", "web:8", "--dry-run=server").denied,
            timeout=10,
            what="denial after the override",
        )


def test_a_freeze_that_nobody_renews_ends_by_itself(shop: Shop) -> None:
    shop.deploy(deployment("web"))
    with shop.frozen():
        assert shop.set_image("web", "web:9").denied
        end = later(seconds=2)
        apply_gate(shop.plane, render(changed(shop.freeze(), expires=end)).manifests)
        wait_until(lambda: later() > end, timeout=10, what="expiry")
        shop.await_verdict(denied=False)
        assert shop.set_image("web", "web:9").passed
        assert shop.patch("web", {"metadata": {"labels": {"gate": None}}}).passed


def test_after_the_expiry_a_change_that_only_removes_needs_any_other_write_first(
    shop: Shop,
) -> None:
    shop.deploy(deployment("web"))
    # Its controller writes for as long as it rolls out, and any write after the expiry will do.
    shop("rollout", "status", "deployment/web")
    removal = ("set", "env", "deployment/web", "MODE-", "--dry-run=server")
    with shop.frozen():
        past = changed(shop.freeze(), expires=later(seconds=1))
        wait_until(lambda: later() > past.expires, timeout=5, what="expiry")
        apply_gate(shop.plane, render(past).manifests)
        shop.await_verdict(denied=False)
        assert shop.attempt(*removal).denied
        shop("annotate", "deployment/web", "note=x")
        assert shop.attempt(*removal).passed


def test_an_object_without_managed_fields_is_governed_all_the_same(shop: Shop) -> None:
    shop.deploy(deployment("web"))
    with shop.frozen():
        live = shop.get("deployment", "web")
        live["metadata"]["managedFields"] = [{}]
        live["spec"]["template"]["spec"]["containers"][0]["image"] = "web:9"
        assert shop.replace(live).denied


def test_a_forged_time_ends_a_freeze_early_as_the_threat_notes_say(shop: Shop) -> None:
    shop.deploy(deployment("web"))
    with shop.frozen():
        live = shop.get("deployment", "web")
        live["metadata"]["managedFields"][0]["time"] = "2099-01-01T00:00:00Z"
        live["spec"]["template"]["spec"]["containers"][0]["image"] = "web:9"
        assert shop.replace(live).passed


def test_an_exempt_user_passes_and_another_does_not(
    shop: Shop, control_plane: ControlPlane
) -> None:
    shop.deploy(deployment("web"))
    robots = {}
    for name in ("exempt", "other"):
        shop("create", "serviceaccount", name)
        account = f"--serviceaccount={shop.namespace}:{name}"
        shop("create", "rolebinding", name, "--clusterrole=edit", account)
        robots[name] = control_plane.service_account_kubeconfig(shop.namespace, name)
    user = f"system:serviceaccount:{shop.namespace}:exempt"
    change = ("-n", shop.namespace, "set", "image", "deployment/web", "web=web:9")
    with shop.frozen(changed(shop.freeze(), exempt_users=(user,))):
        denied = control_plane.kubectl(*change, kubeconfig=robots["other"], check=False)
        assert "denied request: FROZEN" in denied.stderr
        # As a revert in Git does that takes away a label which was added with the image.
        leaving = json.dumps(
            {
                "metadata": {"labels": {"gate": None}},
                "spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:9"}]}}},
            }
        )
        control_plane.kubectl(
            "-n",
            shop.namespace,
            "patch",
            "deployment/web",
            "--type=strategic",
            "-p",
            leaving,
            kubeconfig=robots["exempt"],
        )
    assert image(shop) == "web:9"


def test_a_warning_lets_the_change_pass_and_says_so(shop: Shop) -> None:
    two_revisions(shop)
    freeze = changed(shop.freeze("Warn"), message_prefix="WARNING of a test: ")
    with enforced(shop.plane, render(freeze).manifests):
        wait_until(
            lambda: "WARNING of a test" in shop.set_image("web", "web:8", "--dry-run=server").said,
            timeout=5,
            what="warning",
        )
        verdict = shop.set_image("web", "web:3")
        assert verdict.passed
        assert "Warning: Validation failed for ValidatingAdmissionPolicy" in verdict.said
        assert "WARNING of a test: Deployment web denied" in verdict.said
        silent = shop.patch("web", {"spec": {"replicas": 2}})
        assert "WARNING" not in silent.said


OPERATORS = [
    LabelRequirement(key="tier", operator="In", values=["front", "back"]),
    LabelRequirement(key="tier", operator="In", values=["back"]),
    LabelRequirement(key="tier", operator="NotIn", values=["back"]),
    LabelRequirement(key="tier", operator="NotIn", values=["front"]),
    LabelRequirement(key="absent", operator="In", values=["x"]),
    LabelRequirement(key="absent", operator="NotIn", values=["x"]),
    LabelRequirement(key="tier", operator="Exists"),
    LabelRequirement(key="absent", operator="Exists"),
    LabelRequirement(key="tier", operator="DoesNotExist"),
    LabelRequirement(key="absent", operator="DoesNotExist"),
]


def test_every_operator_of_a_selector_governs_as_in_kubernetes(shop: Shop) -> None:
    """All at once, as warnings: the API server shows every policy's."""
    shop.deploy(deployment("web", tier="front"))
    selectors = [LabelSelector(match_expressions=[one]) for one in OPERATORS]
    selectors += [LabelSelector(), LabelSelector(match_labels={"tier": "back"})]
    freezes = [
        changed(
            shop.freeze("Warn"),
            policy=f"p{number}",
            selector=selector,
            message_prefix=f"selector-{number}: ",
        )
        for number, selector in enumerate(selectors)
    ]
    governing = {
        number
        for number, one in enumerate(selectors)
        if one.matches({"gate": "on", "tier": "front"})
    }

    def warned() -> set[int]:
        said = shop.set_image("web", "web:9", "--dry-run=server").said
        return {int(number) for number in re.findall(r"selector-(\d+): ", said)}

    manifests = tuple(one for freeze in freezes for one in render(freeze).manifests)
    with enforced(shop.plane, manifests):
        wait_until(lambda: warned() >= governing, timeout=10, what="warnings")
        time.sleep(1)  # a policy that warns wrongly would be in force by now, too
        assert warned() == governing == {0, 2, 5, 6, 9, 10}


def test_data_that_looks_like_code_stays_data(shop: Shop) -> None:
    nasty = "'); true || ('\\ \" ''' ${HOME} $(x) \n\t\x7f é 🚢"
    manifest = deployment("web", image="web:1@'||true||'")
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "NASTY", "value": nasty}]
    container["args"] = [nasty, "x" * 20_000]
    manifest["spec"]["template"]["metadata"]["annotations"] = {"note": nasty}
    shop.deploy(manifest)
    shop("set", "env", "deployment/web", "MODE=new")
    shop("rollout", "status", "deployment/web")
    wait_until(
        lambda: len(shop.workload("web").revisions) == 2,
        timeout=10,
        what="second revision",
    )
    freeze = changed(
        shop.freeze(),
        message_prefix="FROZEN ' + \" \\ \n é 🚢 ${x}: ",
        exempt_users=(nasty, "' || true || '"),
        exempt_template_keys=("note'", "'] || true || ['"),
        overrides=(Override(LONG_AGO), Override(later(hours=1), ("' || true || '",))),
    )
    with shop.frozen(freeze):
        assert shop.set_image("web", "web:9").denied
        verdict = shop.attempt("set", "env", "deployment/web", "MODE=other")
        assert "FROZEN ' + \" \\ é 🚢 ${x}: Deployment web denied" in verdict.said
        assert shop("rollout", "undo", "deployment/web").passed
    live = shop.get("deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    assert live["env"][0]["value"] == nasty


def test_a_template_with_every_kind_of_field_is_recognised_as_a_rollback(shop: Shop) -> None:
    template = yaml.safe_load("""
      metadata: {labels: {run: web}, annotations: {a: "1", b: "true", c: "null"}}
      spec:
        terminationGracePeriodSeconds: 0
        automountServiceAccountToken: false
        hostAliases: [{ip: 127.0.0.1, hostnames: [a.example, b.example]}]
        nodeSelector: {disk: "ssd"}
        tolerations: [{operator: Exists}, {key: k, operator: Equal, value: v, effect: NoSchedule}]
        topologySpreadConstraints:
        - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}
        volumes:
        - {name: scratch, emptyDir: {sizeLimit: 1500Mi}}
        - {name: none, emptyDir: {}}
        initContainers: [{name: init, image: "init:1"}]
        containers:
        - name: web
          image: web:1
          resources: {limits: {cpu: 1500m, memory: "1073741824"}, requests: {cpu: "0.5"}}
          ports: [{containerPort: 80}]
          readinessProbe: {httpGet: {path: /, port: 80}}
          lifecycle: {preStop: {exec: {command: [sh, -c, sleep 5]}}}
          env: [{name: N, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: E}]
    """)
    manifest = deployment("web")
    manifest["spec"]["template"] = template
    shop.deploy(manifest)
    shop("set", "env", "deployment/web", "-c", "web", "MODE=new")
    wait_until(
        lambda: len(shop.workload("web").revisions) == 2,
        timeout=10,
        what="second revision",
    )
    with shop.frozen():
        assert shop.attempt("set", "env", "deployment/web", "-c", "web", "MODE=newer").denied
        assert shop("rollout", "undo", "deployment/web").passed
