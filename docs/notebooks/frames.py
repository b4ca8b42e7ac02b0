# %% [markdown]
# # The next frames of a film
#
# Squares move over a small picture. A ConvLSTM sees seven frames and draws the other eight alone,
# each from what it drew before. The settings here are cut down to run in seconds, so it learns
# little; `letterpress lab frames` runs the real ones.

# %%
from pathlib import Path
from tempfile import mkdtemp

import torch

from recurrent.convlstm import ConvLSTM
from recurrent.lab import frames
from recurrent.lab.frames import metrics
from recurrent.lab.frames.baselines import copy_last, kept_velocity, linear_motion
from recurrent.lab.report import Done, Point

# %% [markdown]
# A ConvLSTM keeps pictures as its state. Reading goes on wherever it ended.

# %%
net = ConvLSTM(in_channels=1, hidden_sizes=[8, 8], kernel_size=3)
film = torch.rand(1, 5, 1, 40, 40)
y, state = net(film)
later, state = net(film, state)
print(tuple(y.shape), [tuple(cell.shape) for _, cell in state])

# %% [markdown]
# What has to be beaten needs no learning: the share of overlap with the truth, frames 8 to 15.

# %%
movie = frames.sample_movie("squares", seed=3)
given, truth = movie.frames[None, :7], movie.truth[None, 7:]
for rule in (copy_last, linear_motion, kept_velocity):
    print(f"{rule.__name__:15}", metrics.iou(rule(given, 8), truth).round(2))

# %% [markdown]
# Train for a few updates and look at what comes out.

# %%
out = Path(mkdtemp())
settings = frames.Settings(steps=4, batch_size=2, n_test=4, hidden_size=8, n_layer=1, rival=False)
for event in frames.run(settings, out):
    if isinstance(event, Point):
        print(f"{event.curve}: {event.y:.4f}")
    elif isinstance(event, Done):
        for row in event.report.rows:
            print(f"{row.system:30} {row.metric:50} {row.value:8.4f}")

# %%
future = frames.predict(out, movie.frames[:7], n=8)
frames.to_strip([movie.truth, future], out / "strip.png")
frames.to_gif(frames.beside(movie.frames[:7], movie.truth[7:], future), out / "film.gif")
print(sorted(path.name for path in out.iterdir()))
