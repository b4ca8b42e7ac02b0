"""The experiment: split a scene, train the networks and the SVMs, score them, draw their maps."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine.devices import choose_device, choose_precision
from engine.fit import Finished, FitSettings, Step, fit
from recurrent.lab.hyperspectral.baseline import choose_machine, mean_spectra
from recurrent.lab.hyperspectral.maps import (
    ClassMap,
    colours_of,
    draw_legend,
    draw_map,
    draw_scene,
    draw_split,
)
from recurrent.lab.hyperspectral.networks import KINDS, Trained, make_network, save, save_map
from recurrent.lab.hyperspectral.patches import Bands, Patches, TrainingPixels
from recurrent.lab.hyperspectral.scenes import Scene
from recurrent.lab.hyperspectral.scores import Scores, confusion, score
from recurrent.lab.hyperspectral.settings import Settings, open_scene
from recurrent.lab.hyperspectral.splits import Split, disjoint_blocks, random_pixels
from recurrent.lab.hyperspectral.summary import MACHINES, by_class, rows_of
from recurrent.lab.report import Done, Event, Figure, Point, Progress, Report, Series

Ints = npt.NDArray[np.int64]
DRAWN_WHOLE = 30_000  # pixels; of a larger scene only labelled ones are classified for the map
_EVERY_S = 0.25  # between two events of progress
_WEIGHTS = {"machine": 1.0, "network": 9.0}  # about how long each takes, to say how much is done


class _Clock:
    """How much is done, and how long the rest takes if it goes on as before."""

    def __init__(self, total: float) -> None:
        self._total, self._done = total, 0.0
        self._began = self._told = time.perf_counter()

    def tell(self, stage: str, weight: float, share: float, *, force: bool = False) -> list[Event]:
        """One event, or none if the last was just now; `share` is of the part in work."""
        now = time.perf_counter()
        if not force and now - self._told < _EVERY_S:
            return []
        self._told = now
        done = min(1.0, (self._done + weight * share) / self._total)
        left = (now - self._began) / done * (1 - done) if done > 0.02 else None
        return [Progress(stage, done, left)]

    def add(self, weight: float) -> None:
        self._done += weight


@dataclass
class _Work:
    """What is worked on, and what has come out of it so far."""

    scene: Scene
    settings: Settings
    clock: _Clock
    stopped: Callable[[], bool]
    scores: dict[str, list[Scores]] = field(default_factory=dict)
    losses: list[Series] = field(default_factory=list)
    images: list[tuple[str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def run(
    settings: Settings, out: Path, *, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Train and score on one scene, over `n_seeds` splits.

    Parameters
    ----------
    settings : Settings
    out : Path
        Gets `report.json`, PNG maps, and a folder for each network of the first seed.
    stopped : callable
        Asked often; True ends with a report of the seeds and systems that were finished.

    Yields
    ------
    Progress, Point, Done

    Raises
    ------
    LetterpressError
        If the scene cannot be read, no split exists, or the device is not here.
    """
    began = time.perf_counter()
    yield Progress("Reading the scene", 0.0)
    scene = open_scene(settings)
    out.mkdir(parents=True, exist_ok=True)
    kinds = settings.kinds
    per_seed = 2 * settings.baseline * _WEIGHTS["machine"] + len(kinds) * _WEIGHTS["network"]
    work = _Work(scene, settings, _Clock(settings.n_seeds * per_seed), stopped)
    colours = colours_of(scene.names)
    work.images += [
        ("Scene", draw_scene(scene.cube, out / "scene.png").name),
        ("Truth", draw_map(ClassMap(scene.labels, scene.names, colours), out / "truth.png").name),
    ]
    draw_legend(scene.names, colours, out / "legend.png")
    splits = []
    for seed in range(settings.seed, settings.seed + settings.n_seeds):
        if stopped():
            break
        split = _split(scene, settings, seed)
        splits.append(_split_facts(split, scene))
        first = out if seed == settings.seed else None
        if first:
            name = draw_split(split, out / "split.png").name
            work.images.append(("Learnt from (white) and scored (blue)", name))
        if settings.baseline:
            yield from _machines(work, split, seed, first)
        for kind in kinds:
            if not stopped():
                yield from _network(work, kind, split, seed, first)
    report = Report(
        "hyperspectral",
        asdict(settings),
        rows_of(work.scores, leaks=settings.split == "random"),
        [
            Figure("maps", f"{scene.name}: the first seed's maps", images=work.images),
            Figure("legend", "Classes", images=[("", "legend.png")]),
            by_class(work.scores, scene.names),
            Figure("loss", "Training loss", "Update", "Nats per pixel", work.losses),
        ],
        {
            "scene": scene.name,
            "pixels": list(scene.labels.shape),
            "bands": scene.n_bands,
            "classes": list(scene.names),
            "splits": splits,
            **work.facts,
            "seconds": round(time.perf_counter() - began, 1),
        },
        stopped=stopped(),
    )
    report.save(out)
    yield Done(report)


def _split(scene: Scene, settings: Settings, seed: int) -> Split:
    if settings.split == "random":
        return random_pixels(scene.labels, settings.share, seed=seed)
    return disjoint_blocks(
        scene.labels,
        settings.share,
        radius=settings.window // 2,
        block=settings.block,
        area=settings.area,
        seed=seed,
    )


