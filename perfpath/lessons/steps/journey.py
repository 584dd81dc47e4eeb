"""Step 6: the journey with the chosen set, and how to do it by hand."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from perfpath.lessons.steps.choice import FOUR
from perfpath.lessons.steps.exchange import example
from perfpath.lessons.steps.reduced import letter
from perfpath.render.lesson_page import Line, Page, Span, line, packet_style
from perfpath.tracepoints import perf_name

if TYPE_CHECKING:
    from perfpath.lessons.lesson import Lesson
    from perfpath.lessons.steps.exchange import Exchange

TITLE = "6. The journey"


def journey(lesson: Lesson) -> Page:
    """The places of one packet and its reply as the chosen set shows them, drawn, and the commands."""
    page = Page(TITLE)
    chosen = _chosen(lesson)
    shown = example(lesson.materials)
    page.say("The same packet, seen with the chosen set alone:")
    page.show(_hops(shown, chosen))
    page.show(_drawing(shown))
    page.say(
        "Which namespace each device is in the tracepoints don't say; perfpath finds it out: ",
        Span("perfpath ping 172.17.0.2", "strong"),
        ".",
    )
    page.head("By hand")
    events = ",".join(perf_name(event) for event in chosen)
    page.show(
        [
            line(
                Span(
                    f"# perf trace --no-syscalls --libtraceevent_print --event {shlex.quote(events)} COMMAND", "strong"
                )
            ),
            line(Span(f"# perf record --event {shlex.quote(events)} COMMAND; perf script", "strong")),
        ]
    )
    return page


def _chosen(lesson: Lesson) -> tuple[str, ...]:
    """The winner, in the order of the article's four where it has some of them; the four where nothing is exact."""
    best = lesson.winners[0].events if lesson.winners else FOUR
    return tuple(sorted(best, key=lambda event: (FOUR.index(event) if event in FOUR else len(FOUR), event)))


def _hops(shown: Exchange, chosen: tuple[str, ...]) -> list[Line]:
    """One line for each sighting by the chosen events."""
    times = shown.material.events["time_ns"].tolist()
    lengths = shown.material.events["len"].tolist()
    start = times[shown.sightings[0][1].row]
    lines = []
    for packet, sighting in shown.sightings:
        if sighting.event not in chosen or sighting.blind:
            continue
        at = shown.packets.index(packet)
        place = packet.places[sighting.place]
        arrow = "->" if place.direction == "tx" else "<-"
        role = ("request", "reply")[at] if shown.reply is not None else "packet"
        lines.append(
            line(
                Span(f"{(times[sighting.row] - start) / 1e6:9.3f} ms  ", "dim"),
                Span(f"{letter(at)} {role:8}", packet_style(at)),
                Span(f"{arrow} "),
                Span(f"{place.dev:16}", "strong"),
                Span(f"{lengths[sighting.row]:6} bytes  ", "dim"),
                Span(sighting.event, "name"),
            )
        )
    return lines


def _drawing(shown: Exchange) -> list[Line]:
    """The devices on the way there and back, in one line each."""
    lines = []
    for at, packet in enumerate(shown.packets):
        steps: list[Span] = [Span(f"{letter(at)}: ", packet_style(at))]
        for number, place in enumerate(packet.places):
            if number:
                crossing = packet.places[number - 1].direction == "tx" and place.direction == "rx"
                steps.append(Span(" ===> " if crossing else " ---> ", "dim"))
            steps.append(Span(place.dev, "strong"))
        if packet.end == "freed":
            steps.append(Span("  (freed there)", "warn"))
        lines.append(tuple(steps))
    lines.append(
        line(Span("===> the packet crosses to the other end of a link, ---> it goes on in the same host", "dim"))
    )
    return lines
