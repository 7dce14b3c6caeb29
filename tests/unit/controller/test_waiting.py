from hypothesis import given
from hypothesis import strategies as st

from sluice.controller.waiting import Place, Waiting

ON_TIME = Place(("source",), 2)
BEHIND = Place(("source", "behind"), 1, rank=1)
FIRST_BEHIND = Place(("source", "behind"), 1, rank=0)
IN_TURN = Place(("policies",), 4, turn=("shop",))


def taken(waiting: Waiting[str]) -> list[str]:
    found = []
    while got := waiting.take():
        found.append(got[0])
    return found


def test_of_a_queue_as_many_are_taken_as_it_has_slots_the_longest_due_first() -> None:
    waiting: Waiting[str] = Waiting()
    for number, key in enumerate("abc"):
        waiting.join(key, ON_TIME, -float(number))
    assert taken(waiting) == ["c", "b"]
    waiting.leave(ON_TIME)
    assert taken(waiting) == ["a"]


def test_a_queue_that_is_full_keeps_no_other_waiting() -> None:
    waiting: Waiting[str] = Waiting()
    for key in "abc":
        waiting.join(key, BEHIND, 0.0)
    waiting.join("d", ON_TIME, 9.0)
    assert sorted(taken(waiting)) == ["a", "d"]


def test_a_lower_rank_goes_before_who_has_been_due_longer() -> None:
    waiting: Waiting[str] = Waiting()
    waiting.join("a", BEHIND, 0.0)
    waiting.join("b", FIRST_BEHIND, 9.0)
    assert taken(waiting) == ["b"]


def test_those_of_a_turn_follow_each_other() -> None:
    waiting: Waiting[str] = Waiting()
    for key in "abc":
        waiting.join(key, IN_TURN, 0.0)
    for key in "abc":
        assert taken(waiting) == [key]
        waiting.leave(IN_TURN)
    waiting.join("d", IN_TURN, 0.0)
    assert taken(waiting) == ["d"]


def test_who_has_withdrawn_is_passed_over_and_may_join_anew() -> None:
    waiting: Waiting[str] = Waiting()
    waiting.join("a", BEHIND, 0.0)
    waiting.join("b", BEHIND, 1.0)
    waiting.withdraw("a")
    waiting.join("a", ON_TIME, 2.0)
    assert sorted(taken(waiting)) == ["a", "b"]
    assert waiting.place("a") is None


def test_only_those_who_must_be_on_time_are_late() -> None:
    waiting: Waiting[str] = Waiting()
    waiting.join("a", BEHIND, 1.0)
    assert waiting.first_due() is None
    waiting.join("b", ON_TIME, 5.0)
    assert waiting.first_due() == 5.0


def test_all_can_be_sent_away() -> None:
    waiting: Waiting[str] = Waiting()
    for key, place in (("a", BEHIND), ("b", ON_TIME), ("c", IN_TURN), ("d", IN_TURN)):
        waiting.join(key, place, 0.0)
    assert sorted(waiting.clear()) == ["a", "b", "c", "d"]
    assert taken(waiting) == []
    waiting.join("d", IN_TURN, 0.0)
    assert taken(waiting) == ["d"]


PLACES = st.sampled_from([ON_TIME, BEHIND, FIRST_BEHIND, IN_TURN, Place(("policies",), 4)])


@given(st.lists(st.tuples(PLACES, st.integers(0, 9)), max_size=30), st.randoms())
def test_everybody_is_taken_once_and_never_more_than_there_are_slots(
    joining: list[tuple[Place, int]], chance: object
) -> None:
    waiting: Waiting[int] = Waiting()
    for key, (place, due) in enumerate(joining):
        waiting.join(key, place, float(due))
    under_way: list[Place] = []
    seen = []
    while True:
        while got := waiting.take():
            seen.append(got[0])
            under_way.append(got[1])
            same = [one for one in under_way if one.queue == got[1].queue]
            assert len(same) <= got[1].slots
            assert len([one for one in under_way if one.turn]) <= 1
        if not under_way:
            break
        left = chance.choice(under_way)  # type: ignore[attr-defined]
        under_way.remove(left)
        waiting.leave(left)
    assert sorted(seen) == list(range(len(joining)))
