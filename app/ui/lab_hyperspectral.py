"""To try in the pixels: the map of a network beside the truth, and a scene of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.lab.folder import read_run
from app.lab.pixels import file_html, maps_html, scene_of
from app.lab.uploads import keep
from app.ui.lab_frame import QUIET, Frame, News, folder_of, notice
from app.ui.lab_pick import MOST_BYTES, Picker
from app.ui.streaming import in_words
from corpora.errors import InputError

ENDINGS = (".mat", ".npy")


class HyperspectralTry:
    """Maps of the run, and a person's own cube."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        with gr.Column(visible=False) as self.box:
            gr.HTML("<h3>Try it: the map beside the truth</h3>")
            self.kind = gr.Dropdown(
                [], label="Network", interactive=True, min_width=200,
                elem_id="lp-lab-hyperspectral-kind",
            )  # fmt: skip
            self.maps = gr.HTML("")
        self.maps_notice = gr.HTML("", visible=False)
        self._build_own()
        self.kind.input(
            self.on_kind, [frame.name, self.kind], [self.maps, self.maps_notice], **QUIET
        )

    def _build_own(self) -> None:
        self.cube, self.labels = gr.State(""), gr.State("")
        with gr.Accordion("A scene of your own", open=False, elem_id="lp-lab-hyperspectral-own"):
            gr.HTML(
                '<p class="lp-lab-note">A cube of rows × columns × bands and a map of whole '
                "numbers, 0 where there is no label: two .mat or .npy files, or one .mat file with "
                "both. Larger ones: give their paths in the settings.</p>"
            )
            with gr.Row():
                self.pick_cube = Picker("Choose the cube", ENDINGS, "lp-lab-pixels-cube")
                self.pick_labels = Picker("Choose the labels", ENDINGS, "lp-lab-pixels-labels")
            self.notice = gr.HTML("", visible=False)
            self.about_cube, self.about_labels = gr.HTML(""), gr.HTML("")
            self.train = gr.Button(
                "Train on this scene", variant="primary", visible=False, min_width=160,
                elem_classes="lp-lab-go", elem_id="lp-lab-pixels-train",
            )  # fmt: skip
        self.pick_cube.chosen(self.on_cube, [self.cube, self.about_cube, self.train, self.notice])
        self.pick_labels.chosen(self.on_labels, [self.labels, self.about_labels, self.notice])

    def wire(self, frame: Frame) -> None:
        """What needs the frame's form, which stands below this part."""
        self.train.click(
            self.on_train, [self.cube, self.labels, *frame.form.parts],
            [*frame.shown, self.notice], trigger_mode="once", **QUIET,
        )  # fmt: skip

    @property
    def shown(self) -> list[Any]:
        """What changes with the run."""
        return [self.box, self.kind, self.maps, self.maps_notice]

    def ready(self, folder: Path | None) -> bool:
        """Whether there is a model to try."""
        return folder is not None

    def view(self, folder: Path | None) -> News:
        """Open where there is a trained network, with its map drawn."""
        news: News = {
            self.box: gr.Column(visible=folder is not None), self.maps_notice: notice(""),
        }  # fmt: skip
        if folder is None:
            return news
        from recurrent.lab.hyperspectral.networks import KINDS, kinds_in

        kinds = kinds_in(folder)
        choices = [(KINDS[kind].title, kind) for kind in kinds]
        first = kinds[0] if kinds else None
        return news | self.drawn(folder, first or "") | {
            self.kind: gr.Dropdown(choices=choices, value=first)
        }  # fmt: skip

    def on_kind(self, name: str, kind: str) -> News:
        """The map of another network."""
        try:
            return self.drawn(folder_of(name), kind)
        except Exception as problem:
            return {self.maps_notice: notice(in_words(problem))}

    def drawn(self, folder: Path, kind: str) -> News:
        """The maps of a network of a run."""
        from recurrent.lab.hyperspectral import classify_map

        try:
            scene = scene_of(read_run(folder).settings)
            html = maps_html(scene, classify_map(folder, kind))
        except Exception as problem:
            return {self.maps: "", self.maps_notice: notice(in_words(problem))}
        return {self.maps: html, self.maps_notice: notice("")}

    def on_cube(self, picked: dict[str, Any] | None) -> News:
        """Look into the file of the cube."""
        if not picked:
            return {self.notice: notice("")}
        path, html, problem = _looked(picked)
        return {
            self.cube: path, self.about_cube: html, self.notice: notice(problem),
            self.train: gr.Button(visible=bool(path)),
        }  # fmt: skip

    def on_labels(self, picked: dict[str, Any] | None) -> News:
        """Look into the file of the labels."""
        if not picked:
            return {self.notice: notice("")}
        path, html, problem = _looked(picked)
        return {self.labels: path, self.about_labels: html, self.notice: notice(problem)}

    def on_train(self, cube: str, labels: str, *values: Any) -> News:
        """Begin a run on the scene, if its files go together."""
        from recurrent.lab.hyperspectral import load_scene

        try:
            if not cube:
                raise InputError("No cube is chosen. Choose its file first.")
            settings = self.frame.form.settings(*values)
            load_scene(
                Path(cube), Path(labels) if labels else None,
                cube_key=settings.cube_key, label_key=settings.label_key,
            )  # fmt: skip
        except Exception as problem:
            return {self.notice: notice(in_words(problem))}
        return self.frame.begin(*values, scene=cube, labels=labels) | {self.notice: notice("")}


def _looked(picked: dict[str, Any]) -> tuple[str, str, str]:
    """Where a file is kept, what is in it, and what is amiss."""
    from recurrent.lab.hyperspectral import inspect_scene

    try:
        path = keep(picked, ENDINGS, MOST_BYTES)
        return str(path), file_html(str(picked["name"]), inspect_scene(path)), ""
    except Exception as problem:
        return "", "", in_words(problem)
