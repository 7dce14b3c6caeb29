from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sluice.api.metadata import LabelRequirement, LabelSelector
from sluice.enforcement import cel
from sluice.enforcement.conditions import WORKLOAD, selected
from sluice.enforcement.freeze import Freeze, Limit, Override, Revision, Waiting, Workload
from sluice.enforcement.native import render
from sluice.enforcement.retained import SHARD_LIMIT, entry
from tests.unit.enforcement.cel_reader import read

FREEZE = Freeze(
    namespace="shop",
    policy="default",
    uid="0f4bd0dc-0000-4000-8000-000000000000",
    action="Deny",
    message_prefix="FROZEN: ",
    message_infix=" shop/",
    message_suffix=" denied",
    kinds=("Deployment", "StatefulSet"),
    selector=LabelSelector(match_labels={"app": "web"}),
    expires=datetime(2026, 8, 20, 11, 4, tzinfo=UTC),
)


def template(image: str, *, padding: int = 0) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"run": "web"}},
        "spec": {"containers": [{"name": "web", "image": image, "args": ["x" * padding]}]},
    }


def revision(number: int, image: str, *, padding: int = 0) -> Revision:
    return Revision(number, template(image, padding=padding), {"web": image})


def variables(manifest: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["expression"] for one in manifest["spec"]["variables"]}


def policies(freeze: Freeze) -> list[dict[str, Any]]:
    manifests = render(freeze).manifests
    return [one for one in manifests if one["kind"] == "ValidatingAdmissionPolicy"]


def test_a_freeze_is_one_policy_and_its_binding() -> None:
    policy, binding = render(FREEZE).manifests
    assert policy["kind"] == "ValidatingAdmissionPolicy"
    assert binding["kind"] == "ValidatingAdmissionPolicyBinding"
    assert binding["spec"]["policyName"] == policy["metadata"]["name"] == "sluice-shop.default-0"
    for manifest in (policy, binding):
        assert manifest["metadata"]["labels"] == {
            "app.kubernetes.io/managed-by": "sluice",
            "sluice.dev/policy-uid": FREEZE.uid,
        }
        assert manifest["metadata"]["annotations"]["sluice.dev/policy"] == "shop/default"


def test_a_denial_is_forbidden_and_an_error_of_ours_is_not_one() -> None:
    spec = policies(FREEZE)[0]["spec"]
    assert [one["reason"] for one in spec["validations"]] == ["Forbidden"]
    assert spec["failurePolicy"] == "Ignore"
    assert "paramKind" not in spec


@pytest.mark.parametrize("action", ["Deny", "Warn"])
def test_the_binding_does_what_the_freeze_says(action: Any) -> None:
    binding = render(replace(FREEZE, action=action)).manifests[-1]
    assert binding["spec"]["validationActions"] == [action, "Audit"]


def test_only_updates_of_the_governed_kinds_themselves_are_asked_about() -> None:
    (rule,) = policies(FREEZE)[0]["spec"]["matchConstraints"]["resourceRules"]
    assert rule["operations"] == ["UPDATE"]
    assert rule["resources"] == ["deployments", "statefulsets"]


def test_rollouts_are_asked_about_in_their_own_group() -> None:
    both = replace(FREEZE, kinds=("Rollout", "Deployment"))
    rules = policies(both)[0]["spec"]["matchConstraints"]["resourceRules"]
    asked = [(one["apiGroups"], one["apiVersions"], one["resources"]) for one in rules]
    assert asked == [
        (["apps"], ["v1"], ["deployments"]),
        (["argoproj.io"], ["v1alpha1"], ["rollouts"]),
    ]


def test_where_no_kind_can_refer_to_another_workload_nothing_looks_for_it() -> None:
    def text(*kinds: str) -> str:
        return str(policies(replace(FREEZE, kinds=kinds)))

    assert "workloadRef" not in text("Deployment", "StatefulSet")
    assert "workloadRef" in text("Deployment", "Rollout")


def test_without_a_pod_spec_nothing_is_looked_for_in_it() -> None:
    pinned = Override(FREEZE.expires, images=("web:2",))
    manifest = policies(replace(FREEZE, kinds=("Rollout",), overrides=(pinned,)))[0]
    asked = "has(object.spec.template) && has(object.spec.template.spec)"
    assert variables(manifest)["overridden"].startswith(f"(({asked}) && (variables.newImages.all(")
    expression = manifest["spec"]["validations"][0]["expression"]
    both = f"({asked}) && ({asked.replace('object', 'oldObject')})"
    assert f"({both} && ((variables.restarted) || (variables.rolledBack)))" in expression


