"""Hand-outs: each format is well-formed, holds the result, and no name gets out of its place."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from perfpath.lessons import samples
from perfpath.lessons.lesson import Lesson
from perfpath.lessons.material import read
from perfpath.lessons.steps import pages
from perfpath.render.lesson_handout import markdown, page_html
from perfpath.render.lesson_svg import svg

if TYPE_CHECKING:
    from pathlib import Path

    from perfpath.render.lesson_page import Page

VOID = {"meta", "br", "hr", "img", "link", "input"}
NASTY = "<b>|`[red]*_"


class Balanced(HTMLParser):
    """Fails on tags that don't nest; collects the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def whole() -> list[Page]:
    return list(pages(Lesson(samples.load(), ("net_dev_xmit", "netif_receive_skb"))))


@pytest.fixture
def nasty(tmp_path: Path) -> list[Page]:
    """A recording whose interfaces are called so that they would be markup."""
    lines = [
        f"  pi\x1b[2Jng  4017 [000]  3934.10949{at}: net:{event}: dev={NASTY} skbaddr=0xffff888131e4d700 len={length}"
        for at, (event, length) in enumerate([("net_dev_queue", 98), ("netif_rx", 84), ("netif_receive_skb", 84)])
    ]
    file = tmp_path / "trace.txt"
    file.write_text("\n".join(lines) + "\n")
    return list(pages(Lesson((read(str(file), "<i>x|y"),))))


def cells(row: str) -> int:
    """Columns of a row in Markdown: bars that aren't escaped."""
    return len(re.findall(r"(?<!\\)\|", row)) - 1


def test_markdown_has_whole_tables_and_the_result(whole: list[Page]) -> None:
    text = markdown(whole, "Finding the tracepoints")
    assert [line for line in text.splitlines() if line.startswith("## ")][4].startswith("## 5. ")
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert len(tables) > 10
    for table in tables:
        assert len({cells(row) for row in table.strip().splitlines()}) == 1, table
    assert text.count("```") % 2 == 0
    assert "the article's four" in text
    assert "They win" in text


def test_html_is_balanced_and_loads_nothing(whole: list[Page]) -> None:
    text = page_html(whole, "Finding the tracepoints")
    reader = Balanced()
    reader.feed(text)
    assert not reader.open
    assert "They win" in reader.text
    assert not {"script", "link", "img", "iframe"} & reader.tags
    assert "http" not in text


def test_svg_is_xml_in_its_frame_and_loads_nothing(whole: list[Page]) -> None:
    text = svg(whole[4:5], "step 5")
    root = ET.fromstring(text)  # noqa: S314 - it is ours
    wide, high = float(root.get("width", "0")), float(root.get("height", "0"))
    pieces = root.findall(".//{http://www.w3.org/2000/svg}text")
    assert len(pieces) > 100
    for piece in pieces:
        assert float(piece.get("x", "-1")) + float(piece.get("textLength", "0")) <= wide, piece.text
        assert 0 < float(piece.get("y", "-1")) < high
        assert piece.text == (piece.text or "").strip()
    assert "href" not in text
    assert "url(" not in text
    assert "●" in text


def test_names_stay_names(nasty: list[Page]) -> None:
    reader = Balanced()
    reader.feed(page_html(nasty, "x"))
    assert not {"b", "i"} & reader.tags
    assert NASTY in reader.text
    text = markdown(nasty, "x")
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        assert len({cells(row) for row in table.strip().splitlines()}) == 1, table
    outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"(?<!\\)<", outside)
    ET.fromstring(svg(nasty, "<x>"))  # noqa: S314 - it is ours
    assert "\x1b" not in text


def test_every_format_tells_the_same(whole: list[Page]) -> None:
    words = {"net_dev_queue", "napi_gro_receive_entry", "container", "disordered"}
    reader = Balanced()
    reader.feed(page_html(whole, "x"))
    picture = " ".join(ET.fromstring(svg(whole, "x")).itertext())  # noqa: S314 - it is ours
    for text in (markdown(whole, "x").replace("\\", ""), reader.text, picture):
        assert all(word in text for word in words)
