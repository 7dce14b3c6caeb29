"""Freezes of which every text is hostile, and the same ones with harmless texts in their place."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

from sluice.api.metadata import LabelRequirement, LabelSelector
from sluice.enforcement.freeze import (
    Approved,
    Freeze,
    Limit,
    Override,
    Revision,
    Waiting,
    Workload,
)
from sluice.enforcement.kinds import KINDS
from tests.unit.fuzz.hostile import names, texts

_EXPIRES = datetime(2026, 8, 20, 11, 4, tzinfo=UTC)
_FEW = 2
_SHORT = 64


def freezes(*, huge: bool = False) -> st.SearchStrategy[Freeze]:
    """Freezes with all that there can be in one; with `huge` revisions that fit no expression.

    The others are small enough for all of them to be in one expression. Texts are of an API server,
    which holds no lone surrogate.
    """
    text, deployed = names().map(_sent), texts().map(_sent)
    if not huge:
        text = deployed = text.map(lambda it: it[:_SHORT])
    few = st.lists(text, max_size=_FEW, unique=True).map(tuple)
    pairs = st.dictionaries(deployed, deployed, max_size=_FEW)
    return st.builds(
        Freeze,
        namespace=text,
        policy=text,
        uid=text,
        action=st.sampled_from(["Deny", "Warn"]),
        message_prefix=text,
        message_infix=text,
        message_suffix=text,
        kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, unique=True).map(tuple),
        selector=_selectors(text),
        expires=st.just(_EXPIRES),
        exempt_template_keys=few,
        exempt_users=few,
        change_types=few,
        change_type_key=text,
        workloads=st.lists(_workloads(text, deployed, pairs), max_size=_FEW).map(tuple),
        overrides=st.lists(
            st.builds(Override, st.just(_EXPIRES), workloads=few, images=few), max_size=_FEW
        ).map(tuple),
        only=few,
        part=st.sampled_from(["", "manual"]),
        limit=st.none() | _limits(text),
        own=few,
    )


def _sent(text: str) -> str:
    return text.encode(errors="replace").decode()


def _selectors(text: st.SearchStrategy[str]) -> st.SearchStrategy[LabelSelector]:
    requirements = st.builds(
        LabelRequirement.model_construct,
        key=text,
        operator=st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
        values=st.lists(text, max_size=_FEW),
    )
    return st.builds(
        LabelSelector.model_construct,
        match_labels=st.dictionaries(text, text, max_size=_FEW),
        match_expressions=st.lists(requirements, max_size=_FEW),
    )


def _workloads(
    text: st.SearchStrategy[str],
    deployed: st.SearchStrategy[str],
    pairs: st.SearchStrategy[dict[str, str]],
) -> st.SearchStrategy[Workload]:
    few = st.lists(deployed, max_size=_FEW)
    templates = st.fixed_dictionaries(
        {
            "metadata": st.fixed_dictionaries({"labels": pairs, "annotations": pairs}),
            "spec": st.fixed_dictionaries(
                {
                    "containers": st.lists(
                        st.fixed_dictionaries({"name": deployed, "image": deployed, "args": few}),
                        max_size=_FEW,
                    ),
                    "nodeSelector": pairs,
                }
            ),
        }
    )
    return st.builds(
        Workload,
        kind=st.sampled_from(sorted(KINDS)),
        name=text,
        images=pairs,
        revisions=st.lists(
            st.builds(Revision, st.integers(0, 9), templates, pairs), max_size=_FEW
        ).map(tuple),
        fills_in=st.booleans(),
    )


def _limits(text: st.SearchStrategy[str]) -> st.SearchStrategy[Limit]:
    when = st.just(_EXPIRES)
    return st.builds(
        Limit,
        waiting=st.lists(st.builds(Waiting, text, when, text), max_size=_FEW).map(tuple),
        leaves=text,
        approved=st.lists(st.builds(Approved, text, when), max_size=_FEW).map(tuple),
        needs_approval=st.booleans(),
        unapproved=text,
    )


def harmless(freeze: Freeze) -> Freeze:
    """The same freeze with a harmless text in place of each: equal ones stay equal."""
    named: dict[str, str] = {}

    def name(text: str) -> str:
        # Sorted alike, as renders are ordered by name, and of one length.
        return named.setdefault(text, "")

    _each(freeze, name)
    for number, text in enumerate(sorted(named)):
        named[text] = f"t{number:04}"
    kept = {"action", "kinds", "part", "kind", "operator"}
    found: Freeze = _each(freeze, named.__getitem__, kept)
    return found


def _each(
    value: Any, change: Callable[[str], str], kept: frozenset[str] | set[str] = frozenset()
) -> Any:
    match value:
        case str():
            return change(value)
        case dict():
            return {_key(k, change): _each(v, change, kept) for k, v in value.items()}
        case tuple() | list():
            return type(value)(_each(one, change, kept) for one in value)
        case BaseModel():
            members = type(value).model_fields.keys() - kept
            return value.model_copy(
                update={it: _each(getattr(value, it), change, kept) for it in members}
            )
        case _ if is_dataclass(value) and not isinstance(value, type):
            members = {it.name for it in fields(value)} - kept
            return replace(value, **{it: _each(getattr(value, it), change, kept) for it in members})
        case _:
            return value


def _key(key: str, change: Callable[[str], str]) -> str:
    """Fields of Kubernetes keep their names."""
    known = {"metadata", "labels", "annotations", "spec", "containers", "nodeSelector"}
    return key if key in known | {"name", "image", "args"} else change(key)
