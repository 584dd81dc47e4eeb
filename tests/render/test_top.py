"""The tree of hops behind the screen, and its table."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from perfpath.readers.recording import Info
from perfpath.render import hop_tree
from perfpath.render.hop_tree import HopTree
from perfpath.render.places import Namer
from perfpath.render.progress import whole
from perfpath.render.top import TopWriter

if TYPE_CHECKING:
    from collections.abc import Callable


def test_ways_that_begin_alike_share_hops(story: Any) -> None:
    story.packet("tx br host 0", "tx a host 2", "rx eth0 web 9").packet("tx br host 0", "tx b host 4", "rx eth0 db 9")
    tree = HopTree()
    tree.add(story.result())
    tree.add(story.result())
    hops = [(depth, node.step and node.step.dev, node.packets) for depth, node in tree.lines()]
    assert hops == [(0, "br", 4), (1, "a", 2), (2, "eth0", 2), (1, "b", 2), (2, "eth0", 2)]


def test_memory_is_bounded(story: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hop_tree, "MOST_HOPS", 5)
    for number in range(9):
        story.packet(f"tx veth{number} host 0", "rx eth0 web 3")
    tree = HopTree()
    tree.add(story.result())
    assert sum(1 for _ in tree.lines()) == 5
    assert tree.left_out == 7  # two whole ways, and the beginning of a third


def test_the_table_in_a_pipe_is_never_cut(shown: Callable[..., str], story: Any) -> None:
    name = "namespace-with-a-very-long-name" * 4
    text = shown("top", story.packet("tx eth0 host 0", "rx eth0 web 9", netns_name=name))
    assert name in text
    assert "9.00 us" in text
    assert "1 packet, 2 hops" in text


@pytest.mark.parametrize("width", [30, 40, 46, 60, 80, 109, 120])
def test_on_a_terminal_numbers_are_whole_or_not_there(story: Any, width: int) -> None:
    for number in range(1234):
        story.packet(
            f"tx veth-with-a-name host {number * 10}", f"rx eth0 web {number * 10 + 7}", netns_name="a-namespace"
        )
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width)
    writer = TopWriter(console, Namer(None), Info("perf.data"))
    writer.show(whole(story.result()))
    console.print(writer.table())
    _, first, second = cast("io.StringIO", console.file).getvalue().splitlines()[:3]
    assert max(map(len, (first.rstrip(), second.rstrip()))) <= width
    numbers = [word for word in f"{first} {second}".split() if word[0].isdigit()]
    assert set(numbers) <= {"1,234", "0", "7.00"}
    assert ("1,234" in numbers) == (width >= 46)
    assert ("7.00" in numbers) == (width >= 60)
