"""auto takes the first device on which models can be trained, and can say why."""

import pytest
import torch

from gptkit.engines import device
from gptkit.engines.device import choose_device, fault, find_device
from gptkit.errors import ConfigError
from gptkit.train.step import take_step


@pytest.fixture(autouse=True)
def nothing_remembered():
    yield
    choose_device.cache_clear()
    fault.cache_clear()


def pretend(monkeypatch, *, present, wrong=()):
    """Let devices be present, computed on the CPU; the losses of some are wrong."""
    choose_device.cache_clear()
    fault.cache_clear()
    real = device._loss_after_a_step
    monkeypatch.setattr(device, "_absence", lambda name: None if name in present else "not here")
    monkeypatch.setattr(
        device,
        "_loss_after_a_step",
        lambda where: real(torch.device("cpu")) + (0.1 if where.type in wrong else 0.0),
    )


@pytest.mark.parametrize(
    ("present", "wrong", "chosen", "passed_over"),
    [
        ((), (), "cpu", {"cuda": "not here", "mps": "not here"}),
        (("mps",), (), "mps", {"cuda": "not here"}),
        (("cuda", "mps"), (), "cuda", {}),
        (("cuda", "mps"), ("cuda",), "mps", {"cuda": "a small model's loss is"}),
    ],
)
def test_auto_is_the_first_device_that_works(monkeypatch, present, wrong, chosen, passed_over):
    pretend(monkeypatch, present=present, wrong=wrong)
    assert find_device("auto").type == chosen
    found = choose_device().passed_over
    assert found.keys() == passed_over.keys()
    for name, reason in passed_over.items():
        assert reason in found[name]


def test_a_device_that_fails_is_refused_with_its_reason():
    with pytest.raises(ConfigError, match=r"device 'meta' cannot be used here: .*autocast"):
        find_device("meta")
    with pytest.raises(ConfigError, match="PyTorch knows no such device"):
        find_device("toaster")


def test_a_wrong_kernel_is_noticed(monkeypatch):
    """Gradients with the wrong sign move the loss by more than rounding does."""
    right = device._loss_after_a_step(torch.device("cpu"))

    def wrong(model, optimizers, *batch, config):
        for p in model.parameters():
            p.register_hook(torch.neg)
        return take_step(model, optimizers, *batch, config=config)

    monkeypatch.setattr(device, "take_step", wrong)
    assert abs(device._loss_after_a_step(torch.device("cpu")) - right) > device.MAX_DIFFERENCE


def test_the_trial_changes_no_random_state():
    before = torch.get_rng_state()
    device._loss_after_a_step(torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), before)
