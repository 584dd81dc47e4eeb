"""Pages in terminals of any width: nothing is cut off."""

from __future__ import annotations

import io

import pytest

from perfpath.lessons import samples
from perfpath.lessons.event import event_page
from perfpath.lessons.lesson import Lesson
from perfpath.lessons.steps import pages
from perfpath.render.cells import width as cells
from perfpath.render.console import Sink, console
from perfpath.render.lesson import show
from perfpath.render.lesson_page import Grid, Page


def printed(page: Page, width: int) -> str:
    stream = io.StringIO()
    show(page, console(Sink(stream), width))
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_every_mark_of_every_matrix_is_shown(width: int) -> None:
    lesson = Lesson(samples.load(), ("net_dev_xmit", "netif_receive_skb"))
    page = next(iter(pages(lesson, [5])))
    text = printed(page, width)
    marks = sum(
        cell.text == "●" for block in page.blocks if isinstance(block, Grid) for row in block.rows for cell in row
    )
    assert marks > 50
    assert text.count("●") == marks + 1  # the legend has one
    assert max(cells(line) for line in text.splitlines()) <= width
    for material in lesson.materials:
        assert material.name in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_page_is_wider_than_its_terminal(width: int) -> None:
    lesson = Lesson(samples.load())
    for page in [*pages(lesson), event_page("netif_rx_entry", lesson.materials)]:
        for line in printed(page, width).splitlines():
            assert cells(line) <= width, line
            assert "…" not in line
