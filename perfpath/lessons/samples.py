"""The recordings of each scenario that come with perfpath: the lesson without root, on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perfpath.errors import InputError
from perfpath.lessons.material import Material, read
from perfpath.lessons.scenarios import SCENARIOS
from perfpath.readers.source import CAPTURE_DATA

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGE = Path(__file__).resolve().parent.parent
FOLDERS = (PACKAGE / "samples", PACKAGE.parent / "samples")
"""In an installed package, and in a checkout."""


def folder() -> Path | None:
    """Where the samples are; None where they didn't come along."""
    return next((place for place in FOLDERS if (place / SCENARIOS[0].name / CAPTURE_DATA).is_file()), None)


def load(names: Iterable[str] = ()) -> tuple[Material, ...]:
    """The samples of these scenarios (of all without names) that are there."""
    place = folder()
    if place is None:
        return ()
    return load_folder(place, names)


def load_folder(place: Path, names: Iterable[str] = ()) -> tuple[Material, ...]:
    """Recordings in a folder: each in one of its own, called like its scenario.

    Raises InputError where there is none.
    """
    wanted = set(names)
    known = {scenario.name: scenario for scenario in SCENARIOS}
    order = {name: at for at, name in enumerate(known)}
    holding = [one for one in place.iterdir() if (one / CAPTURE_DATA).is_file() and (not wanted or one.name in wanted)]
    holding.sort(key=lambda one: (order.get(one.name, len(order)), one.name))
    lessons = [one for one in holding if one.name in known] or holding
    if not lessons:
        raise InputError(f"{place}: no recording in it: expected {CAPTURE_DATA}, or folders that each hold one")
    return tuple(read(str(one), one.name, known.get(one.name)) for one in lessons)
