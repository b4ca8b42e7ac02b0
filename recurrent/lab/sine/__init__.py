"""The noisy sine: what is the next value, and what are the seventy-nine after it?

`run` trains RNNs, LSTMs and GRUs on several draws of the noise, beside the lecture's network and
baselines that need none; `forecast` shows a trained cell fed the truth, or left to itself.
"""

from recurrent.lab.sine.experiment import run
from recurrent.lab.sine.look import Forecast, forecast
from recurrent.lab.sine.settings import Settings

__all__ = ["Forecast", "Settings", "forecast", "run"]
