"""Turns: a few tickets work at a time, and who waits for a model makes room."""

from __future__ import annotations

import asyncio

import pytest

from processors.synthesize.turns import Turns, aside, waited

PATIENCE = 5.0


async def test_the_first_ticket_is_done_before_the_next_begins() -> None:
    turns, steps = Turns(20, at_a_time=1), []

    async def ticket(name: str) -> None:
        async with turns.turn():
            for step in range(3):
                steps.append(f"{name}{step}")
                await asyncio.sleep(0)

    await asyncio.gather(ticket("a"), ticket("b"))
    assert steps == ["a0", "a1", "a2", "b0", "b1", "b2"]


async def test_all_wait_for_the_model_at_the_same_time() -> None:
    turns, asked, answer = Turns(20, at_a_time=1), 0, asyncio.Event()

    async def ticket() -> None:
        nonlocal asked
        async with turns.turn(), aside():
            asked += 1
            await answer.wait()

    tickets = [asyncio.create_task(ticket()) for _ in range(20)]
    async with asyncio.timeout(PATIENCE):
        while asked < len(tickets):
            await asyncio.sleep(0)
        answer.set()
        await asyncio.gather(*tickets)


async def test_who_was_aside_goes_on_in_turn() -> None:
    turns, working, most = Turns(20, at_a_time=2), 0, 0

    async def ticket() -> None:
        nonlocal working, most
        async with turns.turn():
            async with aside():
                await asyncio.sleep(0)
            working += 1
            most = max(most, working)
            await asyncio.sleep(0)
            working -= 1

    await asyncio.gather(*(ticket() for _ in range(20)))
    assert most == 2


@pytest.mark.parametrize("where", ["waiting for its turn", "aside", "waiting to go on"])
async def test_who_is_cancelled_takes_nobodys_turn_along(where: str) -> None:
    turns, gone = Turns(20, at_a_time=1), asyncio.Event()

    async def cancelled() -> None:
        async with turns.turn(), aside():
            await gone.wait()

    async with asyncio.timeout(PATIENCE):
        ticket = asyncio.create_task(cancelled())
        if where != "waiting for its turn":
            await asyncio.sleep(0)
        async with turns.turn():
            if where == "waiting to go on":
                gone.set()
            await asyncio.sleep(0)
            ticket.cancel()
            await asyncio.gather(ticket, return_exceptions=True)
        for _ in range(3):
            async with turns.turn(), aside():
                pass


async def test_an_error_of_the_model_is_handled_in_turn() -> None:
    turns = Turns(20, at_a_time=1)
    async with asyncio.timeout(PATIENCE):
        async with turns.turn():
            with pytest.raises(ValueError, match="no answer"):
                async with aside():
                    raise ValueError("no answer")
            other = asyncio.create_task(goes_on(turns))
            await asyncio.sleep(0)
            assert not other.done()
        await other


async def goes_on(turns: Turns) -> None:
    async with turns.turn(), aside():
        pass


async def test_who_begins_does_not_wait_for_those_that_go_on() -> None:
    turns = Turns(20, at_a_time=1)
    async with asyncio.timeout(PATIENCE), turns.turn():
        async with aside():
            pass
        async with turns.turn():
            pass


async def test_only_so_many_are_aside_and_the_next_stands_ready() -> None:
    turns, asked, answers = Turns(2, at_a_time=1), [], [asyncio.Event() for _ in range(3)]

    async def ticket(number: int) -> float:
        async with turns.turn():
            async with aside():
                asked.append(number)
                await answers[number].wait()
            return waited()

    async with asyncio.timeout(PATIENCE):
        tickets = [asyncio.create_task(ticket(number)) for number in range(3)]
        while len(asked) < 2:
            await asyncio.sleep(0)
        async with turns.turn():  # the third one has made room: it waits for an answer and not for its turn
            assert asked == [0, 1]
            answers[1].set()
            while len(asked) < 3:
                await asyncio.sleep(0)
        for answer in answers:
            answer.set()
        ready = await asyncio.gather(*tickets)
    assert ready[0] < ready[2] > ready[1], "what the third one waited is not the model's time"


async def test_without_a_turn_nothing_waits() -> None:
    async with aside():
        pass
    assert waited() == 0.0
