"""The tree of hops behind the screen, and its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfpath.render import hop_tree
from perfpath.render.hop_tree import HopTree

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


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
