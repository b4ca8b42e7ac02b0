"""Maps of classes as the page shows them: the truth, what a network says, and where they differ."""

from __future__ import annotations

import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.console import visible
from app.lab.drawn import image_uri

if TYPE_CHECKING:
    from recurrent.lab.hyperspectral import ClassMap, Scene, SceneFile

_WRONG = (200, 30, 60)


def maps_html(scene: Scene, found: ClassMap) -> str:
    """Three maps beside each other, and what their colours mean."""
    from recurrent.lab.hyperspectral import ClassMap

    truth = ClassMap(scene.labels, found.names, found.colours)
    both = (scene.labels > 0) & (found.ids > 0)
    wrong = both & (scene.labels != found.ids)
    errors = ClassMap(np.where(wrong, 2, both.astype(np.int64)), ("right", "wrong"),
                      ((222, 214, 200), _WRONG))  # fmt: skip
    share = 1 - wrong.sum() / max(1, both.sum())
    shown = (
        ("The truth", truth),
        ("What the network says", found),
        (f"Where they differ: {wrong.sum():,} of {both.sum():,} pixels", errors),
    )
    images = "".join(
        f'<div><img src="{_drawn(one)}" alt="{escape(label, quote=True)}"><span>{escape(label)}'
        "</span></div>"
        for label, one in shown
    )
    legend = "".join(
        f'<li><span class="lp-pixels-key" style="background:rgb({r},{g},{b})" aria-hidden="true">'
        f"</span>{escape(visible(name))}</li>"
        for name, (r, g, b) in zip(found.names, found.colours, strict=True)
    )
    return (
        f"<p>{share:.1%} of all labelled pixels agree, those it learnt from among them.</p>"
        f'<div class="lp-lab-images lp-pixels">{images}</div>'
        f'<ul class="lp-pixels-legend">{legend}</ul>'
    )


def file_html(name: str, found: SceneFile) -> str:
    """What arrays are in a file."""
    items = "".join(
        f"<li>{escape(visible(one.key or 'the array'))}: "
        f"{' × '.join(str(n) for n in one.shape)}{'' if one.is_numbers else ', no numbers'}</li>"
        for one in found.arrays[:30]
    )
    return f"<p>{escape(visible(name))} holds:</p><ul>{items}</ul>"


def scene_of(settings: dict[str, Any]) -> Scene:
    """The scene of a run, from its settings as they are kept."""
    from app.lab.settings import make
    from recurrent.lab.hyperspectral import Settings, open_scene

    return open_scene(make(Settings, settings))


def _drawn(shown: ClassMap) -> str:
    from recurrent.lab.hyperspectral.maps import draw_map

    with tempfile.TemporaryDirectory(prefix="letterpress-") as folder:
        return image_uri(draw_map(shown, Path(folder) / "map.png"))
