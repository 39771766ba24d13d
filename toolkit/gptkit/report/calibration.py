"""The proof of the verdict, as a page."""

from __future__ import annotations

from typing import Any


def markdown(proof: dict[str, Any]) -> str:
    """The report of `gptkit.bench.calibration.prove`."""
    trials, copies = proof["trials"], proof["copies"]
    lines = [
        "# Can the verdict be believed?",
        "",
        f"Synthetic arms with a true difference of {proof['difference']} bits per byte, "
        f"{trials:,} trials for each kind of noise. How often the 95 % interval covers the truth:",
        "",
        "| noise from the text | noise from the seeds | seeds | covered |",
        "| ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['text']:g} | {row['seeds']:g} | {row['n_seeds']} | {row['covered']:.1%} |"
        for row in proof["coverage"]
    ]
    return "\n".join(
        [
            *lines,
            "",
            "Noise is the standard deviation of the mean difference, in bits per byte.",
            "",
            f"Copies of one tokenizer (char): {copies['trained']:,} trainings of a small decoder "
            f"that differ in the seed alone. {trials:,} times {copies['seeds']} of them are set "
            f"against {copies['seeds']} others, drawn at random; in "
            f"{copies['cannot_be_told_apart']:.1%} the verdict is that they cannot be told apart.",
            "",
            "## Again",
            "",
            f"    gptkit coverage --trials {trials} --copies {copies['trained']}",
            "",
        ]
    )