@pytest.mark.parametrize(
    ("facts", "passes"),
    [
        (set(), False),
        ({"expired"}, True),
        ({"expired", "leaves"}, True),
        ({"exempt"}, True),
        ({"exempt", "leaves"}, True),
        ({"overridden"}, True),
        ({"overridden", "leaves"}, True),
        ({"restarted"}, True),
        ({"restarted", "leaves"}, False),
        ({"rolledBack"}, True),
        ({"rolledBack", "leaves"}, False),
        ({"declared"}, True),
        ({"declared", "leaves"}, False),
        ({"leaves"}, False),
    ],
    ids=lambda value: " and ".join(sorted(value)) if isinstance(value, set) else None,
)
def test_leaving_the_policy_is_for_those_who_may_change_everything(
    facts: set[str], *, passes: bool
) -> None:
    freeze = replace(FREEZE, exempt_users=("robot",))
    text = policies(freeze)[0]["spec"]["validations"][0]["expression"]
    # Of the expression's CEL only the connectives are left, which Python writes as words.
    text = text.replace("request.userInfo.username in ['robot']", "variables.exempt")
    for name in variables(policies(freeze)[0]).keys() | {"exempt"}:
        text = text.replace(f"variables.{name}", str(name in facts))
    text = text.replace("!", " not ").replace("&&", "and").replace("||", "or").strip()
    assert eval(text, {"__builtins__": {}}) is passes


@pytest.mark.parametrize(
    "change",
    [
        {"expires": datetime(2026, 8, 20, 12, 4, tzinfo=UTC)},
        {"action": "Warn"},
        {"uid": "another"},
        {"message_suffix": " refused"},
        {"overrides": (Override(datetime(2026, 8, 20, 12, 4, tzinfo=UTC)),)},
        {"workloads": (Workload("Deployment", "web", {"web": "web:1"}, (revision(1, "web:1"),)),)},
    ],
)
def test_the_content_hash_tells_every_change(change: dict[str, Any]) -> None:
    def hashes(freeze: Freeze) -> list[str]:
        notes = [one["metadata"]["annotations"] for one in render(freeze).manifests]
        return [one["sluice.dev/content-hash"] for one in notes]

    assert hashes(replace(FREEZE, **change)) != hashes(FREEZE)
    assert hashes(FREEZE) == hashes(replace(FREEZE))


LIMITED = replace(
    FREEZE,
    limit=Limit(
        waiting=(
            Waiting("Deployment/web", FREEZE.expires, " denied: one deploy in 7d"),
            Waiting("StatefulSet/db", FREEZE.expires, " denied: later"),
        ),
        leaves=" denied: it would leave",
    ),
    workloads=tuple(
        Workload(kind, name, {}) for kind, name in (("Deployment", "web"), ("StatefulSet", "db"))
    ),
)


def test_a_limit_is_a_literal_for_each_workload_that_must_wait() -> None:
    spoken = variables(policies(LIMITED)[0])
    assert read(spoken["waiting0"]) == {
        "Deployment/web": [{"until": "2026-08-20T11:04:00Z", "text": " denied: one deploy in 7d"}],
        "StatefulSet/db": [{"until": "2026-08-20T11:04:00Z", "text": " denied: later"}],
    }


@pytest.mark.parametrize(
    ("needs_approval", "facts", "passes"),
    [
        (False, {"due"}, True),
        (False, {"approved"}, True),
        (False, set(), False),
        (True, {"due"}, False),
        (True, {"approved"}, False),
        (True, {"due", "approved"}, True),
    ],
)
def test_an_approval_stands_in_for_the_interval_where_it_is_not_required(
    facts: set[str], *, needs_approval: bool, passes: bool
) -> None:
    limit = Limit(waiting=(), leaves="", needs_approval=needs_approval)
    text = variables(policies(replace(FREEZE, limit=limit))[0])["within"]
    for name in ("due", "approved"):
        text = text.replace(f"variables.{name}", str(name in facts))
    assert eval(text.replace("&&", "and").replace("||", "or"), {"__builtins__": {}}) is passes


def test_a_limit_that_makes_nobody_wait_still_keeps_workloads_in_the_policy() -> None:
    freeze = replace(FREEZE, limit=Limit(waiting=(), leaves=" denied: it would leave"))
    spoken = variables(policies(freeze)[0])
    assert (spoken["waiting"], "waiting0" in spoken) == ("[]", False)
    (validation,) = policies(freeze)[0]["spec"]["validations"]
    assert "!variables.leaves && (" in validation["expression"]
    assert "' denied: it would leave'" in validation["messageExpression"]


