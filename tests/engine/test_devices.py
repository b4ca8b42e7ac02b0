from __future__ import annotations

import pytest
import torch

from corpora.errors import DeviceError
from engine.devices import choose_device, choose_precision


def test_auto_takes_the_best_device_that_is_here() -> None:
    best = "cuda" if torch.cuda.is_available() else None
    best = best or ("mps" if torch.backends.mps.is_available() else "cpu")
    assert choose_device().type == best
    assert choose_device("cpu").type == "cpu"


def test_an_unknown_device_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DeviceError, match=r"no device 'gpu'; choose one of auto, cpu, cuda, mps\."):
        choose_device("gpu")


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_absent_is_said_aloud(name: str) -> None:
    here = torch.cuda.is_available() if name == "cuda" else torch.backends.mps.is_available()
    if here:
        assert choose_device(name).type == name
        return
    with pytest.raises(DeviceError, match=f"No {name} device was found; this machine has .*cpu"):
        choose_device(name)


def test_precision_is_what_the_processor_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_precision(torch.device("mps")) == "no"
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    for has, chosen in ((True, "bf16"), (False, "no")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=has: has)
        assert choose_precision(torch.device("cpu")) == chosen
