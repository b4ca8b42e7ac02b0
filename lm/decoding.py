"""GPT-2 on a CPU, one token at a time: few operations a step, and a byte for each weight.

A step of transformers' model spends more time between its matrix products than in them, and the
products wait for memory. Here a layer is four products of a matrix with a vector and a dozen NumPy
calls, and the weights of all but small models are rounded to eight bits (`lm.products`). Prompts
are read by transformers' own model. Training, other devices and other kinds of model are left to
`engine.stepper.TransformerStepper`.
"""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, GPT2LMHeadModel

from engine.stepper import Stepper, TransformerStepper
from lm.products import INT8_WIDTH, Block, Exact, NearTies, Product, Row

Precision = Literal["fp32", "int8"]

INT8_FROM = 4_000_000  # weights; smaller models lie in the processor's cache as they are
_SPARE = 64  # places for ids to come, in a fresh cache


@dataclass(frozen=True, slots=True)
class _Layer:
    """The four products of a layer, of C -> 3 C, C -> C, C -> inner and inner -> C."""

    qkv: Product
    attention_out: Product
    mlp_in: Product
    mlp_out: Product


class _Weights:
    """A model's weights, put so that a step has little to do beside its products.

    What reads the residual stream takes its layer norm's gain and bias into itself; what writes to
    the stream has its mean over the channels taken out, because every reader would subtract it.
    A layer norm is then a division by the root of the mean square. Nothing is approximated.
    """

    def __init__(self, model: GPT2LMHeadModel, precision: Precision) -> None:
        config = model.config
        int8 = precision == "int8"
        product: Callable[[Tensor, Tensor], Product] = (
            Block(model.num_parameters()).product if int8 else Exact
        )
        state = {name: w.detach().float() for name, w in model.state_dict().items()}

        def reading(weight: Tensor, bias: Tensor, norm: str) -> tuple[Tensor, Tensor]:
            gain, shift = state[f"{norm}.weight"], state[f"{norm}.bias"]
            return weight * gain, bias + weight @ shift

        def writing(module: str) -> Product:
            weight, bias = state[f"{module}.weight"].T, state[f"{module}.bias"]  # (C, inner), (C,)
            return product(weight - weight.mean(0), bias - bias.mean())

        def layer(number: int) -> _Layer:
            name = f"transformer.h.{number}"
            weight, bias = state[f"{name}.attn.c_attn.weight"].T, state[f"{name}.attn.c_attn.bias"]
            weight, bias = reading(weight, bias, f"{name}.ln_1")  # (3 C, C), (3 C,)
            # The scores' factor goes into the queries, which are the first third of the rows.
            factor = torch.ones(len(bias))
            if config.scale_attn_weights:
                factor[: config.n_embd] /= math.sqrt(config.n_embd // config.n_head)
            if config.scale_attn_by_inverse_layer_idx:
                factor[: config.n_embd] /= number + 1
            weight, bias = weight * factor[:, None], bias * factor
            inner, inner_bias = reading(
                state[f"{name}.mlp.c_fc.weight"].T, state[f"{name}.mlp.c_fc.bias"], f"{name}.ln_2"
            )
            return _Layer(
                qkv=product(weight, bias),
                attention_out=writing(f"{name}.attn.c_proj"),
                mlp_in=product(inner, inner_bias),
                mlp_out=writing(f"{name}.mlp.c_proj"),
            )

        self.tokens: Row = state["transformer.wte.weight"].numpy()  # (V, C)
        self.places: Row = state["transformer.wpe.weight"].numpy()  # (window, C)
        self.layers = [layer(number) for number in range(config.n_layer)]
        head, norm = state["lm_head.weight"], "transformer.ln_f"  # (V, C)
        self.head = product(*reading(head, torch.zeros(len(head)), norm))
        if int8:
            gain, shift = state[f"{norm}.weight"], state[f"{norm}.bias"]
            self.head = NearTies(self.head, head, gain, shift)


class _Cache:
    """Keys and values of a text, and how many of its places were given out."""

    def __init__(self, kv: NDArray[np.float32], used: int) -> None:
        self.kv = kv  # (L, 2, n_head, room, head width)
        self.used = used

    def grown(self, length: int, room: int) -> _Cache:
        """A copy of the first places, with room for more."""
        n_layer, two, n_head, _, width = self.kv.shape
        kv = np.empty((n_layer, two, n_head, room, width), dtype=np.float32)
        kv[:, :, :, :length] = self.kv[:, :, :, :length]
        return _Cache(kv, length)


@dataclass(frozen=True, slots=True)
class DecodingState:
    """A text that was read: the first `length` places of a cache that other states may share."""

    cache: _Cache
    length: int


class GPT2Stepper:
    """A GPT-2 on a CPU behind the contract of `engine.stepper.Stepper`.

    Its weights are read at the first `start`; after training, make a new stepper.

    Parameters
    ----------
    model : GPT2LMHeadModel
        One that `supports` accepts.
    precision : "fp32" or "int8", optional
        "fp32" gives transformers' logits to about 1e-6. "int8" rounds weights to eight bits, and
        reads prompts in bf16 where the processor multiplies that itself; `lm.agreement` measures
        what it costs. By default `precision_for` chooses.

    Raises
    ------
    ValueError
        If the model is not supported, or the precision is neither.
    """

    def __init__(self, model: GPT2LMHeadModel, precision: Precision | None = None) -> None:
        if not supports(model):
            raise ValueError(
                f"model is a {type(model).__name__} on {model.device}; expected a GPT2LMHeadModel "
                f"on the CPU with {' or '.join(_GELU)} and without cross attention"
            )
        if precision not in (None, "fp32", "int8"):
            raise ValueError(f"precision={precision!r} must be 'fp32' or 'int8'")
        self.model = model.eval()
        self.window: int = model.config.n_positions
        self.precision: Precision = precision or precision_for(model)
        self.backend = f"torch {torch.__version__} {self.precision}"
        self._epsilon: float = model.config.layer_norm_epsilon
        self._lock = threading.Lock()  # the products' scratch, and who takes the next place
        self._weights: _Weights | None = None
        self._reader: Any = None

    def start(
        self, ids: Sequence[int], state: DecodingState | None = None
    ) -> tuple[Tensor, DecodingState]:
        """Read ids from the beginning, or on from a state.

        Raises
        ------
        ValueError
            If there are no ids, or the window is too small for them.
        """
        length = (state.length if state else 0) + len(ids)
        if not ids:
            raise ValueError("ids is empty; a prompt needs at least one id")
        if length > self.window:
            raise ValueError(f"{length} ids do not fit a window of {self.window}")
        with self._lock, torch.inference_mode():
            if self._weights is None:
                self._load()
            state = state or DecodingState(self._empty(), 0)
            if len(ids) > 1:
                state = self._read(ids[:-1], state)
            # The last id takes the common way, so all logits come out of the same products.
            return self._step(ids[-1], state)

    def step(self, token: int, state: DecodingState) -> tuple[Tensor, DecodingState]:
        """Read one id more; raises ValueError when the window is full."""
        if state.length >= self.window:
            raise ValueError(f"{state.length + 1} ids do not fit a window of {self.window}")
        with self._lock, torch.inference_mode():
            return self._step(token, state)

    def _load(self) -> None:
        self._weights = _Weights(self.model, self.precision)
        self._reader = self.model.transformer
        if self.precision == "int8" and torch.cpu._is_avx512_bf16_supported():
            self._reader = copy.deepcopy(self._reader).to(torch.bfloat16)

    def _empty(self) -> _Cache:
        config = self.model.config
        width = config.n_embd // config.n_head
        return _Cache(np.empty((config.n_layer, 2, config.n_head, 0, width), np.float32), 0)

    def _take(self, state: DecodingState, n: int) -> _Cache:
        """A cache whose `n` places after the state's are ours: the state's own, or a copy.

        A second continuation of one state finds them taken, and a full cache has none.
        """
        cache, end = state.cache, state.length + n
        if cache.used != state.length or end > cache.kv.shape[3]:
            cache = cache.grown(state.length, min(self.window, end + _SPARE))
        cache.used = end
        return cache

    def _read(self, ids: Sequence[int], state: DecodingState) -> DecodingState:
        """Read several ids at once, with transformers' model; no logits are made."""
        cache, first, end = self._take(state, len(ids)), state.length, state.length + len(ids)
        kv = torch.from_numpy(cache.kv)
        before = kv[:, :, None, :, :first].to(self._reader.dtype)  # (L, 2, 1, n_head, T, width)
        past = DynamicCache(ddp_cache_data=[(k, v) for k, v in before]) if first else DynamicCache()
        self._reader(input_ids=torch.tensor([list(ids)]), past_key_values=past, use_cache=True)
        for own, layer in zip(kv, past.layers, strict=True):
            own[0, :, first:end] = layer.keys[0, :, first:]
            own[1, :, first:end] = layer.values[0, :, first:]
        return DecodingState(cache, end)

    def _step(self, token: int, state: DecodingState) -> tuple[Tensor, DecodingState]:
        """One id through all layers; Radford et al. 2019, section 2.3."""
        weights, place = self._weights, state.length
        assert weights is not None  # there is no state before the first start
        if not 0 <= token < len(weights.tokens):
            raise ValueError(f"token={token} must be one of the model's {len(weights.tokens)} ids")
        cache = self._take(state, 1)
        x = weights.tokens[token] + weights.places[place]  # (C,)
        x -= x.sum() / len(x)
        for layer, kv in zip(weights.layers, cache.kv, strict=True):
            _, n_head, _, width = kv.shape
            qkv = layer.qkv(self._norm(x)).reshape(3, n_head, width)
            kv[:, :, place] = qkv[1:]
            keys, values = kv[:, :, : place + 1]  # (n_head, T, width)
            x = x + layer.attention_out(_attend(qkv[0], keys, values))
            x += layer.mlp_out(_gelu(layer.mlp_in(self._norm(x))))
        logits = torch.from_numpy(weights.head(self._norm(x)))  # (V,)
        return logits, DecodingState(cache, place + 1)

    def _norm(self, x: Row) -> Row:
        """A layer norm of what has mean zero already, its gain and bias left to the reader."""
        y: Row = x * np.float32(1 / math.sqrt(x.dot(x) / len(x) + self._epsilon))
        return y


def _attend(query: Row, keys: Row, values: Row) -> Row:
    """Mix values by the softmax of the scores; Vaswani et al. 2017, equation 1 -> (C,)."""
    scores = np.matmul(keys, query[:, :, None])[:, :, 0]  # (n_head, T)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    mixed = np.matmul(scores[:, None], values)[:, 0]  # (n_head, width)
    mixed /= scores.sum(axis=1, keepdims=True)
    row: Row = mixed.ravel()
    return row


_GELU = ("gelu_new", "gelu_pytorch_tanh")  # one function, by the names of its two kernels


def _gelu(x: Row) -> Row:
    """Hendrycks and Gimpel 2016, section 2, with tanh; torch does it in one pass."""
    y: Row = F.gelu(torch.from_numpy(x), approximate="tanh").numpy()
    return y


def supports(model: Any) -> bool:
    """Whether `GPT2Stepper` can run a model: GPT-2 as published, on the CPU."""
    return (
        isinstance(model, GPT2LMHeadModel)
        and model.device.type == "cpu"
        and model.config.activation_function in _GELU
        and not model.config.add_cross_attention
    )


def precision_for(model: GPT2LMHeadModel) -> Precision:
    """Choose "int8" for a model large enough to gain by it, on a processor whose product is fast.

    Looked up, not measured: a measurement that fell out otherwise on a busy machine would give
    another letter for the same seed.
    """
    config = model.config
    widths = (config.n_embd, config.n_inner or 4 * config.n_embd)
    fits = all(width % INT8_WIDTH == 0 for width in widths)
    fast = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    return "int8" if fits and fast and model.num_parameters() >= INT8_FROM else "fp32"


def stepper_for(model: GPT2LMHeadModel) -> Stepper[Any]:
    """The fast stepper where it can run the model, else transformers' own."""
    return GPT2Stepper(model) if supports(model) else TransformerStepper(model)
