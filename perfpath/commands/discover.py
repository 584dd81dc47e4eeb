"""`perfpath discover`: find the tracepoints yourself, step by step, on your own kernel or from a recording."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from perfpath.errors import EXIT_OK, UsageError
from perfpath.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from perfpath.lessons.lesson import Lesson
    from perfpath.lessons.material import Material
    from perfpath.render.lesson_page import Page

HELP = """Take the lesson of how the four tracepoints were found, on this kernel: build small networks, trace pings
through them with every net:* event, and compute which events show each packet once at each place and in order.

Without a SCENARIO all of them are run (--list shows them); a COMMAND (after --) is traced instead: perfpath discover --
ping -c 2 192.168.43.1. Where tracing isn't possible the lesson is given from recordings; --from does that anywhere."""

FORMATS = ("text", "markdown", "html", "svg")
STEPS = range(1, 7)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath discover`."""
    parser.add_argument(
        "scenario", nargs="*", metavar="SCENARIO | -- COMMAND", help="networks to build and ping through"
    )
    parser.add_argument("--list", action="store_true", help="show the scenarios")
    parser.add_argument("--event", metavar="NAME", help="one event in depth, such as netif_rx")
    parser.add_argument("--try", dest="proposed", metavar="EVENTS", help="judge your own set: net_dev_xmit,netif_rx")
    parser.add_argument("--step", type=_steps, default=(), metavar="N", help="only these steps, such as 5 or 3,4")
    quiz = parser.add_argument_group("quiz")
    quiz.add_argument("--quiz", action="store_true", help="predict the next hop, or event, of real packets")
    quiz.add_argument("--questions", type=int, default=6, metavar="N", help="how many (default 6)")
    quiz.add_argument("--seed", type=int, default=0, metavar="N", help="other questions for another number")
    source = parser.add_argument_group("recordings")
    source.add_argument(
        "--from",
        dest="recordings",
        action="append",
        default=[],
        metavar="DIR|FILE",
        help="take the lesson from a recording (no root needed); several are compared",
    )
    source.add_argument("--save", metavar="DIR", help="keep the recordings made here; they are small, and name no host")
    source.add_argument("-a", "--all-cpus", action="store_true", help="record the whole system, not the command alone")
    source.add_argument("--perf", metavar="PATH", help="the perf to use")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--format", choices=FORMATS, default="text", help="text is for the terminal, others are hand-outs"
    )
    output.add_argument("-o", "--output", metavar="FILE", help="write it here; - is standard output")
    output.add_argument("--no-pause", action="store_true", help="don't wait for Enter between the steps")


def execute(options: argparse.Namespace) -> int:
    """Give the lesson."""
    if options.list:
        return _list()
    from perfpath.commands.lesson_materials import gather

    materials = gather(options)
    _remark(materials)
    if options.quiz:
        from perfpath.commands.lesson_quiz import quiz

        return quiz(materials, count=options.questions, seed=options.seed)
    return _publish(materials, options)


def _list() -> int:
    from perfpath.lessons.scenarios import SCENARIOS

    for scenario in SCENARIOS:
        sys.stdout.write(f"{scenario.name:10} {scenario.title}\n{'':10} teaches: {scenario.teaches}\n")
    return EXIT_OK


def _publish(materials: tuple[Material, ...], options: argparse.Namespace) -> int:
    """Show the pages, or write them as a hand-out."""
    from perfpath.commands.results import opened

    pages = _pages(materials, options)
    with opened(options.output, sys.stdout) as stream:
        if options.format != "text":
            stream.write(_handout(list(pages), options.format))
            return EXIT_OK
        from perfpath.render.console import Sink, console

        pause = not options.no_pause and sys.stdin.isatty() and stream.isatty()
        _show(list(pages), console(Sink(stream)), pause=pause)
    return EXIT_OK


def _pages(materials: tuple[Material, ...], options: argparse.Namespace) -> Iterable[Page]:
    from perfpath.lessons import steps

    if options.event:
        from perfpath.lessons.event import event_page

        return [event_page(options.event, materials)]
    compared: list[Page] = []
    if len(options.recordings) > 1 and not options.step:
        from perfpath.lessons.compare import comparison

        compared = [comparison(materials)]
    return [*steps.pages(_lesson(materials, options), options.step), *compared]


def _lesson(materials: tuple[Material, ...], options: argparse.Namespace) -> Lesson:
    from perfpath.lessons import samples
    from perfpath.lessons.lesson import Lesson

    proposed = tuple(name.strip().removeprefix("net:") for name in (options.proposed or "").split(",") if name.strip())
    lesson = Lesson(materials, proposed, samples.load())
    known = {event for material in (*materials, *lesson.references) for event in (*material.formats, *material.names)}
    unknown = [name for name in proposed if name not in known]
    if unknown:
        raise UsageError(
            f"--try: no such event: {', '.join(map(visible, unknown))}; `perfpath discover --step 1` shows all"
        )
    return lesson


def _show(pages: list[Page], screen: Console, *, pause: bool) -> None:
    from perfpath.render.lesson import show

    for number, page in enumerate(pages, start=1):
        show(page, screen)
        if pause and number < len(pages) and not _go_on(number + 1):
            return


def _go_on(number: int) -> bool:
    """Wait for Enter; False where the learner has had enough."""
    sys.stdout.write(f"-- Enter: on to page {number}; q: stop -- ")
    sys.stdout.flush()
    line = sys.stdin.readline()
    return bool(line) and line.strip().lower() not in {"q", "quit"}


def _handout(pages: list[Page], wanted: str) -> str:
    title = "Finding the tracepoints"
    if wanted == "svg":
        from perfpath.render.lesson_svg import svg

        return svg(pages, f"perfpath discover: {title.lower()}")
    from perfpath.render.lesson_handout import markdown, page_html

    return markdown(pages, title) if wanted == "markdown" else page_html(pages, title)


def _remark(materials: Iterable[Material]) -> None:
    """Say what is doubtful about the recordings."""
    for material in materials:
        if material.diagnostics.lost:
            sys.stderr.write(
                f"perfpath: {visible(material.name)}: {material.diagnostics.lost} events were lost: packets may be "
                "incomplete, and what the lesson says of them too\n"
            )
        for note in material.diagnostics.notes.values():
            places = f" ({'; '.join(map(visible, note.examples))})" if note.examples else ""
            advice = f": {note.advice}" if note.advice else ""
            sys.stderr.write(f"perfpath: {visible(note.message)}{places}{advice}\n")


def _steps(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in text.split(",") if part.isascii() and part.isdigit()]
    if not numbers or len(numbers) != len(text.split(",")) or any(number not in STEPS for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r}: steps are numbers from 1 to 6, such as 5 or 3,4")
    return tuple(numbers)