def test_what_makes_workloads_wait_is_divided_among_shards_as_they_are() -> None:
    names = [f"web-{number:05}" for number in range(4000)]
    limit = Limit(
        waiting=tuple(
            Waiting(f"Deployment/{name}", FREEZE.expires, " denied: " + "x" * 150) for name in names
        ),
        leaves="",
    )
    workloads = tuple(Workload("Deployment", name, {}) for name in names)
    rendered = policies(replace(FREEZE, limit=limit, workloads=workloads))
    assert len(rendered) > 1
    found: list[str] = []
    for one in rendered:
        spoken = variables(one)
        chunks = [text for name, text in spoken.items() if name.startswith("waiting")]
        assert sum(map(len, spoken.values())) < SHARD_LIMIT * 1.2
        assert all(len(text) < cel.MAX_EXPRESSION for text in chunks)
        found += [key for text in chunks if text[0] == "{" for key in read(text)]
    assert sorted(found) == [f"Deployment/{name}" for name in names]


def test_a_message_is_one_line_whatever_it_is_made_of() -> None:
    freeze = replace(FREEZE, message_prefix="a\nb\r\n ' + c ", message_suffix="🚢" * 10_000)
    expression = policies(freeze)[0]["spec"]["validations"][0]["messageExpression"]
    prefix, rest = expression.split(" + request.kind.kind + ")
    infix, suffix = rest.split(" + object.metadata.name + ")
    assert read(prefix) == "a b ' + c "
    assert read(infix) == " shop/"
    longest = "🚢" * len(read(suffix)) * 2 + "StatefulSet" + "n" * 65 + "w" * 253
    assert len(longest.encode()) < 5 * 1024


def test_workloads_of_one_name_are_told_apart_by_their_kind() -> None:
    both = tuple(
        Workload(kind, "web", {"web": "web:1"}, (revision(number, f"web:{number}"),))
        for number, kind in enumerate(("Deployment", "StatefulSet"))
    )
    expressions = variables(policies(replace(FREEZE, workloads=both))[0])
    assert read(expressions["images0"]) == {
        "Deployment/web": [{"web": "web:0"}],
        "StatefulSet/web": [{"web": "web:1"}],
    }
    assert expressions["workload"] == "request.kind.kind + '/' + object.metadata.name"


def variables_of(workload: Workload) -> dict[str, str]:
    return variables(policies(replace(FREEZE, workloads=(workload,)))[0])


def test_revisions_that_differ_in_images_are_known_by_their_images() -> None:
    known = (revision(3, "web:2"), revision(2, "web:1"), revision(1, "web:0"))
    expressions = variables_of(Workload("Deployment", "web", {"web": "web:2"}, known))
    images = [{"web": "web:2"}, {"web": "web:1"}, {"web": "web:0"}]
    assert read(expressions["images0"]) == {"Deployment/web": images}
    assert "templates0" not in expressions


def test_revisions_with_the_images_that_run_are_spelled_out_where_there_are_several() -> None:
    known = (revision(3, "web:2"), revision(2, "web:1"), revision(1, "web:2", padding=3))
    expressions = variables_of(Workload("Deployment", "web", {"web": "web:2"}, known))
    assert read(expressions["images0"]) == {"Deployment/web": [{"web": "web:2"}, {"web": "web:1"}]}
    assert read(expressions["templates0"])["Deployment/web"] == [
        {"spec": one.template["spec"], "meta": {"labels": {"run": "web"}}, "notes": {}}
        for one in (known[0], known[2])
    ]


def test_an_exempt_annotation_is_not_part_of_a_retained_template() -> None:
    restarted = template("web:1")
    restarted["metadata"] |= {"annotations": {"restartedAt": "x", "b": "c"}}
    restarted["metadata"] |= {"creationTimestamp": None}
    known = (Revision(2, restarted, {"web": "web:1"}), revision(1, "web:1", padding=3))
    workload = Workload("Deployment", "web", {"web": "web:1"}, known)
    freeze = replace(FREEZE, workloads=(workload,), exempt_template_keys=("restartedAt",))
    literal, _ = read(variables(policies(freeze)[0])["templates0"])["Deployment/web"]
    assert literal["notes"] == {"b": "c"}
    assert literal["meta"] == {"labels": {"run": "web"}}


def test_the_same_images_are_written_once() -> None:
    known = tuple(revision(number, "web:1") for number in range(9))
    assert len(entry(Workload("Deployment", "web", {"web": "web:2"}, known), ()).images) == 1


