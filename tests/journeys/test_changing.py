"""Packets of containers that come and go, by what looks at the host found out about them: unknown, but never wrong."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from changing import Changing, changing_world
from hypothesis import given, settings
from hypothesis import strategies as st
from walks import table_of

from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import Options, Result, follow

if TYPE_CHECKING:
    from perfpath.netns.inventory import Inventory

SEEDS = st.integers(0, 2**32 - 1)


def followed(world: Changing, inventory: Inventory, *, tasks: bool = True, timed: bool = True) -> Result:
    table = table_of(world.ordered(), tasks=tasks)
    return follow(table, inventory, Diagnostics(), Options(monotonic=timed))


def wrong(result: Result, world: Changing) -> list[tuple[object, ...]]:
    truth = {hop.time: hop for hop in world.ordered()}
    columns = (result.hops[name].tolist() for name in ("time_ns", "netns"))
    rows = zip(*columns, result.hops.texts("evidence"), strict=True)
    return [(truth[time], netns, by) for time, netns, by in rows if netns not in (0, truth[time].netns)]


@given(SEEDS, st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_what_came_between_looks_is_never_taken_for_what_they_saw(seed: int, tasks: bool, timed: bool) -> None:
    world = changing_world(random.Random(seed))
    assert wrong(followed(world, world.watched(), tasks=tasks, timed=timed), world) == []


@given(SEEDS)
@settings(max_examples=200, deadline=None)
def test_what_is_there_at_the_end_is_not_taken_for_what_went(seed: int) -> None:
    """But for what is called and numbered as something before it: of that nothing is left to be known by."""
    world = changing_world(random.Random(seed), reuse=False)
    assert wrong(followed(world, world.looks[-1].inventory), world) == []
