"""What an override is pinned to, read from manifests."""

from pathlib import Path

import pytest

from sluice.cli.check_files import Finding
from sluice.cli.pin import Pin, pin

WEB = """
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      initContainers: [{name: migrate, image: "web:2"}]
      containers: [{name: web, image: "web:2"}, {name: proxy, image: "proxy:7"}]
---
kind: Service
metadata: {name: web}
spec: {selector: {app: web}}
"""


def of(text: str) -> Pin | Finding:
    return pin(["-"], text.encode)


def test_a_pin_has_all_images_and_workloads_once() -> None:
    assert of(WEB) == Pin(("web",), ("web:2", "proxy:7"))
    both = f"{WEB}---{WEB.replace('name: web}', 'name: api}', 1)}"
    assert of(both) == Pin(("web", "api"), ("web:2", "proxy:7"))


def test_a_pin_is_read_from_directories_as_kubectl_does(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(WEB)
    assert pin([str(tmp_path)], bytes) == Pin(("web",), ("web:2", "proxy:7"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: Service", "-: there is no workload in it"),
        ("", "there is no workload in it"),
        ("[1", "cannot be read"),
        ("spec: {template: {spec: {containers: [{image: a}]}}}", "needs metadata.name"),
        (
            "{metadata: {name: w}, spec: {template: {spec: {containers: [{}]}}}}",
            "containers with image",
        ),
        ("{metadata: {name: w}, spec: {template: {spec: {}}}}", "containers with image"),
        ("{metadata: {name: w}, spec: {template: {spec: {containers: [x]}}}}", "with image"),
    ],
)
def test_what_pins_nothing_says_what_is_missing(text: str, says: str) -> None:
    found = of(text)
    assert isinstance(found, Finding)
    assert says in str(found)
