# %% [markdown]
# # What grows on each pixel?
#
# A hyperspectral camera sees two hundred colours where an eye sees three. Two scenes made by chance
# show which part of such a picture a network looks at: in one the classes differ only by how bright
# and dark pixels are arranged, in the other only by the spectrum.

# %%
from pathlib import Path
from tempfile import mkdtemp

from PIL import Image

from recurrent.lab.hyperspectral import Settings, classify_map, open_scene, run
from recurrent.lab.report import Done

out = Path(mkdtemp())


def overall_accuracy(scene: str, network: str) -> dict[str, float]:
    settings = Settings(
        scene=scene, network=network, size=48, share=0.1, steps=100, hidden_size=12, mix=0.0
    )
    events = list(run(settings, out / scene / network))
    assert isinstance(events[-1], Done)
    rows = events[-1].report.rows
    return {r.system: round(r.value, 3) for r in rows if r.metric == "overall accuracy"}


# %% [markdown]
# Three classes: guessing gives about 0.33. `pixel` is given a pixel's spectrum and nothing around
# it, `plane` the surroundings and of the spectrum only the first principal component. The two
# support vector machines see spectra only.

# %%
for scene in ("synthetic-spatial", "synthetic-spectral"):
    for network in ("pixel", "plane"):
        print(scene, network, overall_accuracy(scene, network))

# %% [markdown]
# The map one of them draws, beside the truth. Change `plane` to `pixel` and see it fall apart.

# %%
folder = out / "synthetic-spatial" / "plane"
drawn = classify_map(folder)
truth = open_scene(Settings(scene="synthetic-spatial", size=48)).labels
print(f"{(drawn.ids == truth).mean():.1%} of all pixels as in truth: {', '.join(drawn.names)}")
pictures = [Image.open(folder / name).convert("RGB") for name in ("truth.png", "map-plane.png")]
side_by_side = Image.new("RGB", (2 * pictures[0].width + 10, pictures[0].height), "white")
for place, picture in enumerate(pictures):
    side_by_side.paste(picture, (place * (picture.width + 10), 0))
side_by_side  # a notebook shows its last value
