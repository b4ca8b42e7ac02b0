"""The networks that forecast frames, each with `loss(batch)` for `fit` and `forecast` for a person.

`NextFrame` says after each frame what the next will be and lives on what it said; `Forecaster` is
the paper's encoder-forecaster. Their rivals: `Lecture`, the lecture's network of 76 weights, and
`FlatLSTM`, which knows no neighbourhood (Srivastava et al. 2015). All give probabilities; the loss
is the mean binary cross entropy in nats per pixel.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from corpora.errors import ModelError
from engine.batching import Batch
from recurrent.convlstm import ConvLSTM, ConvLSTMCell, EncoderForecaster, State

WEIGHTS, SHAPE = "model.safetensors", "model.json"


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What a network is built from, kept beside its weights.

    Attributes
    ----------
    film : str
        The film it was trained on, "squares" or "mnist".
    given : int
        How many frames of a film it is shown before it goes on alone.
    hidden_sizes : sequence of int
        Channels of each layer.
    kernel_size : int
    patch : int
        Squares of so many pixels a side become the channels of one place (Shi et al. 2015, 4.1).
    forecaster : bool
        Whether it is a `Forecaster`, else a `NextFrame`.
    """

    film: str
    given: int
    hidden_sizes: tuple[int, ...]
    kernel_size: int = 3
    patch: int = 1
    forecaster: bool = False

    def __post_init__(self) -> None:
        if self.film not in ("squares", "mnist"):
            raise ValueError(f"film={self.film!r} must be squares or mnist")
        if self.given < 1 or self.patch < 1:
            raise ValueError(f"given={self.given} and patch={self.patch} must be at least 1")


