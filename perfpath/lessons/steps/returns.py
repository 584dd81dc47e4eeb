"""Step 4: calls that return look like a way back, and are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.lessons.knowledge import explain
from perfpath.lessons.steps.exchange import Exchange, example, exchange_of
from perfpath.lessons.steps.reduced import letter
from perfpath.render.lesson_page import Line, Page, Span, line, packet_style

if TYPE_CHECKING:
    from perfpath.lessons.lesson import Lesson
    from perfpath.lessons.material import Material
    from perfpath.lessons.packet import Packet, Sighting

TITLE = "4. The way back is not the reply"


def returns(lesson: Lesson) -> Page:
    """The nesting of calls, and the events that fire when the packet has moved on."""
    page = Page(TITLE)
    shown = example(lesson.materials)
    page.say(
        "Virtual devices call one another: while a bridge's driver sends, the port's driver runs, and inside of that "
        "the receiving device takes the packet. Each call is drawn as a bracket here; the innermost returns first."
    )
    page.show(_brackets(shown))
    found = _late(shown)
    if found:
        page.say(Span("These fired when the packet was elsewhere already:", "strong"))
        page.show(found)
        page.say(_lesson(shown))
    else:
        page.say("In this recording every call returned while the packet was still there: nothing runs backwards.")
    others = [material for material in lesson.materials if material is not shown.material]
    counted = [(material, _count(material)) for material in others]
    if counted:
        page.say("In the other recordings: ", ", ".join(f"{material.name} {count}" for material, count in counted), ".")
    return page


def _brackets(shown: Exchange) -> list[Line]:
    """Events indented by the calls they lie in; openers, enders and others are marked."""
    openers = {explain(sighting.event).closes for _, sighting in shown.sightings}
    lines = []
    for packet, sighting in shown.sightings:
        at = shown.packets.index(packet)
        mark = "-"
        if sighting.event in openers:
            mark = "v"
        elif explain(sighting.event).closes:
            mark = "^"
        place = packet.places[sighting.place] if sighting.place >= 0 else None
        where = f"{place.direction} {place.dev}" if place else ""
        lines.append(
            line(
                Span(f"{letter(at)} ", packet_style(at)),
                Span("| " * sighting.depth, "dim"),
                Span(f"{mark} ", "warn" if sighting.late else "dim"),
                Span(sighting.event, "name"),
                "  ",
                Span(f"({where})" if sighting.blind and where else where, "dim" if sighting.blind else ""),
                *([Span("  late", "warn")] if sighting.late else []),
            )
        )
    return lines


def _late(shown: Exchange) -> list[Line]:
    lines = []
    for packet, sighting in shown.sightings:
        if not sighting.late:
            continue
        at = shown.packets.index(packet)
        where = _where(packet, sighting)
        place = packet.places[sighting.place]
        lines.append(
            line(
                Span(f"{letter(at)} ", packet_style(at)),
                Span(sighting.event, "name"),
                f" says {place.direction} {place.dev}; {letter(at)} was at {where} by then",
            )
        )
    return lines


def _where(packet: Packet, late: Sighting) -> str:
    """Where the packet was when an event fired: the last place that another event had shown."""
    seen = [one.place for one in packet.sightings if one.row < late.row and not one.late and one.place >= 0]
    place = packet.places[max(seen)]
    return f"{place.direction} {place.dev}"


def _lesson(shown: Exchange) -> str:
    backwards = [s.event for _, s in shown.sightings if s.late and not s.blind]
    if backwards:
        return (
            f"Read from top to bottom, {backwards[0]} seems to show the packet going back the way it came. It doesn't: "
            "functions return, the address is still that of the request, and no device receives anything."
        )
    return "What returns late here names no device: it is easily taken for news of another packet."


def _count(material: Material) -> str:
    exchange = exchange_of(material)
    late = sum(sighting.late for _, sighting in exchange.sightings)
    return f"{late} late of {len(exchange.sightings)}"
