"""Step 3: the same, reduced to event, device and address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.lessons.steps.exchange import Exchange, example
from perfpath.render.lesson_page import Grid, Page, Span, packet_style

if TYPE_CHECKING:
    from perfpath.lessons.lesson import Lesson

TITLE = "3. Less is more"


def reduced(lesson: Lesson) -> Page:
    """Event, device and address of the same packet; addresses as letters."""
    page = Page(TITLE)
    shown = example(lesson.materials)
    page.say(
        "Leave out all but three things: which event, which device, which skbaddr. The address of the sk_buff stays "
        "the same while a packet goes from device to device, also from one network namespace to the next: it is the "
        "packet's name. As a letter it is easier to read."
    )
    legend: list[Span] = []
    for at, packet in enumerate(shown.packets):
        legend += [Span(f"{letter(at)} = {packet.skbaddr:#x}", packet_style(at)), Span("   ")]
    page.show([tuple(legend)])
    page.add(Grid(("event", "device", "skbaddr", ""), tuple(_rows(shown))))
    if shown.reply is None:
        page.say("No packet answers it.", *([" Its last event says where it ended."] if shown.request.end else []))
        return page
    turn = shown.reply.places[0]
    page.say(
        Span("The address changes where the reply begins: ", "strong"),
        f"at {turn.dev} {letter(0)} ended and {letter(1)} was sent. The kernel doesn't turn a packet around; it makes "
        "a new one to answer with, and that has an address of its own.",
    )
    return page


def letter(at: int) -> str:
    """A short name for the packet that comes `at`th in a display: A to Z, then A1, B1..."""
    return chr(ord("A") + at % 26) + (str(at // 26) if at >= 26 else "")


def _rows(shown: Exchange) -> list[tuple[Span, ...]]:
    """One row for each event; what it doesn't say itself stands in brackets."""
    rows: list[tuple[Span, ...]] = []
    devs = shown.material.events.texts("dev")
    addresses = shown.material.events["skbaddr"].tolist()
    begun = False
    for packet, sighting in shown.sightings:
        at = shown.packets.index(packet)
        name, style = letter(at), packet_style(at)
        dev, says = devs[sighting.row], bool(addresses[sighting.row])
        remark = ""
        if at == 1 and not begun:
            begun, remark = True, "<- here the reply begins"
        elif sighting.blind and sighting.event != "skb:kfree_skb":
            remark = f"says neither: it ends a call that began for {name}"
        rows.append(
            (
                Span(sighting.event, "name"),
                Span(dev) if dev is not None else Span("-", "dim"),
                Span(name, style) if says else Span(f"({name})", "dim"),
                Span(remark, "warn" if begun and remark.startswith("<-") else "dim"),
            )
        )
    return rows
