"""What covers each pixel, from its spectrum and its surroundings: SaCL2DNN, SSCL2DNN and SVMs.

`run` is the experiment. For a page: `classify_map` shows what a run's network makes of a scene,
`inspect_scene` and `load_scene` take a person's own files.
"""

from recurrent.lab.hyperspectral.maps import ClassMap
from recurrent.lab.hyperspectral.networks import classify_map
from recurrent.lab.hyperspectral.own import SceneFile, inspect_scene, load_scene
from recurrent.lab.hyperspectral.run import run
from recurrent.lab.hyperspectral.scenes import Scene
from recurrent.lab.hyperspectral.settings import Settings, open_scene

__all__ = [
    "ClassMap",
    "Scene",
    "SceneFile",
    "Settings",
    "classify_map",
    "inspect_scene",
    "load_scene",
    "open_scene",
    "run",
]
