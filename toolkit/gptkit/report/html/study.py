"""Write the page of a study, from its page in Markdown."""

from __future__ import annotations

import re

from gptkit.report.html.document import document


def markdown_page(markdown: str) -> str:
    """Write a page from Markdown of ours; HTML in it is shown as text.

    >>> "<h1>Speed</h1>" in markdown_page("# Speed")
    True
    """
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    body = body.replace("<table>", '<div class="scroll" role="region" tabindex="0"><table>')
    body = body.replace("</table>", "</table></div>")
    body = re.sub("<th(?=[ >])", '<th scope="col"', body)
    body = body.replace("<pre><code>", '<pre class="command"><code>')
    title = re.match(r"# (.*)", markdown)
    return document(title[1] if title else "A study", [body], scripts=["page.js"])
