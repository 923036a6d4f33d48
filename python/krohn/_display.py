"""How things look in a notebook: krohn's own SVG on a light card, so that it reads on dark pages too."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

Bundle = dict[str, str]

_VIEW_BOX = re.compile(r'viewBox="([-\d.]+) ([-\d.]+) ([-\d.]+) ([-\d.]+)"')
_SIZE = re.compile(r'<svg[^>]*\bwidth="([\d.]+)"[^>]*\bheight="([\d.]+)"')

COLOURS = {"PROVED": "#1a7f37", "CERTIFIED": "#0550ae", "REFUTED": "#b42318", "UNKNOWN": "#8a5a00"}
"""Dark enough for white text on them; the words differ too."""


def card(svg: str, max_width: int = 900) -> str:
    """The drawing in its own size at most, on a white card that no page's colours change."""
    if not svg:
        return ""
    head, rest = svg.split(">", 1)
    box = _VIEW_BOX.search(head)
    size = _SIZE.search(head + ">")
    width, height = (float(box[3]), float(box[4])) if box else (float(size[1]), float(size[2])) if size else (600.0, 400.0)
    head = re.sub(r'\s(?:width|height|style)="[^"]*"', "", head)
    if box is None:
        head += f' viewBox="0 0 {width:g} {height:g}"'
    shown = min(width, max_width)
    style = "background:#ffffff;color:#000000;border-radius:6px;max-width:100%;height:auto"
    return f'{head} width="{shown:g}" height="{shown * height / width:g}" style="{style}">{rest}'


def figure(svg: str, caption: str) -> str:
    """A drawing with a sentence below it, in the page's own text colour."""
    text = f'<div style="font-size:90%;margin:4px 2px 8px">{html.escape(caption)}</div>' if caption else ""
    return f'<div class="krohn-figure">{card(svg)}{text}</div>'


def table(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values in two columns."""
    cells = "".join(
        f'<tr><th style="text-align:left;padding:1px 14px 1px 2px;font-weight:600">{html.escape(name)}</th>'
        f'<td style="text-align:left;padding:1px 2px">{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    return f'<table class="krohn-table" style="border-collapse:collapse">{cells}</table>'


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a head."""
    style = "text-align:left;padding:1px 12px 1px 2px"
    top = "".join(f'<th style="{style};border-bottom:1px solid currentColor">{html.escape(cell)}</th>' for cell in head)
    body = "".join(
        "<tr>" + "".join(f'<td style="{style}">{html.escape(cell)}</td>' for cell in row) + "</tr>" for row in rows
    )
    return f'<table class="krohn-table" style="border-collapse:collapse"><tr>{top}</tr>{body}</table>'


def verdict(name: str, text: str) -> str:
    """The verdict as a badge, and what belongs to it."""
    colour = COLOURS.get(name, "#444444")
    return (
        f'<span style="background:{colour};color:#ffffff;border-radius:4px;padding:2px 8px;font-weight:600">'
        f"{html.escape(name)}</span> {html.escape(text)}"
    )


def shorten(text: str, most: int = 60) -> str:
    """The text, or its two ends where it is longer."""
    if len(text) <= most:
        return text
    half = (most - 4) // 2
    return f"{text[:half]} .. {text[-half:]}"
