"""Step 2: everything that fires for one packet."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from perfpath.lessons.steps.exchange import example
from perfpath.render.lesson_page import Line, Page, Span, line

if TYPE_CHECKING:
    from perfpath.lessons.lesson import Lesson
    from perfpath.lessons.material import Material

TITLE = "2. Everything that fires"


def everything(lesson: Lesson) -> Page:
    """The raw events of one packet and its reply, exactly as perf shows them."""
    page = Page(TITLE)
    shown = example(lesson.materials)
    material = shown.material
    others = not all(material.line(sighting.row).startswith("net:") for _, sighting in shown.sightings)
    page.say(
        f"Scenario {material.name}{f' ({material.title})' if material.title else ''}: all "
        f"{'recorded' if others else 'net:*'} events of one packet"
        f"{' and of its reply' if shown.reply else ''}, as perf trace --libtraceevent_print would print them.",
        f" {material.note}." if material.note else "",
    )
    if material.command:
        page.show([line(Span("# ", "dim"), Span(shlex.join(material.command), "strong"))])
    start = material.events["time_ns"][shown.sightings[0][1].row].item()
    times = material.events["time_ns"].tolist()
    page.show([_raw(material, sighting.row, times[sighting.row] - start) for _, sighting in shown.sightings])
    page.say(
        f"{len(shown.sightings)} events for {'a request and its reply' if shown.reply else 'one packet'}: too many."
    )
    return page


def _raw(material: Material, row: int, since_ns: int) -> Line:
    name, _, rest = material.line(row).partition("(")
    return line(Span(f"{since_ns / 1e6:9.3f} ", "dim"), Span(name, "name"), f"({rest}")
