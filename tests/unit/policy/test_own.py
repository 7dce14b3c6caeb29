"""What is Sluice's own: no policy governs it, however it is frozen, and nothing else gains."""

from dataclasses import replace

import pytest

from sluice.api.policy import ErrorBudgetPolicy, WorkloadReference
from sluice.policy.admission import Change, Outcome, Rule
from sluice.policy.own import Installation
from sluice.policy.selection import WorkloadName, select_workloads
from tests.unit.policy.test_judgement import DEPLOY, JOB, by_hand, governor, policy_of, verdict

SLUICE, GATE = WorkloadName("Deployment", "sluice"), WorkloadName("Deployment", "sluice-gate")
CRDS = WorkloadName("Job", "sluice-crds")
HERE = Installation("shop", frozenset({SLUICE, CRDS}))


def test_an_installation_is_in_one_namespace() -> None:
    assert HERE.within("shop") == {SLUICE, CRDS}
    assert HERE.within("payments") == frozenset()


def test_outside_of_a_cluster_nothing_is_ones_own() -> None:
    assert Installation().within("shop") == frozenset()
    assert Installation().within("") == frozenset()


def test_what_is_sluices_own_is_not_governed_and_all_beside_it_is() -> None:
    labels = {"app.kubernetes.io/name": "sluice"}
    set_of_its_name = WorkloadName("StatefulSet", "sluice")
    existing = [(one, labels) for one in (SLUICE, GATE, set_of_its_name)]
    governed = select_workloads(WorkloadReference(), existing, own=HERE.within("shop"))
    assert governed == (GATE, set_of_its_name)
    elsewhere = select_workloads(WorkloadReference(), existing, own=HERE.within("payments"))
    assert elsewhere == (SLUICE, GATE, set_of_its_name)


def telling(policy: ErrorBudgetPolicy) -> ErrorBudgetPolicy:
    """The policy as the controller of the installation wrote its status."""
    status = policy.status
    own = sorted(one.key for one in HERE.within("shop"))
    workloads = status.workloads.model_copy(update={"own": own})
    return policy.model_copy(update={"status": status.model_copy(update={"workloads": workloads})})


OWN, OWN_JOB = replace(DEPLOY, name="sluice"), replace(JOB, name="sluice-crds")


@pytest.mark.parametrize(
    "policy",
    [policy_of(), policy_of(admission="Warn"), by_hand(), by_hand("sluice")],
    ids=["frozen", "warned", "by hand", "by hand, by its name"],
)
@pytest.mark.parametrize("change", [OWN, OWN_JOB], ids=["upgrade", "hook"])
def test_no_freeze_is_about_sluice_itself(policy: ErrorBudgetPolicy, change: Change) -> None:
    found = verdict(change, governor(telling(policy)))
    assert (found.outcome, found.rule, found.warnings) == (Outcome.ALLOWED, Rule.OWN, ())


@pytest.mark.parametrize(
    "change",
    [
        replace(DEPLOY, name="sluice-gate"),
        replace(DEPLOY, kind="StatefulSet", name="sluice"),
        replace(JOB, name="sluice"),
        replace(DEPLOY, name="sluice-crds"),
    ],
    ids=["another name", "another kind", "a Job called so", "called as the Job"],
)
def test_what_differs_by_name_or_kind_is_denied_whatever_its_labels(change: Change) -> None:
    frozen = governor(telling(policy_of()))
    assert verdict(change, frozen).outcome is Outcome.DENIED


def test_one_policy_that_tells_so_is_enough() -> None:
    found = verdict(OWN, governor(policy_of("fresh")), governor(telling(policy_of("known"))))
    assert (found.outcome, found.rule) == (Outcome.ALLOWED, Rule.OWN)
