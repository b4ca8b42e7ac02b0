# %% [markdown]
# # The weather a day ahead
#
# Many variables in, the temperature 24 hours later out. Is it worth more than yesterday's
# temperature, and more than a straight line? The file here is made up, so that it runs anywhere;
# `Settings(source="beijing")` reads four years of real hours.

# %%
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from recurrent.lab.report import Done
from recurrent.lab.weather import Settings, find_leaks, forecast, inspect_csv, make_plan, run

rng, n = np.random.default_rng(0), 2000
wind = np.cumsum(rng.normal(0, 0.2, n)) * 0.9 ** (np.arange(n) / n)
temp = 12 + 5 * np.sin(np.arange(n) * 2 * np.pi / 24) + np.roll(wind, 24) + rng.normal(0, 0.5, n)
hours = np.datetime64("2021-03-01T00", "h") + np.arange(n)
path = Path(mkdtemp()) / "mine.csv"
rows = [f"{hour}:00,{t:.1f},{w:.2f}" for hour, t, w in zip(hours, temp, wind, strict=True)]
path.write_text("\n".join(["time,temp (degC),wind", *rows]), "utf-8")
for column in inspect_csv(path).columns:
    print(column)

# %% [markdown]
# Before anything is trained, alarms look at the plan: does a forecast get to see its own future?
# Here one is made to, on purpose.

# %%
settings = Settings(
    source=str(path), target="temp (degC)", models=("dense", "gru_over_ridge"),
    n_trials=2, steps=60, eval_every=20, n_origins=0,
)  # fmt: skip
for leak in ("none", "target"):
    plan = make_plan(Settings(source=str(path), target="temp (degC)", leak=leak))
    print(leak, [finding.message for finding in find_leaks(plan) if finding.rings])

# %%
out = Path(mkdtemp())
for event in run(settings, out):
    if isinstance(event, Done):
        for row in event.report.rows:
            print(f"{row.metric:32} {row.system:42} {row.value:7.3f}")

# %% [markdown]
# The forecasts of the last day of the file, each made 24 hours before.

# %%
shown = forecast(out, 24, back=24)
for time, low, middle, high, truth in zip(
    shown.times, shown.low, shown.middle, shown.high, shown.truth, strict=True
):
    print(f"{time}  {low:5.1f} .. {middle:5.1f} .. {high:5.1f}   it was {truth}")
