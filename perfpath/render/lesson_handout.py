"""Pages of the lesson as a hand-out: Markdown, or HTML that needs nothing beside itself."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from perfpath.escape import visible
from perfpath.render.lesson_page import Grid, Heading, Listing, Prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from perfpath.render.lesson_page import Block, Page, Span

COLOURS = {
    "good": "color:#0a7d20;font-weight:bold",
    "bad": "color:#b00020;font-weight:bold",
    "warn": "color:#946200",
    "dim": "color:#6b6b6b",
    "strong": "font-weight:bold",
    "name": "color:#00607a",
    "packet0": "background:#ffe96b",
    "packet1": "background:#8fe9f5",
    "packet2": "background:#a8eb9d",
    "packet3": "background:#f2b3ea",
    "packet4": "background:#b9c8ff",
    "packet5": "background:#ffb9b0",
}


def markdown(pages: Sequence[Page], title: str) -> str:
    """GitHub's Markdown: pipe tables and fenced listings. Foreign names can't become markup."""
    parts = [f"# {_md(title)}"]
    for page in pages:
        parts.append(f"## {_md(page.title)}")
        parts += [_md_block(block) for block in page.blocks]
    return "\n\n".join(parts) + "\n"


def _md_block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"### {_md(block.text)}"
    if isinstance(block, Prose):
        return "".join(_md_span(span) for span in block.spans)
    if isinstance(block, Listing):
        lines = ["".join(visible(span.text) for span in line).rstrip() for line in block.lines]
        longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
        fence = "`" * max(3, longest + 1)
        return "\n".join([f"{fence}text", *lines, fence])
    return _md_grid(block)


def _md_grid(grid: Grid) -> str:
    ruler = [":-:" if number in grid.centered else "---" for number in range(len(grid.header))]
    rows = [[_md(title) for title in grid.header], ruler]
    rows += [[_md_span(cell) for cell in row] for row in grid.rows]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*([f"*{_md(grid.caption)}*", ""] if grid.caption else []), *lines])


def _md_span(span: Span) -> str:
    text = _md(span.text)
    if span.style in {"strong", "good", "bad"} and (inner := text.strip()):
        return text.replace(inner, f"**{inner}**", 1)
    return text


def _md(text: str) -> str:
    """Text with everything escaped that Markdown or HTML would take for markup."""
    return re.sub(r"([\\`*_\[\]<>|&#~])", r"\\\1", visible(text))


def page_html(pages: Sequence[Page], title: str) -> str:
    """One HTML document."""
    body = [f"<h1>{_html(title)}</h1>"]
    for page in pages:
        body.append(f"<section><h2>{_html(page.title)}</h2>")
        body += [_html_block(block) for block in page.blocks]
        body.append("</section>")
    classes = "\n".join(f".{name}{{{rule}}}" for name, rule in COLOURS.items())
    return _DOCUMENT.format(title=_html(title), classes=classes, body="\n".join(body))


def _html_block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h3>{_html(block.text)}</h3>"
    if isinstance(block, Prose):
        return f"<p>{_spans(block.spans)}</p>"
    if isinstance(block, Listing):
        return "<pre>" + "\n".join(_spans(line) for line in block.lines) + "</pre>"
    header = "".join(f"<th>{_html(title)}</th>" for title in block.header)
    rows = "\n".join(
        "<tr>"
        + "".join(
            f"<td{' style=text-align:center' if number in block.centered else ''}>{_spans([cell])}</td>"
            for number, cell in enumerate(row)
        )
        + "</tr>"
        for row in block.rows
    )
    caption = f"<caption>{_html(block.caption)}</caption>" if block.caption else ""
    return f"<table>{caption}<thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>"


def _spans(spans: Iterable[Span]) -> str:
    return "".join(
        f'<span class="{span.style}">{_html(span.text)}</span>' if span.style else _html(span.text) for span in spans
    )


def _html(text: str) -> str:
    return html.escape(visible(text))


_DOCUMENT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body{{font-family:sans-serif;max-width:72em;margin:2em auto;padding:0 1em;line-height:1.45}}
body{{color:#1b1b1b;background:#fff}}
pre{{background:#f4f4f4;padding:.8em;overflow-x:auto;line-height:1.3}}
table{{border-collapse:collapse;margin:1em 0}}
caption{{text-align:left;font-style:italic;padding:.3em 0}}
th,td{{border-bottom:1px solid #ddd;padding:.2em .7em;text-align:left;vertical-align:top}}
section{{break-inside:auto;margin-top:2.5em}}
{classes}
</style>
</head>
<body>
{body}
</body>
</html>
"""
