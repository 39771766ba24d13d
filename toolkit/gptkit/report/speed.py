"""What `gptkit bench` measured, as a page."""

from __future__ import annotations

from typing import Any


def markdown(result: dict[str, Any]) -> str:
    """A row per measurement: medians in seconds, and how many times sooner ours is done."""
    machine = result["machine"]
    lines = [
        "# How fast",
        "",
        f"Baseline and ours in turns, {result['rounds']} rounds after one that is not counted; "
        "medians, in seconds for the same work. A ratio above 1 means that ours is the faster.",
        "",
        "| what | baseline | baseline, s | ours, s | ratio | lowest to highest | to reach |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for m in result["measurements"]:
        lines.append(
            f"| {m['what']} | {m['against']} | {m['baseline']:.3g} | {m['ours']:.3g} "
            f"| **{m['ratio']:.2f}** | {m['lowest']:.2f} to {m['highest']:.2f} "
            f"| {m['reach']:.2g} |"
        )
    return "\n".join(
        [
            *lines,
            "",
            f"{machine['cores']} cores ({machine['processor']}), {machine['threads']} threads, "
            f"Python {machine['python']}, torch {machine['torch']}.",
            "",
        ]
    )
