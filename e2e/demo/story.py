"""The story: a budget falls, deployments are warned about, frozen, overridden and thawed.

Every step is checked. A change is tried with `--dry-run=server` first where the API server needs a
moment to take a new gate in, so that what is shown is what anybody would see a second later.
"""

from contextlib import AbstractContextManager
from itertools import groupby

from e2e.demo.session import OBJECTIVE, POLICY, Session, Surprise
from e2e.stack import condition

_FAILING = {"rate": 200.0, "error_ratio": 0.3}
_QUIET = {"rate": 1.0, "error_ratio": 0.0}
_RUSH = {"rate": 200_000.0, "error_ratio": 0.0}
_GATES = "validatingadmissionpolicies,validatingadmissionpolicybindings"


def tell(session: Session, *, frame: AbstractContextManager[None]) -> None:
    """Tell all of it.

    Args:
        session: where it takes place.
        frame: entered while the freeze is shown: how it comes, and what passes it.

    Raises:
        Surprise: something was not as it should be.
        TimeoutError: something did not come in time.
    """
    _declare(session)
    _healthy(session)
    _warned(session)
    with frame:
        _exhaust(session)
        _frozen(session)
        _fix_gets_through(session)
    _override(session)
    _thaw(session)


def _declare(session: Session) -> None:
    say, run = session.terminal.say, session.run
    session.terminal.chapter("Two promises and a policy")
    say(
        "A shop with two objectives (99.9 % of 30 days without a server error, 95 % of 7 days "
        "within half a second) and a policy: warn below 50 % of the budget, freeze below 20 %."
    )
    run("kubectl apply --server-side -R -f examples/shop")
    run("kubectl config set-context --current --namespace=shop")
    run("kubectl create deployment worker --image=busybox:1.36")
    session.until("30 days are measured", lambda: session.stage() != "", timeout=90)


def _healthy(session: Session) -> None:
    session.terminal.chapter("A healthy budget: deploy as you like")
    session.run("kubectl get slo")
    session.run("kubectl get ebp")
    left = session.remaining()
    # The history has two failures in ten thousand, where one in a thousand is allowed.
    session.check("80 % of the budget is left", holds=left is not None and abs(left - 80) < 1)
    session.check("the policy is in stage Healthy", holds=session.stage() == "Healthy")
    _deploy(session, "web", "nginx:1.27.1", warned=False)


def _warned(session: Session) -> None:
    session.terminal.chapter("Requests fail, the budget falls")
    session.terminal.say(
        "30 % of the requests fail. So that you need not wait for days, the shop gets 200 requests "
        "a second, where its history has 1."
    )
    session.shop.set(**_FAILING)
    session.watch("Warning", timeout=60)
    session.shop.set(**_QUIET)
    session.terminal.say(
        "Less than half is left. The failures are over for now, so somebody deploys nginx:1.27.2. "
        "It passes, with a warning to whoever does it:"
    )
    session.until(
        "the gate warns",
        lambda: "Warning: " in session.answer("kubectl set image deployment/web web=nginx:1.27.2"),
    )
    _deploy(session, "web", "nginx:1.27.2", warned=True)


def _exhaust(session: Session) -> None:
    session.terminal.chapter("The new version fails: freeze")
    session.terminal.say("nginx:1.27.2 fails 30 % of its requests. The budget falls on.")
    session.shop.set(**_FAILING)
    session.watch("Exhausted", timeout=60)


def _frozen(session: Session) -> None:
    session.terminal.say(
        "Less than 20 % of the budget is left: the API server itself now denies changes of what "
        "runs, to administrators, too."
    )
    session.run("kubectl get slo")
    session.run("kubectl get ebp")
    policy = session.object("ebp", POLICY)
    session.check(
        "Frozen=True, Enforcing=True, and Ready=True: a spent budget is no failed resource",
        holds=all(
            condition(policy, kind).get("status") == "True"
            for kind in ("Frozen", "Enforcing", "Ready")
        ),
    )
    _denied(session, "web", "nginx:1.27.3")


def _fix_gets_through(session: Session) -> None:
    session.terminal.say(
        "What helps passes: scaling, the rollback to the last good version, a restart."
    )
    session.run("kubectl scale deployment/web --replicas=5")
    session.run("kubectl rollout undo deployment/web")
    session.check("nginx:1.27.1 is back", holds=session.image("web") == "nginx:1.27.1")
    # The version that failed is gone.
    session.shop.set(**_QUIET)
    session.run("kubectl rollout restart deployment/web")
    _rolled_out(session, "web")
    status = session.object("deployment", "web")["status"]
    session.check(
        "5 replicas of the restarted version are available",
        holds=(status.get("updatedReplicas"), status.get("availableReplicas")) == (5, 5),
    )
    session.check("the freeze goes on", holds=session.stage() == "Exhausted")


