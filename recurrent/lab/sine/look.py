"""Look at a forecast: a trained cell on the draw it learnt from, fed the truth or running free."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from corpora.errors import InputError, ModelError
from recurrent.lab.sine.experiment import INFO
from recurrent.lab.sine.nets import CELLS, load_nets
from recurrent.lab.sine.reading import fed_truth, running_free
from recurrent.lab.sine.series import N_TRAIN, TEST, Floats, Scaler, clean_sine, noisy_sine


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """A forecast from some step on, in the series' own units.

    Attributes
    ----------
    cell : str
        Which forecast it.
    history : array, shape (begin,)
        What was there before the first step that was forecast.
    t : array, shape (steps,)
        The steps forecast.
    observed, clean, forecast : array, shape (steps,)
        What came, what would have come without noise, and what was said.
    """

    cell: str
    history: Floats
    t: NDArray[np.int64]
    observed: Floats
    clean: Floats
    forecast: Floats


def forecast(
    folder: Path, cell: str | None = None, *, feed_truth: bool = True, begin: int = TEST.start
) -> Forecast:
    """Forecast the rest of the draw that the networks of a run learnt from.

    Parameters
    ----------
    folder : Path
        The `out` of a run.
    cell : str, optional
        "rnn", "lstm" or "gru"; left out, the one chosen on this draw.
    feed_truth : bool
        Whether each value, once forecast, is read as it came, or only its forecast is.
    begin : int
        The first step forecast, from the end of the training part on.

    Raises
    ------
    InputError
        If there is no such cell, or the beginning lies elsewhere.
    ModelError
        If the folder holds no trained networks.
    """
    if not N_TRAIN <= begin < TEST.stop:
        raise InputError(
            f"Found {begin} as the first step; expected one from {N_TRAIN}, where training ends, "
            f"to {TEST.stop - 1}."
        )
    try:
        info = json.loads((folder / INFO).read_text(encoding="utf-8"))
        draw, chosen = int(info["draw"]), info["chosen"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ModelError(
            f"{folder} holds no finished run ({problem}). Run the sine again."
        ) from problem
    if cell is None:  # a run that was stopped early chose none
        there = [name for name in CELLS if (folder / name).is_dir()]
        cell = chosen or (there or CELLS)[0]
    if cell not in CELLS:
        raise InputError(f"There is no cell {cell!r}; choose one of {', '.join(CELLS)}.")
    nets = load_nets(folder / cell)
    series = noisy_sine(draw)
    scaler = Scaler.fit(series[None, :N_TRAIN])
    scaled = torch.tensor(scaler.scale(series[None]), dtype=torch.float32)
    targets = slice(begin, TEST.stop)
    if feed_truth:
        said = fed_truth(nets, scaled, targets)
    else:
        said = running_free(nets, scaled[:, :begin], TEST.stop - begin)
    values = scaler.unscale(said.double().numpy())[0]
    t = np.arange(begin, TEST.stop)
    return Forecast(cell, series[:begin], t, series[targets], clean_sine()[targets], values)
