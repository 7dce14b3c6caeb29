"""Controllers that reach the API server through a proxy of theirs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from e2e.harness import ApiProxy, api_proxy
from e2e.stack import Controller, Stack


@dataclass(frozen=True)
class Through:
    """A stack behind a proxy, and the controllers that were started there."""

    stack: Stack
    proxy: ApiProxy
    running: list[Controller] = field(default_factory=list)

    def start(self, *flags: str) -> Controller:
        """Start a controller that leads at once."""
        return self.run("--no-leader-elect", *flags)

    def run(self, *flags: str) -> Controller:
        """Start a controller."""
        self.running.append(self.stack.run(*flags))
        return self.running[-1]


@contextmanager
def through(stack: Stack) -> Iterator[Through]:
    """Controllers that end with the `with` block, and their own proxy."""
    plane = stack.plane
    if plane.local is None:
        pytest.skip(f"the proxy knows no certificate of provider {plane.provider}")
    with ExitStack() as resources:
        proxy = resources.enter_context(api_proxy(plane.server, plane.local.files.authority))
        path = plane.directory / f"through-{proxy.address.partition(':')[2]}.kubeconfig"
        found = Through(stack.within(plane, proxy.kubeconfig(stack.kubeconfig, path)), proxy)
        try:
            yield found
        finally:
            for one in found.running:
                one.stop()
