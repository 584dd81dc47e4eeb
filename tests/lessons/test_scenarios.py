"""Each network of the lesson, built, traced and taken down for real."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from perfpath.errors import UsageError
from perfpath.lessons.lesson import Lesson
from perfpath.lessons.material import Material, read
from perfpath.lessons.recorder import every_event, record_command, record_scenario
from perfpath.lessons.scenarios import SCENARIOS, Scenario, matches, scenario
from perfpath.tracepoints import MAIN

if TYPE_CHECKING:
    from pathlib import Path

    from perfpath.capture.lab import Lab

pytestmark = [pytest.mark.perf, pytest.mark.netns]
ATTEMPTS = 3  # a busy host may put a softirq off into another process, which the command's own context doesn't see


def labs() -> str:
    netns = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return netns + links


def seen_whole(chosen: Scenario, folder: Path) -> Material:
    """A recording that shows every way the network was built for (the recorder notes where it doesn't)."""
    for attempt in range(ATTEMPTS):
        material = record_scenario(chosen, folder / str(attempt))
        if "way-not-seen" not in material.diagnostics.notes:
            return material
    pytest.fail(f"{chosen.name}: {material.diagnostics.notes['way-not-seen']}")


@pytest.mark.parametrize("chosen", SCENARIOS, ids=lambda one: one.name)
def test_a_scenario_shows_what_it_was_built_for_and_leaves_nothing(chosen: Scenario, tmp_path: Path) -> None:
    prefixes: list[str] = []

    def build(lab: Lab) -> object:
        prefixes.append(lab.prefix)
        run = chosen.build(lab)
        built.append(run.paths)
        return run

    built: list[object] = []
    watched = Scenario(chosen.name, chosen.title, chosen.teaches, build, chosen.extra)  # type: ignore[arg-type]
    material = seen_whole(watched, tmp_path)
    assert matches(built[-1], [tuple(packet.places) for packet in material.truth.packets])  # type: ignore[arg-type]
    assert not material.diagnostics.lost
    assert not any(prefix in labs() for prefix in prefixes)
    assert material.command
    again = read(str(tmp_path / str(len(prefixes) - 1) / chosen.name), chosen.name)
    assert again.text == material.text


def test_the_drop_says_where_and_why(tmp_path: Path) -> None:
    material = seen_whole(scenario("drop"), tmp_path)
    dropped = [packet for packet in material.truth.packets if packet.end == "freed"]
    assert [place.dev for place in dropped[0].places][-1] == "eth0"
    row = dropped[0].sightings[-1].row
    assert material.names[row] == "skb:kfree_skb"
    assert "NETFILTER_DROP" in material.text[row]


def test_live_over_all_scenarios_the_four_are_exact(tmp_path: Path) -> None:
    lesson = Lesson(tuple(seen_whole(chosen, tmp_path) for chosen in SCENARIOS))
    four = tuple(sorted(event.name for event in MAIN))
    assert four in [tuple(sorted(verdict.events)) for verdict in lesson.winners]
    assert tuple(sorted(lesson.winners[0].events)) == four


def test_a_command_of_ones_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    material = record_command(("ping", "-c", "1", "127.0.0.1"), tmp_path)
    assert material.name == "ping"
    assert {place.dev for packet in material.truth.packets for place in packet.places} == {"lo"}
    said = capfd.readouterr()
    assert "1 packets transmitted" in said.err
    assert not said.out


def test_ctrl_c_ends_the_lesson_and_leaves_nothing() -> None:
    before = labs()
    lesson = subprocess.Popen(
        [sys.executable, "-m", "perfpath", "discover"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    limit = time.monotonic() + 20
    while not (found := re.findall(r"pp[0-9a-f]{6}(?=br:)", labs().removeprefix(before))):
        assert lesson.poll() is None, "it ended without a lab"
        assert time.monotonic() < limit, "no lab was built"
    lesson.send_signal(signal.SIGINT)
    out, err = lesson.communicate(timeout=20)
    assert lesson.returncode == 130, err
    assert "They win" not in out
    assert "Traceback" not in err
    limit = time.monotonic() + 20
    while any(prefix in labs() for prefix in found):  # another test's lab may have been found; that ends as well
        assert time.monotonic() < limit, "the lab outlived the lesson"


def test_every_event_is_asked_for() -> None:
    assert set(every_event()) == {"net:*"} or {event.name for event in MAIN} < set(every_event())


def test_an_unknown_scenario_is_said() -> None:
    with pytest.raises(UsageError, match="loopback, container"):
        scenario("lopback")
