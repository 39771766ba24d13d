"""Estimate how long an experiment still takes, from what its arms have done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gptkit.config import Arm
    from gptkit.data.encoding import EncodedCorpus
    from gptkit.events import Event

OVERHEAD_FLOPS = 150e6  # of a step: a bigram, without matrix products, takes 2 ms, as these do
SCORED_SHARE = 1 / 3  # of a training step's FLOPs: a forward pass


@dataclass
class _Progress:
    """An arm: its work in FLOPs, and how much is done."""

    step_work: float
    evaluation_work: float
    steps: float
    evaluations: int
    done_steps: float = 0.0
    done_evaluations: int = 0
    began: float | None = None
    latest: float = 0.0
    began_with: float = 0.0
    ended: bool = False

    @property
    def work(self) -> float:
        return self.steps * self.step_work + self.evaluations * self.evaluation_work

    @property
    def done(self) -> float:
        if self.ended:
            return self.work
        done = self.done_steps * self.step_work + self.done_evaluations * self.evaluation_work
        return min(self.work, done)

    @property
    def timed_work(self) -> float:
        """The work that `seconds` were spent on: all that is done after the first step."""
        return 0.0 if self.began is None else self.done - self.began_with

    @property
    def seconds(self) -> float:
        return 0.0 if self.began is None else self.latest - self.began


class TimeLeft:
    """Hears the events of arms, and says in how many seconds all will be done.

    An arm's pace is its own, or that of the other seeds and rungs of its tokenizer and model, or
    that of all arms. A long arm counts for more than a short one.

    Args:
        processes: how many arms are trained at a time.
    """

    def __init__(
        self,
        arms: Sequence[Arm],
        texts: Mapping[str, EncodedCorpus],
        *,
        processes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.processes, self._clock = processes, clock
        self._arms = {_key(arm): (arm, _plan(arm, texts[arm.tokenizer])) for arm in arms}

    def hear(self, arm: Arm, event: Event) -> None:
        """Take an event."""
        from gptkit.events import ArmDone, Evaluated, Resumed, StepDone

        if _key(arm) not in self._arms:
            return
        _, mine = self._arms[_key(arm)]
        mine.latest = self._clock()
        if isinstance(event, StepDone):
            mine.done_steps = event.seconds if arm.schedule.seconds else event.step
            if mine.began is None:
                mine.began, mine.began_with = mine.latest, mine.done
        elif isinstance(event, Evaluated):
            mine.done_evaluations += 1
        elif isinstance(event, Resumed) and arm.schedule.steps:
            mine.done_evaluations = int(mine.evaluations * event.step / arm.schedule.steps)
        elif isinstance(event, ArmDone):
            mine.ended = True

    def seconds(self) -> float | None:
        """Return the seconds that are left; None before anything is known."""
        now = self._clock()
        of_kind: dict[tuple[str, str], list[_Progress]] = {}
        for arm, one in self._arms.values():
            if one.timed_work:
                of_kind.setdefault((arm.tokenizer, arm.recipe), []).append(one)
        if not of_kind:
            return None
        every = [one for found in of_kind.values() for one in found]
        left = []
        for arm, one in self._arms.values():
            if one.ended:
                continue
            if arm.schedule.seconds:
                left.append(max(0.0, arm.schedule.seconds - one.done_steps))
                continue
            known = [one] if one.timed_work else of_kind.get((arm.tokenizer, arm.recipe), every)
            since = 0.0 if one.began is None else now - one.latest
            left.append(max(0.0, (one.work - one.done) * _pace(known) - since))
        return max(sum(left) / self.processes, max(left, default=0.0))


def _pace(arms: Sequence[_Progress]) -> float:
    """Return seconds for a FLOP."""
    return sum(arm.seconds for arm in arms) / sum(arm.timed_work for arm in arms)


def _key(arm: Arm) -> tuple[object, ...]:
    """Tell arms apart, also those of a ladder's rungs, but not by tuned rates."""
    return arm.id, arm.model, arm.schedule


def _plan(arm: Arm, encoded: EncodedCorpus) -> _Progress:
    from gptkit.plan.matching import flops_per_token

    schedule = arm.schedule
    step_tokens = schedule.block_size * schedule.batch_size
    token = flops_per_token(arm, encoded) + OVERHEAD_FLOPS / step_tokens
    scored = len(encoded.val.ids) * (
        schedule.block_size / schedule.eval_stride if schedule.eval_stride else 1.0
    )
    return _Progress(
        step_work=token * step_tokens,
        evaluation_work=SCORED_SHARE * token * scored,
        steps=schedule.steps or schedule.seconds or 0.0,
        evaluations=schedule.evaluations,
    )
