"""Write a self-contained page: style, scripts and data are in it, and it asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from gptkit.report.table import Table, escape_html, to_html


def document(
    title: str, parts: Sequence[str], *, scripts: Sequence[str] = (), refresh: int | None = None
) -> str:
    """Write a page. A script that is not one of ours does not run in it.

    Args:
        parts: HTML of its body.
        scripts: file names of scripts in this folder.
        refresh: seconds after which a browser reads the page again; None for never.
    """
    codes = [resource(name) for name in scripts]
    hashes = " ".join(f"'sha256-{_sha256(code)}'" for code in codes) or "'none'"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {hashes}; img-src data:"
    again = "" if refresh is None else f'<meta http-equiv="refresh" content="{refresh}">'
    body = "\n".join(part for part in parts if part)
    code = "".join(f"<script>{text}</script>" for text in codes)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">{again}\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape_html(title)}</title>\n<style>\n{resource('style.css')}</style></head>\n"
        f"<body><main>\n{body}\n</main>\n{code}</body></html>\n"
    )


@cache
def resource(name: str) -> str:
    """Return the text of a file in this folder."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _sha256(code: str) -> str:
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()


def section(name: str, title: str, *parts: str) -> str:
    """Write a section with a heading that can be linked to; nothing without content."""
    shown = "".join(parts)
    if not shown:
        return ""
    return f'<section id="{name}"><h2>{escape_html(title)}</h2>{shown}</section>'


def contents(parts: Sequence[tuple[str, str, str]]) -> str:
    """Write links to the sections (name, title, HTML) that have content."""
    links = "".join(
        f'<li><a href="#{name}">{escape_html(title)}</a></li>'
        for name, title, html in parts
        if html
    )
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>'


def table_html(table: Table | None, *, sortable: bool = False) -> str:
    """Write a table that scrolls by itself where it is wider than the page; nothing for None."""
    if table is None:
        return ""
    label = escape_html(table.title or "table")
    shown = to_html(table, sortable=sortable)
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">{shown}</div>'


def folded(summary: str, *parts: str) -> str:
    """Write what a reader opens to see."""
    return f"<details><summary>{escape_html(summary)}</summary>{''.join(parts)}</details>"


def paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape_html(text)}</p>' if kind else f"<p>{escape_html(text)}</p>"


def data_island(name: str, data: Mapping[str, Any]) -> str:
    """Write data for a script; no text in it can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'
