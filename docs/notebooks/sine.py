# %% [markdown]
# # The noisy sine
#
# x(t) = sin(t) + U(0, 0.5). A network reads the past and says the next value. No forecast can err
# by less than the noise's own variance, 0.25 / 12 = 0.0208.

# %%
from pathlib import Path
from tempfile import mkdtemp

from recurrent.lab.report import Done, Progress
from recurrent.lab.sine import Settings, forecast, run

out = Path(mkdtemp())
settings = Settings(n_draws=1, n_members=2, n_updates=60, lecture_epochs=10)
for event in run(settings, out):
    if isinstance(event, Done):
        report = event.report
    elif isinstance(event, Progress):
        print(f"\r{event.stage}: {event.share:.0%}   ", end="")

# %% [markdown]
# One draw and few updates, to be quick: `Settings()` is what the figures of the documentation need.
# Look first at what needs no network at all, then at the networks.

# %%
print()
for row in sorted(report.rows, key=lambda row: (row.metric, row.value)):
    print(f"{row.metric:52} {row.system:28} {row.value:.4f}  {row.kind}")

# %% [markdown]
# A forecast one step ahead is told the truth after each step. Left to itself, a network has only
# its own forecasts to go by, and must keep time alone.

# %%
for feed_truth in (True, False):
    shown = forecast(out, feed_truth=feed_truth)
    error = ((shown.forecast - shown.clean) ** 2).mean()
    print(f"{shown.cell}, {'fed the truth' if feed_truth else 'running free'}: {error:.4f}")
    for t, said, clean in list(zip(shown.t, shown.forecast, shown.clean, strict=True))[-14:]:
        print(f"{t:4} {' ' * round(20 + 15 * said)}o {said:+.2f} (sine {clean:+.2f})")
