"""A freeze of many workloads: accepted, in force, right, and what it costs."""

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kubernetes import client, config

from e2e.gate.shop import Shop, changed, deployment, enforced
from sluice.enforcement.freeze import Revision, Workload
from sluice.enforcement.native import render

pytestmark = pytest.mark.controlplane

WORKLOADS, REVISIONS, ROUNDS = 300, 5, 60


def fleet(like: Workload) -> tuple[Workload, ...]:
    """Workloads of which every fifth has two revisions of one image, so that they are spelled out.

    The others have deployed an image a revision.
    """
    template = dict(like.revisions[0].template)
    container = template["spec"]["containers"][0]

    def revision(number: int, image: int) -> Revision:
        env = [{"name": f"SETTING_{key}", "value": f"{number}-{key}"} for key in range(20)]
        images = {"web": f"registry.example/team/web:{image}"}
        spec = {
            **template["spec"],
            "containers": [{**container, "env": env, "image": images["web"]}],
        }
        return Revision(number, {**template, "spec": spec}, images)

    def workload(number: int) -> Workload:
        newest = REVISIONS - 1 if number % 5 == 0 else REVISIONS
        known = tuple(revision(one, min(one, newest)) for one in range(1, REVISIONS + 1))
        return Workload("Deployment", f"w{number:03}", known[-1].images, known)

    return tuple(map(workload, range(WORKLOADS)))


@contextmanager
def measured(shop: Shop) -> Iterator[list[float]]:
    """Milliseconds of dry-run changes of `web` that are decided last: denied or rolled back."""
    times: list[float] = []
    with config.new_client_from_config(str(shop.plane.kubeconfig)) as connection:
        api = client.AppsV1Api(connection)
        patch = {"spec": {"template": {"metadata": {"annotations": {"probe": "x"}}}}}
        for _ in range(ROUNDS):
            start = time.perf_counter()
            try:
                api.patch_namespaced_deployment("web", shop.namespace, patch, dry_run="All")
            except client.ApiException as error:
                assert error.status == 403  # noqa: PT017 - both outcomes are measured
            times.append((time.perf_counter() - start) * 1000)
    yield times


def test_three_hundred_workloads_with_five_revisions_each_are_enforced(shop: Shop) -> None:
    shop.deploy(deployment("web"))
    shop("set", "env", "deployment/web", "MODE=new")
    shop("rollout", "status", "deployment/web")
    own = shop.workload("web")
    rendered = render(changed(shop.freeze(), workloads=(*fleet(own), own)))
    sizes = [
        len(json.dumps(one)) // 1000 for one in rendered.manifests if "variables" in one["spec"]
    ]
    assert rendered.dropped == ()
    with measured(shop) as thawed:
        pass
    start = time.monotonic()
    with enforced(shop.plane, rendered.manifests):
        accepted = time.monotonic() - start
        in_force = shop.await_verdict(denied=True, name="web", timeout=60)
        with measured(shop) as frozen:
            pass
        assert shop.set_image("web", "web:9").denied
        assert shop("rollout", "undo", "deployment/web", "--dry-run=server").passed
    print(
        f"\n{WORKLOADS} workloads x {REVISIONS} revisions: policies of {sizes} kB, accepted after "
        f"{accepted:.1f} s and in force {in_force:.1f} s later; a change of a pod template takes "
        f"{statistics.median(thawed):.1f} ms thawed and {statistics.median(frozen):.1f} ms denied"
    )
