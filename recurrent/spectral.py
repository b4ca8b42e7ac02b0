"""SaCL2DNN and SSCL2DNN: a hyperspectral pixel's class from the patch around it, band after band.

After Hu, Li, Pan, Li, Tao and Du (2020), "Spatial-Spectral Feature Extraction via Deep ConvLSTM
Neural Networks for Hyperspectral Image Classification", IEEE TGRS 58(6), arXiv 1905.03577.

What could be confirmed of the paper: the patch in a window around the pixel is fed band by band to
the memory cells of a two-dimensional ConvLSTM, which follows the dependence along the spectrum; and
SSCL2DNN at K = 1 and tau = 1 is SaCL2DNN. What follows is our reading. K is the number of
neighbouring bands that make one step, tau the number of bands from one step to the next. The class
is read from the hidden states of the highest layer, at the pixel itself and as a mean over the
patch; which layers, sizes and readout the authors chose is not known to us, and no figure here is
theirs.

The lecture calls SaCL2DNN "spatial only". Fed all bands it is not: each convolution sees the plane
of one band, but the state carries the spectrum. Fed a single plane, the first principal component
of the scene, it takes one step and is spatial only. The lab shows both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.batching import Batch
from recurrent.convlstm import ConvLSTM, ConvLSTMCell

SURROUNDINGS = 0.1  # weight of a pixel's neighbours at the beginning, beside its own


@dataclass(frozen=True, slots=True)
class SpectralConfig:
    """The shape of a network.

    Attributes
    ----------
    n_bands, n_classes : int
        Bands of a patch and classes to tell apart, at least 1 and 2.
    group : int
        K, the bands of one step, from 1 to `n_bands`.
    stride : int
        tau, the bands from one step to the next, from 1 to `group`: no band is passed over.
    hidden_sizes : sequence of int
        Channels of each ConvLSTM layer, the lowest first.
    kernel_size : int
        Odd; 1 makes it an LSTM that runs over each pixel of the patch alone.
    dropout : float
        Share of the features that is dropped before the classes are told apart, while training.
    """

    n_bands: int
    n_classes: int
    group: int = 1
    stride: int = 1
    hidden_sizes: Sequence[int] = (32,)
    kernel_size: int = 3
    dropout: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes))  # JSON has only lists
        if self.n_bands < 1 or self.n_classes < 2:
            raise ValueError(f"{self.n_bands=} must be at least 1 and {self.n_classes=} at least 2")
        if not 1 <= self.group <= self.n_bands:
            raise ValueError(f"group={self.group} must be from 1 to n_bands={self.n_bands}")
        if not 1 <= self.stride <= self.group:
            raise ValueError(f"stride={self.stride} must be from 1 to group={self.group}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} must be at least 0 and below 1")

    @property
    def starts(self) -> tuple[int, ...]:
        """The first band of each step. The last step ends with the spectrum, so none is lost."""
        last = self.n_bands - self.group
        starts = list(range(0, last + 1, self.stride))
        return tuple(starts if starts[-1] == last else [*starts, last])


class SSCL2DNN(nn.Module):
    """The spatial-spectral ConvLSTM network: K neighbouring bands of the patch at each step."""

    def __init__(self, config: SpectralConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = ConvLSTM(config.group, config.hidden_sizes, config.kernel_size)
        n_features = 2 * config.hidden_sizes[-1] * len(config.starts)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(n_features, config.n_classes)
        self._begin()

    @torch.no_grad()
    def _begin(self) -> None:
        """Begin as a network of the pixel itself, which its surroundings hardly touch.

        With all places alike eight ninths of what a gate hears would be neighbours, and a few
        hundred pixels do not suffice to learn that it is the middle whose class is asked for.
        """
        middle = self.config.kernel_size // 2
        for layer in self.layers.layers:
            assert isinstance(layer, ConvLSTMCell)
            weight, bias, n = layer.gates.weight, layer.gates.bias, layer.hidden_size
            assert bias is not None
            own = weight[..., middle, middle] * self.config.kernel_size  # as in a kernel of 1
            weight.mul_(SURROUNDINGS)
            weight[..., middle, middle] = own
            bias.zero_()
            # Gates in the order i, f, o, c. A memory that forgets half at each step has nothing
            # of the first bands left at the last (Gers et al. 2000).
            bias[n : 2 * n] = 1.0
        by_step = self.head.weight.view(self.config.n_classes, -1, 2, self.config.hidden_sizes[-1])
        by_step[:, :, 1] *= SURROUNDINGS  # the means over the patch

    def steps(self, patches: Tensor) -> Tensor:
        """The patches as a film: (N, C, H, W) becomes (N, T, K, H, W)."""
        config = self.config
        return torch.stack([patches[:, s : s + config.group] for s in config.starts], 1)

    def forward(self, patches: Tensor) -> Tensor:
        """How much each class fits the pixel in the middle of each patch.

        Parameters
        ----------
        patches : Tensor, shape (N, n_bands, H, W)
            H and W odd.

        Returns
        -------
        Tensor, shape (N, n_classes)
            Logits.

        Raises
        ------
        ValueError
            If `patches` has another number of bands, or no middle.
        """
        shape = tuple(patches.shape)
        has_middle = patches.ndim == 4 and shape[2] % 2 == 1 and shape[3] % 2 == 1
        if not has_middle or shape[1] != self.config.n_bands:
            raise ValueError(
                f"patches has shape {shape}; expected (N, {self.config.n_bands}, H, W), H and W odd"
            )
        hidden, _ = self.layers(self.steps(patches))  # (N, T, C, H, W)
        middle = hidden[..., shape[2] // 2, shape[3] // 2]  # (N, T, C)
        features = torch.cat([middle, hidden.mean((3, 4))], 2).flatten(1)  # (N, 2 * T * C)
        logits: Tensor = self.head(self.dropout(features))
        return logits

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross entropy in nats; `patches` (N, n_bands, H, W), `labels` (N,) from 0."""
        return F.cross_entropy(self(batch["patches"]).float(), batch["labels"])


class SaCL2DNN(SSCL2DNN):
    """One band at each step: SSCL2DNN at K = 1 and tau = 1, whatever the configuration says."""

    def __init__(self, config: SpectralConfig) -> None:
        super().__init__(replace(config, group=1, stride=1))
