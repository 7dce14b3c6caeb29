"""From what was found out to what `kubectl sluice explain` says. Pure."""

from collections.abc import Iterator

from sluice.api.conditions import ConditionType, find_condition
from sluice.api.reasons import Reason
from sluice.cli.explain_facts import Explained
from sluice.cli.explain_model import ExplainAnswer, WayAnswer
from sluice.cli.rules import in_words
from sluice.cli.ways import Denied, Earlier, is_paused, ways
from sluice.enforcement.revisions import images
from sluice.gate import kinds
from sluice.gate.answers import Asked, VerdictAnswer, answer, answer_to
from sluice.kube.resources import RETAINED, Resource
from sluice.policy.admission import Governor


def explanation(found: Explained) -> ExplainAnswer:
    """Everything that is told."""
    verdict = _verdict(found)
    return ExplainAnswer(
        time=found.now,
        user=found.user,
        change=str(found.question.wanted),
        verdict=verdict,
        rule=in_words(verdict.rule),
        ways=[] if verdict.allowed else _ways(found),
        server=found.server,
        problems=[*found.problems, *_without_gate(found)],
    )


def _without_gate(found: Explained) -> Iterator[str]:
    """What decides is told here; whether the API server does as it says, by the policy."""
    governor = found.verdict.governor if found.verdict is not None else None
    if governor is None:
        return
    told = find_condition(governor.policy.status.conditions, ConditionType.ENFORCING)
    if told is not None and told.reason == Reason.GATE_REJECTED:
        yield f"ErrorBudgetPolicy {governor.name} may deny nothing ({told.reason}): {told.message}"


def _verdict(found: Explained) -> VerdictAnswer:
    workload, judge = found.question.workload, found.judge
    subject = workload.namespace, workload.resource.kind, workload.name
    if found.verdict is None:
        return answer(judge, *subject, asked=Asked(found.user))
    told = answer_to(judge, found.verdict, *subject)
    if told.allowed or found.overrides_read:
        return told
    # An override that cannot be seen may let it pass.
    return told.model_copy(update={"known": False})


def _ways(found: Explained) -> list[WayAnswer]:
    verdict, live = found.verdict, found.live
    if verdict is None or verdict.governor is None or live is None:
        return []
    workload = found.question.workload
    case = Denied(
        workload=workload,
        governor=verdict.governor,
        earlier=_earlier(found, verdict.governor),
        paused=is_paused(workload, live),
        may_override=found.may_override,
        pace=verdict.pace,
    )
    return ways(case)


def _earlier(found: Explained, governor: Governor) -> list[Earlier] | None:
    """What differs from what runs by more than exempt annotations, newest first."""
    live = found.live
    if found.retained is None or live is None:
        return None
    running, owner = kinds.deploys(live), live["metadata"]["uid"]
    exempt = governor.policy.spec.exemptions.template_keys
    result = []
    for body in found.retained:
        resource: Resource = RETAINED[body["kind"]]
        one = kinds.retained(resource, body)
        if one is None or one.owner != owner or not one.number or running is None:
            continue
        if not one.deploys.equals(running, ignoring=exempt):
            result.append(Earlier(one.number, ", ".join(images(_template(body)).values())))
    return sorted(result, key=lambda it: it.number, reverse=True)


def _template(retained: dict[str, object]) -> dict[str, object]:
    body = retained.get("data") or retained
    assert isinstance(body, dict)
    template = body["spec"]["template"]
    assert isinstance(template, dict)
    return template