def _split_facts(split: Split, scene: Scene) -> dict[str, Any]:
    counts = {
        part: np.bincount(scene.labels[mask], minlength=scene.n_classes + 1)[1:].tolist()
        for part, mask in (("train", split.train), ("test", split.test))
    }
    return {**counts, "left_out": [scene.names[c - 1] for c in split.left_out]}


def _places(scene: Scene, split: Split, whole: bool) -> Ints:
    """The pixels to classify, (N, 2): those that are scored, or for a map as many as bearable."""
    if not whole:
        return np.argwhere(split.test)
    every = scene.labels.size <= DRAWN_WHOLE
    return np.argwhere(np.ones_like(split.test) if every else scene.labels > 0)


def _judge(work: _Work, system: str, ids: Ints, split: Split, path: Path | None) -> Scores:
    """Score a map (H, W), classes from 1; draw it if `path` says where."""
    scene = work.scene
    truth, given = scene.labels[split.test] - 1, ids[split.test] - 1
    scores = score(confusion(truth, given, scene.n_classes))
    work.scores.setdefault(system, []).append(scores)
    if path is not None:
        shown = ClassMap(ids, scene.names, colours_of(scene.names))
        work.images.append((system, draw_map(shown, path).name))
    return scores


def _machines(
    work: _Work, split: Split, seed: int, out: Path | None
) -> Generator[Event, None, None]:
    """Both support vector machines."""
    scene, settings, clock = work.scene, work.settings, work.clock
    weight = _WEIGHTS["machine"]
    places = _places(scene, split, out is not None)
    for system, what in zip(MACHINES, ("pixel", "mean"), strict=True):
        cube = mean_spectra(scene.cube, settings.window) if what == "mean" else scene.cube
        bands = Bands.learn(cube[split.train])
        spectra = bands.apply(cube)
        search = choose_machine(spectra[split.train], scene.labels[split.train], seed=seed)
        while True:
            try:
                tried = next(search)
            except StopIteration as end:
                machine = end.value
                break
            if work.stopped():
                return
            yield from clock.tell(f"{system}, seed {seed}", weight, 0.8 * tried)
        ids = np.zeros(scene.labels.shape, dtype=np.int64)
        for some in np.array_split(places, max(1, len(places) // 2000)):
            ids[tuple(some.T)] = machine.classify(spectra[tuple(some.T)])
            yield from clock.tell(f"{system}, seed {seed}", weight, 0.9)
        scores = _judge(work, system, ids, split, out and out / f"map-svm-{what}.png")
        chosen = {"C": machine.penalty, "gamma": machine.gamma, "held_out": machine.accuracy}
        work.facts.setdefault(system, []).append(chosen)
        clock.add(weight)
        yield Point(f"{system}: overall accuracy", seed, scores.overall)


def _network(
    work: _Work, kind: str, split: Split, seed: int, out: Path | None
) -> Generator[Event, None, None]:
    """Train one network and classify with it."""
    scene, settings, clock = work.scene, work.settings, work.clock
    title, weight = KINDS[kind].title, _WEIGHTS["network"]
    torch.manual_seed(seed)
    network, window = make_network(kind, scene, settings)
    bands = Bands.learn(
        scene.cube[split.train],
        whiten=settings.whiten,
        one_plane=not KINDS[kind].sees_spectrum,
    )
    pixels = np.argwhere(split.train)
    data = TrainingPixels(
        Patches(bands.apply(scene.cube), window),
        pixels,
        scene.labels[split.train] - 1,
        turn=settings.turn,
        noise=settings.noise,
        mix=settings.mix,
    )
    how = FitSettings(
        steps=settings.steps,
        batch_size=min(settings.batch_size, len(data)),
        lr=settings.lr,
        min_lr_fraction=0.02,
        warmup_steps=min(20, settings.steps // 5),
        weight_decay=0.05,
        seed=seed,
        precision=settings.precision,
        device=settings.device,
    )
    steps: list[tuple[int, float]] = []
    seconds = 0.0
    for event in fit(network, data, None, how, stopped=work.stopped):
        if isinstance(event, Step):
            steps.append((event.step, event.loss))
            yield from clock.tell(f"{title}, seed {seed}", weight, 0.8 * event.step / how.steps)
            if event.step % max(1, how.steps // 50) == 0:
                yield Point(f"{title}, seed {seed}: loss", event.step, event.loss)
        elif isinstance(event, Finished):
            seconds = event.seconds
            if event.reason == "stopped":
                return
    trained = Trained(kind, network, bands, window, scene.names)
    chosen = settings.precision
    if chosen == "auto":
        chosen = choose_precision(choose_device(settings.device))
    places = _places(scene, split, out is not None)
    ids, done = np.zeros(scene.labels.shape, dtype=np.int64), 0
    for some in trained.classify(scene, places, bf16=chosen == "bf16"):
        ids[tuple(places[done : done + len(some)].T)] = some + 1
        done += len(some)
        yield from clock.tell(f"{title}, map {seed}", weight, 0.8 + 0.2 * done / len(places))
        if work.stopped():
            return
    scores = _judge(work, title, ids, split, out and out / f"map-{kind}.png")
    if out is not None:
        save(trained, out)
        save_map(kind, ids, out)
        work.losses.append(Series(title, [float(s) for s, _ in steps], [v for _, v in steps]))
        work.facts.setdefault("networks", {})[kind] = {
            "parameters": sum(p.numel() for p in network.parameters()),
            "steps_of_bands": len(network.config.starts),
            "training_seconds": round(seconds, 1),
        }
    clock.add(weight)
    yield Point(f"{title}: overall accuracy", seed, scores.overall)