def _override(session: Session) -> None:
    session.terminal.chapter("Break-glass: one workload, with a reason and an end")
    command = "kubectl sluice override web --reason='fixes checkout' --ticket=INC-4711 --for=30m"
    said = session.run(command)
    session.check("an override was created", holds="gateoverride.sluice.dev/" in said)
    probe = "kubectl set image deployment/web web=nginx:1.27.4"
    session.until("the override is in force", lambda: "FROZEN" not in session.answer(probe))
    session.run("kubectl get gateoverrides")
    _deploy(session, "web", "nginx:1.27.4", warned=False)
    session.terminal.say("It is for web alone. Everything else stays frozen:")
    _denied(session, "worker", "busybox:1.37", container="busybox")


def _thaw(session: Session) -> None:
    session.terminal.chapter("The budget recovers: thaw")
    session.terminal.say(
        "A real budget recovers as bad hours leave the window, in days. Here time is sped up: at "
        "200,000 good requests a second the same failures soon are a small share. The policy asks "
        "for 5 points above the threshold, held for 30 seconds, before it thaws."
    )
    session.shop.set(**_RUSH)
    session.watch("Healthy", timeout=120)
    session.run("kubectl get ebp")
    probe = "kubectl set image deployment/worker busybox=busybox:1.37"
    session.until("changes pass", lambda: "FROZEN" not in session.answer(probe))
    session.check("nothing is left of the freeze in the API server", holds=not _gates(session))
    _deploy(session, "worker", "busybox:1.37", container="busybox", warned=False)
    session.terminal.say("What happened, newest first:")
    stages = session.run(
        "kubectl get ebp default -o "
        """'jsonpath={range .status.history[*]}{.time}  {.to}: {.message}{"\\n"}{end}'"""
    )
    # Where an override began or ended it stands as well, with the stage of that time.
    newest_first = [
        stage for stage, _ in groupby(line.split()[1].rstrip(":") for line in stages.splitlines())
    ]
    session.check(
        "Healthy, Warning, Exhausted, Healthy: every change of stage is in the policy's history",
        holds=newest_first == ["Healthy", "Exhausted", "Warning", "Healthy"],
    )


def _deploy(session: Session, name: str, image: str, *, warned: bool, container: str = "") -> None:
    said = session.run(f"kubectl set image deployment/{name} {container or name}={image}")
    warning = "Warning: Validation failed for ValidatingAdmissionPolicy"
    about = f"ErrorBudgetPolicy shop/{POLICY}: SLO {OBJECTIVE} has "
    if warned:
        session.check(
            "it passes, and the warning names the policy and the objective",
            holds=warning in said and about in said,
        )
    elif "Warning" in said:
        raise Surprise(f"deploying {image} was warned about: {said}")
    _rolled_out(session, name)
    session.check(f"{image} is rolled out", holds=session.image(name) == image)


def _rolled_out(session: Session, name: str) -> None:
    with session.terminal.working(f"waiting until {name} is rolled out"):
        session.quiet("rollout", "status", f"deployment/{name}", "--timeout=60s")
    session.run(f"kubectl get deployment {name} -o wide")


def _denied(session: Session, name: str, image: str, *, container: str = "") -> None:
    before = session.image(name)
    command = f"kubectl set image deployment/{name} {container or name}={image}"
    session.until("the gate denies", lambda: "FROZEN" in session.answer(command))
    said = session.run(command, code=1)
    wanted = (
        f'deployments.apps "{name}" is forbidden: ',
        f"denied request: FROZEN by ErrorBudgetPolicy shop/{POLICY}: SLO {OBJECTIVE} has ",
        " of its 30d budget left (freeze below 20%)",
        f"Change of Deployment shop/{name} denied; scaling, restart and rollback are allowed.",
        "Override: kubectl sluice override.",
    )
    missing = [text for text in wanted if text not in said]
    if missing:
        raise Surprise(f"the denial does not say {missing[0]!r}")
    session.check(
        f"denied, and {name} still runs {before}",
        holds=session.image(name) == before,
    )


def _gates(session: Session) -> list[object]:
    found = session.stack.plane.kubectl.json("get", _GATES, "-l", "sluice.dev/policy-uid")
    return list(found["items"])