class FrameModel(nn.Module):
    """What all of them offer.

    Attributes
    ----------
    given : int
        Frames that are shown before the forecast begins.
    """

    given: int

    def forecast(self, given: Tensor, n: int) -> Tensor:
        """The `n` frames after those given, (B, T, H, W) -> (B, n, H, W), in 0..1."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Tensor:
        """The mean cross entropy over the frames it learns to forecast."""
        raise NotImplementedError


class NextFrame(FrameModel):
    """Reads a film frame by frame and says each time what comes next; then reads that instead.

    Trained through what it said itself: for most films of a batch, every frame after those given is
    its own forecast, and the gradient flows back through all of them. For the others the truth goes
    on being shown, so that both ways of use are learnt.

    Parameters
    ----------
    shape : ModelShape
    shown : float
        The share of films that go on being shown the truth while it learns.
    """

    def __init__(self, shape: ModelShape, shown: float = 0.25) -> None:
        super().__init__()
        self.given, self.patch, self.shown = shape.given, shape.patch, shown
        channels = shape.patch**2
        self.body = ConvLSTM(channels, shape.hidden_sizes, shape.kernel_size)
        self.head = nn.Conv2d(sum(shape.hidden_sizes), channels, 1)
        # Few pixels are lit: without this the first hundred updates learn only that.
        nn.init.constant_(self.get_parameter("head.bias"), -3.0)
        for layer in self.body.layers:
            start_moving(cast(ConvLSTMCell, layer))

    def step(
        self, frame: Tensor, state: Sequence[State] | None = None
    ) -> tuple[Tensor, list[State]]:
        """Read one frame (B, H, W); returns the logits of the next, (B, H, W), and the state."""
        x = F.pixel_unshuffle(frame.clamp(0, 1)[:, None], self.patch)  # (B, patch ** 2, H', W')
        after = self.body.step(x, state)
        logits = self.head(torch.cat([hidden for hidden, _ in after], 1)).float()
        return F.pixel_shuffle(logits, self.patch)[:, 0], after

    def one_step(self, frames: Tensor) -> Tensor:
        """What it says follows each frame of (B, T, H, W) while the truth is shown, in 0..1."""
        return self.read(frames)[0].sigmoid()

    def read(self, frames: Tensor) -> tuple[Tensor, list[State]]:
        """Read (B, T, H, W); returns logits of what follows each frame, and the last state."""
        state: list[State] | None = None
        logits = []
        for frame in frames.unbind(1):
            said, state = self.step(frame, state)
            logits.append(said)
        assert state is not None
        return torch.stack(logits, 1), state

    def go_on(self, logits: Tensor, state: Sequence[State], n: int) -> Tensor:
        """The forecast (B, n, H, W) from the logits of its first frame, (B, H, W), and a state."""
        frames = [logits.sigmoid()]
        while len(frames) < n:
            logits, state = self.step(frames[-1], state)
            frames.append(logits.sigmoid())
        return torch.stack(frames, 1)

    def forecast(self, given: Tensor, n: int) -> Tensor:
        logits, state = self.read(given)
        return self.go_on(logits[:, -1], state, n)

    def loss(self, batch: Batch) -> Tensor:
        frames = batch["frames"]
        shown = torch.zeros(len(frames), 1, 1, dtype=torch.bool, device=frames.device)
        if self.training:
            shown = torch.rand(shown.shape, device=frames.device) < self.shown
        state: list[State] | None = None
        logits: list[Tensor] = []
        for t, frame in enumerate(frames.unbind(1)):
            if t >= self.given:
                frame = torch.where(shown, frame, logits[-1].sigmoid())
            said, state = self.step(frame, state)
            logits.append(said)
        return F.binary_cross_entropy_with_logits(torch.stack(logits, 1), batch["next"])


def start_moving(layer: ConvLSTMCell) -> None:
    """Let each channel begin by carrying what it remembers one pixel on, in one of 9 directions.

    Orthogonal weights let a plain LSTM begin by remembering. In a film the same thing must be found
    again at the next place: the hidden state comes to the candidate moved, the gates let it pass,
    and the cell, which cannot move, forgets. Training is free to undo it.
    """
    size, middle = layer.hidden_size, layer.gates.kernel_size[0] // 2
    reach = min(1, middle)
    ways = [(y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)]
    with torch.no_grad():
        write, forget, read, _ = layer.get_parameter("gates.bias").chunk(4)
        write.fill_(1)
        forget.fill_(-1)
        read.fill_(1)
        for channel in range(size):
            down, right = ways[channel % len(ways)]
            # A convolution looks where the thing came from.
            layer.gates.weight[3 * size + channel, layer.in_channels + channel,
                               middle - down, middle - right] += 2  # fmt: skip


class Forecaster(FrameModel):
    """The encoder-forecaster of Shi et al. (2015) on patches of the frames."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.given, self.patch = shape.given, shape.patch
        self.net = EncoderForecaster(shape.patch**2, shape.hidden_sizes, shape.kernel_size)

    def logits(self, given: Tensor, n: int) -> Tensor:
        """The logits (B, n, H, W) of what follows the frames (B, T, H, W)."""
        x = F.pixel_unshuffle(given.clamp(0, 1)[:, :, None], self.patch)  # (B, T, C, H', W')
        said: Tensor = self.net(x, n)
        return F.pixel_shuffle(said.float(), self.patch)[:, :, 0]

    def forecast(self, given: Tensor, n: int) -> Tensor:
        return self.logits(given, n).sigmoid()

    def loss(self, batch: Batch) -> Tensor:
        given, future = _cut(batch, self.given)
        return F.binary_cross_entropy_with_logits(self.logits(given, future.shape[1]), future)


