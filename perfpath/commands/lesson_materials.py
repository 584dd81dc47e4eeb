"""Where the lesson's recordings come from: files, networks built here, a command, or the samples that came along."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perfpath.errors import CaptureError, CommandNotFoundError, UsageError
from perfpath.escape import visible
from perfpath.lessons import samples
from perfpath.lessons.coverage import shapes_of
from perfpath.lessons.material import read
from perfpath.lessons.scenarios import SCENARIOS, names, scenario
from perfpath.readers.source import CAPTURE_DATA

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from perfpath.lessons.material import Material
    from perfpath.lessons.scenarios import Scenario


def gather(options: argparse.Namespace) -> tuple[Material, ...]:
    """All recordings of the lesson, each with a name of its own.

    Raises UsageError where nothing fits what was asked for, InputError or CaptureError where there is no recording.
    """
    wanted: list[str] = options.scenario
    known = names(SCENARIOS)
    if options.recordings:
        found = [one for path in options.recordings for one in _from(path, wanted)]
        if not found:
            raise UsageError(f"--from: no recording of {', '.join(map(visible, wanted))} there")
        return _distinct(found)
    if options.save:
        return _live(wanted, known, Path(options.save), options)
    with tempfile.TemporaryDirectory(prefix="perfpath-") as folder:
        return _live(wanted, known, Path(folder), options)


def _from(path: str, wanted: list[str]) -> tuple[Material, ...]:
    place = Path(path)
    if place.is_dir() and not (place / CAPTURE_DATA).is_file() and not (place / "data").is_file():
        return samples.load_folder(place, wanted)
    by_name = {one.name: one for one in SCENARIOS}
    name = place.resolve().name if place.is_dir() else place.name
    return (read(path, name, by_name.get(name)),)


def _distinct(materials: list[Material]) -> tuple[Material, ...]:
    """Recordings of one name get numbers."""
    counts: dict[str, int] = {}
    found = []
    several = {one.name for one in materials if sum(other.name == one.name for other in materials) > 1}
    for one in materials:
        counts[one.name] = counts.get(one.name, 0) + 1
        if one.name in several:
            name = f"{one.name} {counts[one.name]}"
            found.append(replace(one, name=name, shapes=shapes_of(name, one.truth.packets)))
        else:
            found.append(one)
    return tuple(found)


def _live(wanted: list[str], known: list[str], folder: Path, options: argparse.Namespace) -> tuple[Material, ...]:
    if wanted and not set(wanted) <= set(known):
        return (_command(tuple(wanted), known, folder, options),)
    return _scenarios([scenario(name) for name in wanted] or list(SCENARIOS), folder, options)


def _command(command: tuple[str, ...], known: list[str], folder: Path, options: argparse.Namespace) -> Material:
    from perfpath.lessons.recorder import record_command

    try:
        return record_command(command, folder, system_wide=options.all_cpus, perf=options.perf)
    except CommandNotFoundError as error:
        raise CommandNotFoundError(f"{error}, and no scenario either: those are {', '.join(known)}") from error


def _scenarios(wanted: Iterable[Scenario], folder: Path, options: argparse.Namespace) -> tuple[Material, ...]:
    """Each one live, or where that isn't possible from its sample."""
    from perfpath.lessons.recorder import record_scenario

    found: list[Material] = []
    said: set[str] = set()
    for one in wanted:
        _say(f"{one.name}: {one.title}", progress=True)
        try:
            found.append(record_scenario(one, folder, system_wide=options.all_cpus, perf=options.perf))
        except CaptureError as error:
            sample = samples.load([one.name]) if samples.folder() else ()
            if not sample:
                raise
            if str(error) not in said:
                _say(f"{error}\n          (recorded samples are used instead)")
            said.add(str(error))
            found += sample
    _say("", progress=True)
    return tuple(found)


def _say(text: str, *, progress: bool = False) -> None:
    """Tell the user something; progress is shown on terminals only, and replaces what it showed before."""
    if not progress:
        sys.stderr.write(f"perfpath: {text}\n")
    elif sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()
