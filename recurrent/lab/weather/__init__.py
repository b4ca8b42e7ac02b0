"""Weather: many variables in, the temperature a day ahead out, beside what is easy to beat.

    from recurrent.lab import weather
    for event in weather.run(weather.Settings(source="nyc"), Path("out")): ...
    weather.forecast(Path("out"))

Any CSV file with times and numbers works the same way: `inspect_csv` says what is in it.
"""

from __future__ import annotations

from recurrent.lab.weather.alarms import Finding, find_leaks, refuse
from recurrent.lab.weather.run import run
from recurrent.lab.weather.settings import Settings
from recurrent.lab.weather.setup import load_table, make_plan
from recurrent.lab.weather.showing import Column, Forecast, Inspection, forecast, inspect_csv

__all__ = [
    "Column",
    "Finding",
    "Forecast",
    "Inspection",
    "Settings",
    "find_leaks",
    "forecast",
    "inspect_csv",
    "load_table",
    "make_plan",
    "refuse",
    "run",
]