class FlatLSTM(FrameModel):
    """An encoder-forecaster of plain LSTM layers over frames as vectors (Srivastava et al. 2015).

    Parameters
    ----------
    given, size : int
        The frames given, and the pixels of their sides.
    hidden_size, n_layer : int
        Of the encoder and of the forecaster, which is given its states and a constant.
    """

    def __init__(self, given: int, size: int, hidden_size: int, n_layer: int = 1) -> None:
        super().__init__()
        self.given, self.size = given, size
        self.encoder = nn.LSTM(size * size, hidden_size, n_layer, batch_first=True)
        self.forecaster = nn.LSTM(1, hidden_size, n_layer, batch_first=True)
        self.head = nn.Linear(hidden_size, size * size)

    def logits(self, given: Tensor, n: int) -> Tensor:
        """The logits (B, n, H, W) of what follows the frames (B, T, H, W)."""
        _, state = self.encoder(given.flatten(2))
        y, _ = self.forecaster(given.new_ones(len(given), n, 1), state)
        said: Tensor = self.head(y)
        return said.float().view(len(given), n, self.size, self.size)

    def forecast(self, given: Tensor, n: int) -> Tensor:
        return self.logits(given, n).sigmoid()

    def loss(self, batch: Batch) -> Tensor:
        given, future = _cut(batch, self.given)
        return F.binary_cross_entropy_with_logits(self.logits(given, future.shape[1]), future)


class Lecture(FrameModel):
    """The lecture's network: one ConvLSTM filter of 3x3, 76 weights, whose state is the picture.

    What comes out is a hyperbolic tangent times a gate, in -1..1, and is scored as a probability,
    cut to [1e-7, 1 - 1e-7] as Keras does; below that there is no gradient. As in Keras it begins
    with a forget bias of 1. (Keras' default gate is a hard sigmoid; ours is the paper's.)
    """

    def __init__(self, given: int) -> None:
        super().__init__()
        self.given = given
        self.body = ConvLSTM(1, [1], 3)
        with torch.no_grad():
            self.body.get_parameter("layers.0.gates.bias").copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))

    def one_step(self, frames: Tensor) -> Tensor:
        """What it says follows each frame of (B, T, H, W) while the truth is shown, in 0..1."""
        return self.read(frames)[0].clamp(0, 1)

    def read(self, frames: Tensor) -> tuple[Tensor, list[State]]:
        """What it says follows each frame of (B, T, H, W), uncut, and its last state."""
        y, state = self.body(frames[:, :, None])
        return y[:, :, 0].float(), state

    def forecast(self, given: Tensor, n: int) -> Tensor:
        said, state = self.read(given)
        frames = [said[:, -1]]
        while len(frames) < n:
            state = self.body.step(frames[-1][:, None], state)
            frames.append(state[-1][0][:, 0].float())
        return torch.stack(frames, 1).clamp(0, 1)

    def loss(self, batch: Batch) -> Tensor:
        p = self.read(batch["frames"])[0].clamp(1e-7, 1 - 1e-7)
        q: Tensor = batch["next"]
        return -(q * p.log() + (1 - q) * (1 - p).log()).mean()


def _cut(batch: Batch, given: int) -> tuple[Tensor, Tensor]:
    return batch["frames"][:, :given], batch["truth"][:, given:]


def build(shape: ModelShape) -> NextFrame | Forecaster:
    """A new network of that shape."""
    return Forecaster(shape) if shape.forecaster else NextFrame(shape)


def count(model: nn.Module) -> int:
    """How many weights it has."""
    return sum(weight.numel() for weight in model.parameters())


def save(model: NextFrame | Forecaster, shape: ModelShape, folder: Path) -> None:
    """Write a network into a folder: weights and shape."""
    folder.mkdir(parents=True, exist_ok=True)
    save_model(model, str(folder / WEIGHTS))
    (folder / SHAPE).write_text(json.dumps(asdict(shape), indent=1) + "\n", encoding="utf-8")


def load(folder: Path) -> NextFrame | Forecaster:
    """Read what `save` wrote, ready to forecast.

    Raises
    ------
    ModelError
        If it is not there or is damaged.
    """
    try:
        plain: dict[str, Any] = json.loads((folder / SHAPE).read_text(encoding="utf-8"))
        shape = ModelShape(**{**plain, "hidden_sizes": tuple(plain["hidden_sizes"])})
        model = build(shape)
        load_model(model, folder / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as problem:
        raise ModelError(
            f"{folder} holds no whole frame model ({str(problem).splitlines()[0]}); expected "
            f"{SHAPE} and {WEIGHTS}. Run the experiment again."
        ) from problem
    return model.eval()
