"""Step 5: which events to keep, computed from all recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.lessons.coverage import fired, judge
from perfpath.lessons.search import nearest, weight
from perfpath.lessons.steps.faults import count, fault_lines, names, verdict_span
from perfpath.lessons.steps.matrices import matrix_grids, overview
from perfpath.render.lesson_page import Line, Page, Span, line
from perfpath.tracepoints import MAIN

if TYPE_CHECKING:
    from perfpath.lessons.coverage import Verdict
    from perfpath.lessons.lesson import Lesson

TITLE = "5. Which ones to keep"
FOUR = tuple(event.name for event in MAIN)
SETS_SHOWN = 8


def choice(lesson: Lesson) -> Page:
    """Coverage of each event, the smallest exact sets, and how the article's four and the learner's own set do."""
    page = Page(TITLE)
    page.say(
        "Wanted: as few events as possible that show every packet at every place (a device, in one direction) ",
        Span("exactly once and in order", "strong"),
        ". A packet was at a place if any event shows it there; against that each event is judged.",
    )
    _doubts(lesson, page)
    if not lesson.shapes:
        page.say(Span("No packet is left to judge by.", "bad"))
        return page
    page.add(overview(lesson))
    for material in lesson.materials:
        for grid in matrix_grids(material, fired(lesson.shapes)):
            page.add(grid)
    page.say(
        Span("●", "good"), " every packet once   ",
        Span("3/5", "warn"), " some of the packets   ",
        Span("2x", "bad"), " twice   ",
        Span("late", "bad"), " when it had moved on   ",
        Span("·", "dim"), " never",
    )  # fmt: skip
    _smallest(lesson, page)
    _four(lesson, page)
    if lesson.proposed:
        _proposed(lesson, page)
    else:
        page.say("Your own: ", Span("perfpath discover --try net_dev_xmit,netif_receive_skb", "strong"))
    return page


def _doubts(lesson: Lesson, page: Page) -> None:
    for material in lesson.materials:
        if material.holes:
            why = "events were lost while they were under way"
            page.say(Span(f"{material.name}: {material.holes} packets are left out: {why}.", "warn"))
        for doubt in material.doubts:
            page.say(Span(f"{material.name}: {doubt}.", "warn"))


def _smallest(lesson: Lesson, page: Page) -> None:
    page.head("The smallest sets that are exact")
    if not lesson.winners:
        best = nearest(lesson.shapes)
        page.say(Span("No set of events shows everything exactly once and in order here.", "bad"))
        if best is not None:
            page.say("The nearest is ", Span(names(best.events), "strong"), ":")
            page.show(fault_lines(best))
        return
    size = len(lesson.smallest[0].events)
    page.say(
        f"{len(lesson.winners)} set{'s are' if len(lesson.winners) > 1 else ' is'} exact and "
        f"need{'' if len(lesson.winners) > 1 else 's'} every event in it; the smallest have {size} events. "
        "Sets of one size are ordered by how much there is to record."
    )
    page.show([_set_line(lesson, verdict) for verdict in lesson.winners[:SETS_SHOWN]])
    if len(lesson.winners) > SETS_SHOWN:
        page.say(f"... and {len(lesson.winners) - SETS_SHOWN} more.")


def _set_line(lesson: Lesson, verdict: Verdict) -> Line:
    size = weight(verdict, lesson.shapes, lesson.cost)
    best = verdict is lesson.winners[0]
    cost = f"{size:8,} bytes  " if size else ""
    four = "   <- the article's four" if frozenset(verdict.events) == frozenset(FOUR) else ""
    return line(
        Span(f"{len(verdict.events)}  {cost}", "dim"),
        Span(names(verdict.events), "good" if best else ""),
        Span(four, "strong"),
    )


def _four(lesson: Lesson, page: Page) -> None:
    """How the article's four do, and if they don't win, why."""
    page.head("The four of the article")
    verdict = judge(FOUR, lesson.shapes)
    page.say(Span(names(FOUR), "strong"), ": ", verdict_span(verdict), ".")
    if not verdict.exact:
        page.show(fault_lines(verdict))
        return
    used = frozenset(verdict.events) - frozenset(verdict.idle)
    best = [frozenset(winner.events) for winner in lesson.best]
    if verdict.idle:
        page.say(f"Of the four, {names(verdict.idle)} never fired here: without {_it(verdict.idle)}, {count(used)} do.")
    if used not in best:
        _why_not(lesson, page, used)
    elif len(best) > 1:
        page.say(Span("No set is better, ", "good"), f"and {count(best[1:])} as good, on {_scenarios(lesson)}.")
    elif verdict.idle:
        page.say(Span("What is left of them wins.", "good"))
    else:
        page.say(Span("They win: ", "good"), _margin(lesson))


def _it(events: tuple[str, ...]) -> str:
    return "it" if len(events) == 1 else "them"


def _margin(lesson: Lesson) -> str:
    """What else is as small, and why it comes second."""
    rivals = [verdict for verdict in lesson.smallest if frozenset(verdict.events) != frozenset(FOUR)]
    if not rivals:
        return "no other set of that size is exact, and no smaller one."
    first, second = lesson.smallest[0], rivals[0]
    swap = sorted(set(second.events) - set(first.events))
    kept = sorted(set(first.events) - set(second.events))
    more = weight(second, lesson.shapes, lesson.cost) - weight(first, lesson.shapes, lesson.cost)
    return (
        f"no smaller set is exact. With {names(swap)} for {names(kept)} it would be as good, for {more:,} bytes more."
    )


def _why_not(lesson: Lesson, page: Page, used: frozenset[str]) -> None:
    """Something smaller or cheaper is enough here: show the recordings elsewhere in which it isn't."""
    winner = lesson.winners[0]
    better = "a smaller set" if len(winner.events) < len(used) else "a set that takes less to record"
    page.say(f"They don't win: on {_scenarios(lesson)} {better} is enough: ", Span(names(winner.events), "strong"), ".")
    here = {material.name for material in lesson.materials}
    for material in lesson.references:
        if material.name in here:
            continue
        verdict = judge(winner.events, material.shapes)
        if not verdict.exact and judge(FOUR, material.shapes).exact:
            page.say(f"It fails where the four don't, as in the recorded sample {material.name}:")
            page.show(fault_lines(verdict))
            return


def _scenarios(lesson: Lesson) -> str:
    return ", ".join(material.name for material in lesson.materials)


def _proposed(lesson: Lesson, page: Page) -> None:
    page.head("Your set")
    verdict = judge(lesson.proposed, lesson.shapes)
    page.say(Span(names(lesson.proposed), "strong"), ": ", verdict_span(verdict), ".")
    page.show(fault_lines(verdict))
    if verdict.idle:
        page.say(f"{names(verdict.idle)} never fired here.")
    if verdict.exact and lesson.winners:
        spare = len(lesson.proposed) - len(verdict.idle) - len(lesson.winners[0].events)
        page.say(f"It could do with {spare} fewer." if spare > 0 else Span("No smaller set does it.", "good"))
