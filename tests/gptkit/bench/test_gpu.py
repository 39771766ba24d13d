"""What `gptkit bench gpu` says without a GPU, and its page."""

import pytest
import torch

from gptkit.bench.gpu import measure_gpu
from gptkit.errors import ConfigError
from gptkit.report.studies import study_page
from gptkit.results.gpu_schema import GpuRun, GpuSpeed, GpuStep


@pytest.mark.skipif(torch.cuda.is_available(), reason="it would be measured")
def test_without_a_gpu_it_is_refused(gptkit):
    with pytest.raises(ConfigError, match="there is no CUDA device here"):
        measure_gpu()
    code, out, err = gptkit("bench", "gpu")
    assert (code, out) == (2, "")
    assert "Run this on a machine that has one" in err


def test_the_page_has_every_figure():
    step = GpuStep(
        recipe="large",
        tokenizer="char",
        params=10_666_752,
        milliseconds=13.75,
        tokens_per_second=1.19e6,
        flops_per_second=9.2e13,
        share_of_peak=0.118,
    )
    runs = [
        GpuRun(seed=seed, steps=600, seconds=8.4, nats_per_char=1.46 + seed / 50)
        for seed in range(2)
    ]
    page = study_page(
        GpuSpeed(
            gptkit="1",
            torch="2",
            card="H100",
            peak_flops=7.81e14,
            steps=[step],
            target=1.4697,
            to_target=runs,
            best_published=1.4603,
            to_best=runs,
            seconds=200.0,
        )
    )
    assert "at 781 TFLOP/s" in page
    assert "| large | char | 11M | 13.8 | 1.2M | 92 | 12% |" in page
    assert "1 of 2 seeds end at or below 1.4697, mean 1.4700 ± 0.0141 over 2 seeds, 8.4 s" in page
    assert "| 1 | 600 | 8.4 | 1.4800 |" in page
