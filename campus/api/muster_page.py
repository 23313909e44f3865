"""The muster list as a page to print: one table for each zone, a box to tick for each person. No script, no fonts."""

from __future__ import annotations

import datetime as dt
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from campus.api.muster import Inside, List, Zone

_STYLE = """
body { font: 12pt sans-serif; margin: 1.5cm; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #000; padding: 2pt 5pt; text-align: left; }
td:first-child { width: 1cm; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
h2 { break-after: avoid; }
"""
_NOTE = (
    "Listed is who came in and was not seen to leave; leaving needs no name. "
    "名单列出已进入且未确认离开的人员；离开时无需验证身份。"
)


def page(made: List, zone: dt.tzinfo | None) -> str:
    """HTML. `zone`: the time zone of its times; None: this machine's."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="zh"><head><meta charset="utf-8"><title>Muster list 应急清点名单</title>',
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>Muster list 应急清点名单</h1><p>{_time(made.made, zone)}</p>",
            f"<p>{_NOTE}</p>",
            *_warning(made),
            *(line for one in made.zones for line in _zone(one, made, zone)),
            "</body></html>",
        ]
    )


def _warning(made: List) -> Iterator[str]:
    if made.gates_without_point:
        gates = escape(", ".join(made.gates_without_point))
        yield f"<p><strong>Not included, these gates have no place in the policy 未计入的通道: {gates}</strong></p>"


def _zone(one: Zone, made: List, zone: dt.tzinfo | None) -> Iterator[str]:
    yield f"<h2>{escape(one.english)} {escape(one.chinese if one.chinese != one.english else '')}</h2>"
    yield f"<p>On this list 名单人数: {one.named}. By the counters, in less out since midnight 计数人数: {one.counted}."
    yield f" Left unnamed since midnight 未识别离开: {one.left_unnamed}.</p>"
    yield "<table><thead><tr><th>✓</th><th>Name 姓名</th><th>Number 编号</th>"
    yield "<th>Last seen at 最后通过</th><th>Time 时间</th></tr></thead><tbody>"
    yield from (_row(person, zone) for person in made.people if person.zone == one.zone)
    yield "</tbody></table>"


def _row(person: Inside, zone: dt.tzinfo | None) -> str:
    cells = (person.name, person.person, person.point, _time(person.seen, zone))
    return f"<tr><td></td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _time(when: dt.datetime, zone: dt.tzinfo | None) -> str:
    return f"{when.astimezone(zone):%Y-%m-%d %H:%M}"
