"""The next frames of a film: ConvLSTM networks on moving squares and on moving digits.

    from recurrent.lab import frames
    for event in frames.run(frames.Settings(), Path("out")): ...
    movie = frames.sample_movie("squares", seed=3)
    future = frames.predict(Path("out"), movie.frames[:7], 8)      # (8, 40, 40)

`movies` draws the films, `model` holds the networks and their rivals, `baselines` what needs no
learning; `metrics` and `scores` measure, `pictures` writes PNG and GIF, `forecasting` serves the
page.
"""

from __future__ import annotations

from recurrent.lab.frames.forecasting import STARTER, predict
from recurrent.lab.frames.movies import Movie, sample_movie
from recurrent.lab.frames.pictures import beside, to_gif, to_strip
from recurrent.lab.frames.run import run
from recurrent.lab.frames.settings import GPU_RECIPE, Settings

__all__ = [
    "GPU_RECIPE",
    "STARTER",
    "Movie",
    "Settings",
    "beside",
    "predict",
    "run",
    "sample_movie",
    "to_gif",
    "to_strip",
]
