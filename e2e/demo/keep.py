"""`make demo KEEP=1`: leave everything up, and say how to use it."""

import os
import sys
import threading

from e2e.demo.session import NAMESPACE, Session, plugin_directory


def stay(session: Session) -> None:
    """Say how to use what is up, and return on Ctrl-C."""
    session.shop.set(rate=1.0)
    session.terminal.chapter("Yours until Ctrl-C")
    session.terminal.console.print()
    for line in _guide(session):
        session.terminal.console.print(line, soft_wrap=True)
    sys.stdout.flush()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        session.terminal.console.print()


def _guide(session: Session) -> tuple[str, ...]:
    stack, shop = session.stack, f"http://{session.shop.address}"
    programs = f"{stack.plane.kubectl.program.parent}{os.pathsep}{plugin_directory()}"
    return (
        "# In another terminal: kubectl as an administrator, and `kubectl sluice`.",
        f"export KUBECONFIG={stack.plane.kubeconfig}",
        f'export PATH="{programs}:$PATH"',
        f"kubectl -n {NAMESPACE} get slo",
        f"kubectl -n {NAMESPACE} get ebp -w",
        "",
        "# Make the shop fail, and heal it. The more requests, the faster a month's budget moves.",
        f"curl -d rate=20000 -d error_ratio=0.3 {shop}/set",
        f"curl -d rate=2000000 -d error_ratio=0 {shop}/set",
        f"curl -d bad=1000 {shop}/inject",
        "",
        "# To look at: Prometheus, and the controller's metrics and log.",
        stack.prometheus.url,
        f"http://127.0.0.1:{session.controller.port}/metrics",
        f"{session.controller.daemon.log}",
    )
