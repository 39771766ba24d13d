"""What is shown of many verdicts."""

import pytest
from factories import make_arm, make_results, make_verdict

from gptkit.results.summary import main_verdicts


@pytest.mark.parametrize(("names", "shown"), [("abc", 3), ("abcd", 3)])
def test_of_many_pairs_those_of_the_best_are_shown(names, shown):
    results = make_results(
        *(make_arm(name, bits=2.0 + i) for i, name in enumerate(names)),
        verdict=[make_verdict(a, b) for a in names for b in names if a < b],
    )
    found = main_verdicts(results)
    assert len(found) == shown
    assert names == "abc" or all(v.a == "a" for v in found)
