"""Runs a scenario, or a command of the user's, under perf with every `net:*` event, and keeps the recording."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from perfpath.capture.lab import Lab
from perfpath.capture.probe import tracefs_events
from perfpath.capture.session import Plan, Session
from perfpath.errors import OutputError
from perfpath.escape import visible
from perfpath.lessons.material import Material, read
from perfpath.lessons.slim import slim
from perfpath.readers.source import CAPTURE_DATA, open_recording

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from perfpath.lessons.networks import Run
    from perfpath.lessons.scenarios import Scenario

ALL_OF_THEM = "net:*"


def record_scenario(
    scenario: Scenario, folder: Path, *, system_wide: bool = False, perf: str | None = None
) -> Material:
    """Build it, record it into a folder of its own, take it down.

    Raises CaptureError where it can't be, KeyboardInterrupt where a signal came meanwhile.
    """
    place = folder / scenario.name
    with Lab() as lab:
        run = scenario.build(lab)
        if _record(run.command, place, scenario.extra, system_wide=system_wide, perf=perf, quiet=True) is not None:
            raise KeyboardInterrupt
    _write(place / "note.txt", run.note)
    material = read(str(place), scenario.name, scenario)
    _check(run, material)
    return material


def _check(run: Run, material: Material) -> None:
    """Note a way that packets must have taken, by how the network was built, and that the recording doesn't show."""
    found = {tuple(packet.places) for packet in material.truth.packets}
    for way in run.paths:
        if way not in found:
            material.diagnostics.note(
                "way-not-seen",
                f"scenario {material.name}: packets must have gone a way that the recording shows only in part, since "
                "some of it happened while another process was running",
                example=" > ".join(f"{place.direction} {place.dev}" for place in way),
                advice="run it again, or record the whole system with -a",
            )


def record_command(
    command: tuple[str, ...], folder: Path, *, system_wide: bool = False, perf: str | None = None
) -> Material:
    """Record a command until it ends, or Ctrl-C ends it; its output goes to standard error, where no lesson is."""
    place = folder / "command"
    _record(command, place, (), system_wide=system_wide, perf=perf, quiet=False)
    return read(str(place), command[0].rpartition("/")[2])


def _record(
    command: tuple[str, ...], place: Path, extra: tuple[str, ...], *, system_wide: bool, perf: str | None, quiet: bool
) -> int | None:
    """Record into a folder; the signal that ended it early, if one did."""
    plan = Plan(command, system_wide=system_wide, events=(*every_event(), *extra), backend="record", perf=perf)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with Session(plan) as session, (place / CAPTURE_DATA).open("wb") as file:
            with _output_to(os.open(os.devnull, os.O_WRONLY) if quiet else os.dup(2)):
                session.start()
            while (data := session.read(1.0)) is not None:
                file.write(data)
            signal = session.last_signal
    except OSError as error:
        raise OutputError(f"can't write the recording to {visible(str(place))}: {error.strerror}") from error
    _write(place / "command.txt", shlex.join("python3" if part == sys.executable else part for part in command))
    _slim(place)
    return signal


def _slim(place: Path) -> None:
    """Leave out of a recording what isn't about its packets."""
    file = place / CAPTURE_DATA
    events = open_recording(str(file)).batches()
    tids = {tid for batch in events for tid in batch["tid"].tolist()}
    file.write_bytes(slim(file.read_bytes(), tids))


def every_event() -> tuple[str, ...]:
    """All `net:*` tracepoints of this kernel; the pattern where tracefs can't be read and perf must find them."""
    events = tracefs_events()
    found = sorted(entry.name for entry in (events / "net").iterdir() if entry.is_dir()) if events else []
    return tuple(found) or (ALL_OF_THEM,)


def _write(file: Path, text: str) -> None:
    if text:
        file.write_text(text + "\n", encoding="utf-8", errors="surrogateescape")


@contextmanager
def _output_to(descriptor: int) -> Iterator[None]:
    """What is started here has another standard output than we do."""
    ours = os.dup(1)
    try:
        os.dup2(descriptor, 1)
        yield
    finally:
        os.dup2(ours, 1)
        os.close(ours)
        os.close(descriptor)
