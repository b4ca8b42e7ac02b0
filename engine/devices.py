"""Which device runs a model, in which precision, with how many threads."""

from __future__ import annotations

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


def choose_precision(device: torch.device) -> str:
    """Choose "bf16" where the device multiplies it in hardware, else "no".

    Asked of the processor, not timed: on a busy machine a stopwatch now and then says otherwise,
    and two runs from one seed would differ.
    """
    if device.type == "mps":
        return "no"
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if has_bf16 else "no"
