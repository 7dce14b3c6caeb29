import re

from hypothesis import given
from hypothesis import strategies as st

from sluice.enforcement.names import gate_name

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
POLICY = st.lists(LABEL, min_size=1, max_size=5).map(".".join).filter(lambda name: len(name) <= 253)
OWNER = st.tuples(LABEL, POLICY, st.integers(0, 99))
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def name(owner: tuple[str, str, int]) -> str:
    namespace, policy, shard = owner
    return gate_name(namespace=namespace, policy=policy, shard=shard)


@given(OWNER)
def test_a_name_is_a_legal_one_of_at_most_200_characters(owner: tuple[str, str, int]) -> None:
    assert SUBDOMAIN.fullmatch(name(owner))
    assert len(name(owner)) <= 200


@given(OWNER, OWNER)
def test_two_owners_never_share_a_name(
    one: tuple[str, str, int], other: tuple[str, str, int]
) -> None:
    assert (name(one) == name(other)) is (one == other)


def test_a_dash_in_the_namespace_is_not_one_in_the_policy() -> None:
    assert name(("a-b", "c", 0)) == "sluice-a-b.c-0"
    assert name(("a", "b-c", 0)) == "sluice-a.b-c-0"


def test_no_policy_can_take_the_shortened_name_of_another() -> None:
    shortened = name(("shop", "x" * 250, 0))
    tail = shortened[len("sluice.shop.") : -len("-0")]
    assert len(shortened) == 200
    assert name(("shop", tail, 0)) != shortened


def test_a_name_cut_behind_a_dot_is_still_legal() -> None:
    assert all(
        SUBDOMAIN.fullmatch(name(("shop", "x" * length + ".y" + "z" * 90, 0)))
        for length in range(100, 200)
    )
