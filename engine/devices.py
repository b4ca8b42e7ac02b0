"""Which device runs a model, in which precision, with how many threads."""

from __future__ import annotations

import time

import torch

from corpora.errors import DeviceError

NAMES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" takes CUDA, then MPS, then the CPU.

    Raises
    ------
    DeviceError
        If the device was asked for and is not here: nothing falls back in silence.
    """
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return torch.device(next(d for d in ("cuda", "mps", "cpu") if present[d]))
    if name not in NAMES:
        raise DeviceError(f"There is no device {name!r}; choose one of {', '.join(NAMES)}.")
    if not present[name]:
        here = ", ".join(d for d, yes in present.items() if yes)
        raise DeviceError(
            f"No {name} device was found; this machine has {here}. "
            f"Use --device auto, or install a PyTorch built for {name}."
        )
    return torch.device(name)


def _matmul_seconds(device: torch.device, dtype: torch.dtype) -> float:
    a = torch.ones(768, 768, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(4):
        began = time.perf_counter()
        (a @ a).sum().item()
        best = min(best, time.perf_counter() - began)
    return best


def choose_precision(device: torch.device) -> str:
    """Choose "bf16" where its matrix product clearly beats fp32 on this device, else "no".

    Measured on a CPU (about 20 ms), not looked up: the same processor name hides machines with and
    without it.
    """
    if device.type == "mps":
        return "no"
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    fp32, bf16 = (_matmul_seconds(device, t) for t in (torch.float32, torch.bfloat16))
    return "bf16" if bf16 < 0.7 * fp32 else "no"
