from hypothesis import given
from hypothesis import strategies as st

from sluice.controller.schedule import Schedule


def drain(schedule: Schedule[str], now: float) -> list[str]:
    found = []
    while popped := schedule.pop(now):
        found.append(popped[0])
        schedule.done(popped[0])
    return found


def test_nothing_is_given_out_before_its_time() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.put("a", 10.0)
    assert schedule.pop(9.9) is None
    assert schedule.pop(10.0) == ("a", 10.0)


def test_an_earlier_time_beats_a_later_one_and_not_the_other_way_round() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.put("a", 60.0)
    schedule.put("a", 1.0)
    schedule.put("a", 30.0)
    assert schedule.next_due() == 1.0
    assert drain(schedule, 100.0) == ["a"]


def test_a_key_under_way_is_not_given_out_twice_but_right_after() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.put("a", 0.0)
    assert schedule.pop(0.0) is not None
    schedule.put("a", 0.0)
    assert schedule.pop(5.0) is None
    assert schedule.next_due() is None
    schedule.done("a")
    assert schedule.pop(5.0) == ("a", 0.0)


def test_a_dropped_key_is_forgotten_even_while_it_is_under_way() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.put("a", 0.0)
    schedule.pop(0.0)
    schedule.put("a", 1.0)
    schedule.drop("a")
    schedule.done("a")
    assert schedule.pop(10.0) is None
    assert len(schedule) == 0


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 1000)), max_size=60))
def test_each_key_comes_once_at_its_earliest_time_and_in_order(
    puts: list[tuple[str, float]],
) -> None:
    schedule: Schedule[str] = Schedule()
    earliest: dict[str, float] = {}
    for key, due in puts:
        schedule.put(key, due)
        earliest[key] = min(due, earliest.get(key, due))
    given_out = []
    while popped := schedule.pop(1000.0):
        given_out.append(popped)
    assert dict(given_out) == earliest
    assert [due for _, due in given_out] == sorted(earliest.values())
