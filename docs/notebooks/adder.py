# %% [markdown]
# # The adder
#
# Two binary numbers go in, the least significant bits first; at each step a network says one bit of
# their sum. To be right it must carry, and what it carries must live in its state.

# %%
from pathlib import Path
from tempfile import mkdtemp

from recurrent.lab.adder import Settings, add, run
from recurrent.lab.report import Done, Progress

out = Path(mkdtemp())
settings = Settings(n_seeds=1, n_updates=3000, n_pairs=300, epochs=20, n_long=200)
for event in run(settings, out):
    if isinstance(event, Done):
        report = event.report
    elif isinstance(event, Progress):
        print(f"\r{event.stage}: {event.share:.0%}   ", end="")

# %% [markdown]
# The figures. These settings are far smaller than the defaults: `Settings()` takes minutes.

# %%
print()
for row in report.rows:
    lecture = "" if row.lecture is None else f"   (lecture: {row.lecture})"
    print(f"{row.system:30} {row.metric:60} {row.value:.4f}{lecture}")

# %% [markdown]
# One sum, column by column. Read from the right of the paper to the left, as a pupil does.

# %%
shown = add(out, 93, 62, "gru")
print(f"{shown.a} + {shown.b} = {shown.predicted}, rightly {shown.expected}")
for t, (pair, said, hidden) in enumerate(
    zip(shown.inputs, shown.probabilities, shown.hidden, strict=True)
):
    state = " ".join(f"{h:+.1f}" for h in hidden[:8])
    print(f"column {t}: {pair[0]} + {pair[1]}   says {said:.2f}   first units {state}")

# %% [markdown]
# A single neuron is enough for the carry: three equal weights and a bias of -1.5 of them.

# %%
print(next(row.note for row in report.rows if row.system == "one recurrent neuron"))
