"""What is said of packets that aren't shown: nothing."""

from __future__ import annotations

import argparse
import io
from typing import TYPE_CHECKING

import pytest

from perfpath.commands.results import Results, Shown
from perfpath.diagnostics import Diagnostics
from perfpath.journeys.select import Selection
from perfpath.journeys.tracker import AMBIGUOUS
from perfpath.readers.recording import Info

if TYPE_CHECKING:
    from tests.render.conftest import Story


@pytest.mark.parametrize(("dev", "count"), [(None, 1), ("vethb12", 1), ("lo", 0)])
def test_hops_without_a_place_count_where_they_are_shown(
    dev: str | None, count: int, doubtful: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    diagnostics, out = Diagnostics(), io.StringIO()
    diagnostics.note(AMBIGUOUS, "hops that nothing places", count=17)  # of all packets
    options = argparse.Namespace(format="tree", limit=0, wall=False, verbose=True)
    wanted = Selection(dev=frozenset({dev})) if dev else Selection()
    results = Results(out, options, wanted, Shown(Info("x")), live=False)
    results.result(doubtful.result())
    results.finish(diagnostics)
    assert ("hops that nothing places" in capsys.readouterr().err) == bool(count)
    assert {note.count for note in diagnostics.notes.values()} == ({count} if count else set())
