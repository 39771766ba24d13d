"""What `gptkit bench` measured, as a page."""

from __future__ import annotations

from typing import Any


def markdown(result: dict[str, Any]) -> str:
    """A row per measurement: medians, and how many times better ours is."""
    machine = result["machine"]
    lines = [
        "# How fast",
        "",
        f"Baseline and ours in turns, {result['rounds']} rounds; medians, for the same work, in "
        "seconds where nothing else is said. A ratio above 1 means that ours is the better.",
        "",
        "| what | baseline | baseline's | ours | ratio | lowest to highest | to reach |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for m in result["measurements"]:
        unit = "" if m["unit"] == "s" else f", {m['unit']}"
        lines.append(
            f"| {m['what']}{unit} | {m['against']} | {m['baseline']:.3g} | {m['ours']:.3g} "
            f"| **{m['ratio']:.2f}** | {m['lowest']:.2f} to {m['highest']:.2f} "
            f"| {m['reach']:.3g} |"
        )
    lines += _ablations(result["ablations"]) if "ablations" in result else []
    return "\n".join(
        [
            *lines,
            "",
            f"{machine['cores']} cores ({machine['processor']}), {machine['threads']} threads, "
            f"Python {machine['python']}, torch {machine['torch']}.",
            "",
        ]
    )


def _ablations(found: dict[str, Any]) -> list[str]:
    """`fast` without each of its choices: how long to the loss, and how good either way."""
    lines = [
        "",
        "## Without each choice",
        "",
        f"The shortest training that ends at {found['target']} nats per character, of lengths that "
        "grow by a quarter, seed 0.",
        "",
        "| without | steps | seconds |",
        "| --- | ---: | ---: |",
    ]
    for row in found["time_to_loss"]:
        more = "" if row["reached"] else "more than "
        lines.append(f"| {row['without']} | {more}{row['steps']} | {more}{row['seconds']:.1f} |")
    for data, rows in found["bits_per_byte"].items():
        whole = rows[0]
        lines += [
            "",
            f"On {data}, {found['budget']} of training text, as `gptkit compare` trains "
            "`fast`: bits per byte of the validation text, and in brackets what the choice gains.",
            "",
            "| without | char | gpt2 | gpt2 better than char by |",
            "| --- | ---: | ---: | ---: |",
        ]
        for row in rows:
            cells = [f"{row[t]:.3f} ({row[t] - whole[t]:+.3f})" for t in ("char", "gpt2")]
            cells.append(f"{row['char'] - row['gpt2']:+.3f}")
            lines.append(f"| {row['without']} | " + " | ".join(cells) + " |")
    return lines
