"""Who is let through to a source, and when."""

import asyncio

import pytest

from sluice.indicators.slots import Slots, patiently, promptly


class Asking:
    """Askers of slots that hold theirs until they are told to give it back."""

    def __init__(self, most: int) -> None:
        self.slots = Slots(most)
        self.let_through: list[str] = []
        self.done: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, *names: str, patient: bool = False) -> None:
        for name in names:
            self.done[name] = asyncio.Event()
            if patient:
                with patiently():
                    self.tasks[name] = asyncio.create_task(self._hold(name))
            else:
                self.tasks[name] = asyncio.create_task(self._hold(name))
        await self.settle()

    async def _hold(self, name: str) -> None:
        async with self.slots.taken():
            self.let_through.append(name)
            await self.done[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self.done[name].set()
        await self.settle()

    async def cancel(self, *names: str) -> None:
        for name in names:
            self.tasks[name].cancel()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_who_is_in_a_hurry_goes_before_those_who_asked_earlier_and_patiently() -> None:
    asking = Asking(2)
    await asking.ask("a", "b")
    await asking.ask("past 1", "past 2", patient=True)
    await asking.ask("c", "d")
    await asking.end("a")
    assert asking.let_through == ["a", "b", "past 1"]
    await asking.end("b")
    assert asking.let_through[3:] == ["c"]
    await asking.end("c")
    assert asking.let_through[4:] == ["d"]


async def test_who_others_wait_for_is_in_a_hurry_whatever_is_around_it() -> None:
    asking = Asking(2)
    await asking.ask("a", "b")
    await asking.ask("past", patient=True)
    with patiently(), promptly():
        await asking.ask("c")
    await asking.end("a", "b")
    assert asking.let_through[2:] == ["past", "c"]
    with patiently():
        with promptly():
            pass
        await asking.ask("later past")
    await asking.ask("d")
    await asking.end("c")
    assert asking.let_through[4:] == ["d"]


async def test_one_of_the_slots_is_kept_from_the_patient() -> None:
    asking = Asking(4)
    await asking.ask("1", "2", "3", "4", patient=True)
    assert asking.let_through == ["1", "2", "3"]
    await asking.ask("a", "b")
    assert asking.let_through == ["1", "2", "3", "a"]
    await asking.end("1")
    assert asking.let_through[4:] == ["b"]
    await asking.end("2", "a")
    assert asking.let_through[5:] == ["4"]


async def test_those_in_a_hurry_may_have_all_slots_while_nobody_waits_patiently() -> None:
    asking = Asking(3)
    await asking.ask("a", "b", "c", "d")
    assert asking.let_through == ["a", "b", "c"]


async def test_a_single_slot_goes_to_the_patient_when_nobody_is_in_a_hurry() -> None:
    asking = Asking(1)
    await asking.ask("past", patient=True)
    await asking.ask("a", "b")
    await asking.end("past")
    assert asking.let_through == ["past", "a"]


@pytest.mark.parametrize("waits", [True, False])
async def test_who_is_cancelled_leaves_no_slot_behind(waits: bool) -> None:
    asking = Asking(1)
    await asking.ask("a")
    await asking.ask("b", "c")
    await asking.cancel("b" if waits else "a")
    await asking.end("a")
    assert asking.let_through == ["a", "c" if waits else "b"]


async def test_who_is_cancelled_in_the_moment_of_being_let_through_gives_the_slot_back() -> None:
    asking = Asking(1)
    await asking.ask("a")
    await asking.ask("b", "c")
    asking.done["a"].set()
    await asyncio.sleep(0)
    await asking.cancel("b")
    assert asking.let_through[-1] == "c"
