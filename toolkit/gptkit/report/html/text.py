"""Write text for a page so that the page holds it byte for byte, whatever characters it has."""

from __future__ import annotations

import re
from html import escape

from gptkit.report.formatting import printable

# What cannot be seen or would move the text around it, and what HTML itself changes.
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def exact_html(text: str) -> str:
    r"""Escape a text; hidden characters stay in it, and a visible one is drawn before each.

    HTML has no NUL: its place is marked, and the page's script fills it in.

    >>> exact_html("a<b\x1b")
    'a&lt;b<i class="hidden" data-shown="␛">\x1b</i>'
    >>> exact_html("\r"), exact_html("\0")
    ('<i class="hidden" data-shown="␍">&#13;</i>', '<i class="hidden" data-shown="␀" data-nul></i>')
    """
    return _HIDDEN.sub(_marked, escape(text))


def _marked(match: re.Match[str]) -> str:
    character = match[0]
    kept = {"\r": "&#13;", "\0": ""}.get(character, character)
    nul = "" if character != "\0" else " data-nul"
    return f'<i class="hidden" data-shown="{printable(character)}"{nul}>{kept}</i>'