def many(count: int) -> tuple[Workload, ...]:
    known = (revision(2, "web:1"), revision(1, "web:1", padding=9_000))
    return tuple(
        Workload("Deployment", f"w{number:04}", {"web": "web:1"}, known) for number in range(count)
    )


def test_no_expression_is_longer_than_the_api_server_takes() -> None:
    huge = cel.MAX_EXPRESSION - 500
    known = (revision(2, "web:1"), revision(1, "web:1", padding=huge))
    freeze = replace(
        FREEZE, workloads=(*many(30), Workload("Deployment", "web", {"web": "web:1"}, known))
    )
    assert render(freeze).dropped == ()
    lengths = [len(text) for one in policies(freeze) for text in variables(one).values()]
    assert huge < max(lengths) <= cel.MAX_EXPRESSION


def test_every_workload_is_in_the_chunks() -> None:
    freeze = replace(FREEZE, workloads=many(30))
    expressions = variables(policies(freeze)[0])
    assert len(expressions["rolledBack"]) < cel.MAX_EXPRESSION
    for family, each in (("templates", 2), ("images", 1)):
        chunks = [
            read(text)
            for name, text in expressions.items()
            if name.startswith(family) and name != family
        ]
        literals = Counter(name for chunk in chunks for name, some in chunk.items() for _ in some)
        assert literals == {one.key: each for one in freeze.workloads}


def test_shards_divide_all_names_between_them() -> None:
    found = policies(replace(FREEZE, workloads=many(120)))
    assert len(found) == 3
    ranges = [one["spec"]["matchConditions"][0]["expression"] for one in found]
    names = [list(read(text)) for one in found for text in [variables(one)["templates0"]]]
    starts = [chunk[0] for chunk in names]
    assert ranges[0] == f"({WORKLOAD} < '{starts[1]}')"
    assert ranges[1] == (f"({WORKLOAD} >= '{starts[1]}') && ({WORKLOAD} < '{starts[2]}')")
    assert ranges[2] == f"({WORKLOAD} >= '{starts[2]}')"


def test_a_shard_stays_below_the_size_that_is_stored() -> None:
    for policy in policies(replace(FREEZE, workloads=many(120))):
        assert sum(map(len, variables(policy).values())) < SHARD_LIMIT + 20_000


def test_a_template_too_long_for_an_expression_is_reported() -> None:
    known = (revision(2, "web:1"), revision(1, "web:1", padding=100_000))
    rendered = render(
        replace(FREEZE, workloads=(Workload("Deployment", "web", {"web": "web:1"}, known),))
    )
    (dropped,) = rendered.dropped
    assert (dropped.workload, dropped.revision) == ("Deployment/web", 1)
    assert "rollback of Deployment web to revision 1 would be denied" in dropped.message


def test_the_oldest_revisions_are_dropped_when_a_workload_fills_a_policy() -> None:
    known = tuple(
        Revision(number, template(f"web:1#{number}", padding=90_000), {"web": "web:1"})
        for number in range(1, 13)
    )
    rendered = render(
        replace(FREEZE, workloads=(Workload("Deployment", "web", {"web": "web:1"}, known),))
    )
    dropped = [one.revision for one in rendered.dropped]
    assert dropped == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("requirement", "expression"),
    [
        (("In", ["x", "y"]), "'k' in l && l['k'] in ['x','y']"),
        (("NotIn", ["x"]), "!('k' in l) || !(l['k'] in ['x'])"),
        (("Exists", []), "'k' in l"),
        (("DoesNotExist", []), "!('k' in l)"),
    ],
)
def test_every_operator_of_a_selector_is_rendered(
    requirement: tuple[Any, list[str]], expression: str
) -> None:
    operator, values = requirement
    one = LabelRequirement(key="k", operator=operator, values=values)
    assert selected(LabelSelector(match_expressions=[one]), "object") == (
        "[has(object.metadata.labels) ? object.metadata.labels : {}].all(l, " + f"({expression}))"
    )


def test_an_empty_selector_governs_everything() -> None:
    assert selected(LabelSelector(), "object") == "true"


def test_sluices_own_workloads_are_left_out_before_anything_costs_and_nowhere_else() -> None:
    own = policies(replace(FREEZE, own=("Deployment/sluice", "Deployment/sluice-gate")))[0]
    names = [one["name"] for one in own["spec"]["matchConditions"]]
    assert names == ["in-shard", "not-own", "governed", "changed"]
    spared = own["spec"]["matchConditions"].pop(1)["expression"]
    assert spared == f"!({WORKLOAD} in ['Deployment/sluice','Deployment/sluice-gate'])"
    elsewhere = policies(FREEZE)[0]
    assert own["spec"] == elsewhere["spec"]
