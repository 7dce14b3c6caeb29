"""What a freeze is, as plain values: the input of every gate's renderer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sluice.api.metadata import LabelSelector


@dataclass(frozen=True, slots=True)
class Revision:
    """A pod template that a workload has run with and that the cluster still retains.

    Args:
        number: the rollout's number; larger is newer.
        template: the pod template as the API server shows it, without label `pod-template-hash`.
        images: image by container name, init containers included.
    """

    number: int
    template: Mapping[str, Any]
    images: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Workload:
    """A governed workload: kind and name, the images it runs now, and what it can roll back to.

    Of one whose template is stored as it was written (not `fills_in`), a revision's template may
    come back with or without what the API server fills in.
    """

    kind: str
    name: str
    images: Mapping[str, str]
    revisions: tuple[Revision, ...] = ()
    fills_in: bool = True

    @property
    def key(self) -> str:
        """What tells it from all others of its namespace."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Override:
    """Changes of `workloads` pass until `until`, inclusive.

    They are names, for workloads of every kind; all that are governed if there are none. With
    `images` only what runs none but these passes.
    """

    until: datetime
    workloads: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A workload (`Workload.key`) that may not be deployed before `until`, and what that says.

    `text` stands between the workload's name and the suffix of the message.
    """

    workload: str
    until: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Approved:
    """A workload (`Workload.key`) of which a deployment is approved until `until`, excluded."""

    workload: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Limit:
    """Of a freeze that lets deployments pass: which.

    Args:
        waiting: the workloads that must wait.
        leaves: the text for a change that would take a workload out of the policy.
        approved: the workloads that are approved.
        needs_approval: whether only these may be deployed, and also they when they need not wait;
            else any other one may that need not wait, and they in any case.
        unapproved: the text for a change that lacks an approval.
    """

    waiting: tuple[Waiting, ...]
    leaves: str
    approved: tuple[Approved, ...] = ()
    needs_approval: bool = False
    unapproved: str = ""


@dataclass(frozen=True, slots=True)
class Freeze:
    """What one ErrorBudgetPolicy denies or warns about now.

    Args:
        namespace: the policy's namespace; nothing outside of it is touched.
        policy: the policy's name.
        uid: the policy's uid.
        action: deny changes, or let them pass with a warning.
        message_prefix: what the requester reads, up to the workload's kind.
        message_infix: from there to its name.
        message_suffix: the rest of it.
        kinds: which kinds of workloads are governed.
        selector: and which of them.
        expires: the freeze ends then unless it is rendered again before.
        exempt_template_keys: annotations of the pod template whose change is no deployment.
        change_types: types of change that pass when they are declared.
        change_type_key: the label or annotation of a workload that declares one.
        exempt_users: user names whose changes pass.
        workloads: the governed workloads that exist, for their revisions.
        overrides: who may pass nevertheless.
        only: names of the workloads that it is for; all that are governed if there are none.
        part: what tells it from the policy's other freezes; empty for the one of all workloads.
        limit: which deployments it is about; None for all.
        own: keys of Sluice's own workloads in the namespace, whatever the selector says of them.
    """

    namespace: str
    policy: str
    uid: str
    action: Literal["Deny", "Warn"]
    message_prefix: str
    message_infix: str
    message_suffix: str
    kinds: tuple[str, ...]
    selector: LabelSelector
    expires: datetime
    exempt_template_keys: tuple[str, ...] = ()
    exempt_users: tuple[str, ...] = ()
    change_types: tuple[str, ...] = ()
    change_type_key: str = ""
    workloads: tuple[Workload, ...] = ()
    overrides: tuple[Override, ...] = ()
    only: tuple[str, ...] = ()
    part: str = ""
    limit: Limit | None = None
    own: tuple[str, ...] = ()
