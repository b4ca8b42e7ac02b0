"""Character language models on recurrent layers, behind the transformers contract.

    ids (B, T) -> embedding (B, T, E) -> L recurrent layers (B, T, H) -> head: logits (B, T, V)

RNN (Elman 1990), LSTM (Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000) and GRU
(Cho et al. 2014) differ in their layers alone. The gates are written out for reading in `cells`,
run over whole blocks for training in `fused`, and one character at a time in `decoding`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from recurrent.fused import run_layer

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
LayerState = Tensor | tuple[Tensor, Tensor]


class CharLMConfig(PreTrainedConfig):  # type: ignore[misc]  # it comes without types
    """The shape of a character language model.

    Parameters
    ----------
    cell : str
        "rnn", "lstm" or "gru".
    vocab_size, hidden_size, num_hidden_layers : int
        V, H and L.
    embedding_size : int
        E; 0 for one-hot characters, without an embedding.
    dropout : float
        On the embedding, between layers and before the head (Zaremba et al. 2014).
    residual : bool
        Whether each layer after the first adds its input to its output (Kim et al. 2017).
    tie_word_embeddings : bool
        Whether the head shares the embedding's weights (Press and Wolf 2017); then E must be H.
    bos_token_id, eos_token_id, pad_token_id : int, optional
        What begins, ends and fills a text, as transformers reads them.

    Raises
    ------
    ValueError
        Naming the argument and its value.
    """

    model_type = "letterpress_charlm"

    def __init__(
        self,
        cell: str = "lstm",
        vocab_size: int = 256,
        hidden_size: int = 256,
        num_hidden_layers: int = 2,
        embedding_size: int = 64,
        dropout: float = 0.0,
        residual: bool = False,
        tie_word_embeddings: bool = False,
        bos_token_id: int | None = None,
        eos_token_id: int | None = None,
        pad_token_id: int | None = None,
        **others: Any,
    ) -> None:
        if cell not in CELLS:
            raise ValueError(f"cell={cell!r} must be one of {', '.join(CELLS)}")
        for name, size in (
            ("vocab_size", vocab_size),
            ("hidden_size", hidden_size),
            ("num_hidden_layers", num_hidden_layers),
        ):
            if size < 1:
                raise ValueError(f"{name}={size} must be at least 1")
        if embedding_size < 0:
            raise ValueError(f"embedding_size={embedding_size} must be at least 0")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout} must be at least 0 and below 1")
        if tie_word_embeddings and embedding_size != hidden_size:
            raise ValueError(
                f"embedding_size={embedding_size} must equal hidden_size={hidden_size} "
                "where the head shares the embedding's weights"
            )
        self.cell = cell
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.embedding_size = embedding_size
        self.dropout = dropout
        self.residual = residual
        self.bos_token_id = bos_token_id
        self.eos_token_id = eos_token_id
        self.pad_token_id = pad_token_id
        super().__init__(tie_word_embeddings=tie_word_embeddings, **others)


@dataclass
class RecurrentState:
    """What a recurrent model remembers: per layer hidden (B, H), or (hidden, cell) for an LSTM.

    It stands where transformers keeps keys and values, and does not grow with the text.
    """

    layers: tuple[LayerState, ...]
    length: int = 0
    is_compileable: ClassVar[bool] = False  # `generate` asks it of a cache it is given

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Ids read so far."""
        return self.length

    def map(self, change: Callable[[Tensor], Tensor]) -> tuple[LayerState, ...]:
        """Every tensor changed alike."""
        return tuple(
            (change(layer[0]), change(layer[1])) if isinstance(layer, tuple) else change(layer)
            for layer in self.layers
        )

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Let row i go on as row `beam_idx[i]` did; beam search asks for it."""
        self.layers = self.map(lambda part: part.index_select(0, beam_idx.to(part.device)))

    def detached(self) -> RecurrentState:
        """The same values, without their past: truncated backpropagation through time ends here."""
        return RecurrentState(self.map(Tensor.detach), self.length)


class CharLM(PreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """A character language model; `AutoModelForCausalLM` finds it once `recurrent` is imported."""

    config_class = CharLMConfig
    config: CharLMConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    # Rewinding a state is impossible, so transformers refuses assisted decoding with a clear error.
    _is_stateful = True
    _tied_weights_keys = {"head.weight": "embedding.weight"}  # noqa: RUF012 - transformers' form

    def __init__(self, config: CharLMConfig) -> None:
        super().__init__(config)
        width = config.embedding_size or config.vocab_size
        self.embedding = nn.Embedding(config.vocab_size, width) if config.embedding_size else None
        kind = CELLS[config.cell]
        inputs = [width] + [config.hidden_size] * (config.num_hidden_layers - 1)
        self.layers = nn.ModuleList(kind(n, config.hidden_size, batch_first=True) for n in inputs)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The embedding.

        Raises
        ------
        NotImplementedError
            For one-hot characters, as transformers expects where there is none.
        """
        if self.embedding is None:
            raise NotImplementedError("one-hot characters have no embedding")
        return self.embedding

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Put another embedding in its place."""
        self.embedding = value

    def get_output_embeddings(self) -> nn.Module:
        """The head."""
        return self.head

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Put another head in its place."""
        self.head = new_embeddings

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.RNNBase):
            hidden = module.hidden_size
            weight_ih, weight_hh, bias_ih, bias_hh = module.all_weights[0]
            for gate in weight_hh.split(hidden):  # type: ignore[no-untyped-call]
                nn.init.orthogonal_(gate)  # keeps gradients their length (Saxe et al. 2014)
            for gate in weight_ih.split(hidden):  # type: ignore[no-untyped-call]
                # Twice Xavier's: the hidden values of the layer below are products of gates, and
                # what two such layers make of them would hardly reach the head.
                nn.init.xavier_uniform_(gate, gain=2.0)
            nn.init.zeros_(bias_ih)
            nn.init.zeros_(bias_hh)
            if isinstance(module, nn.LSTM):
                # Begin by remembering (Jozefowicz et al. 2015); torch's order is i, f, g, o.
                nn.init.ones_(bias_ih[hidden : 2 * hidden])
        elif isinstance(module, nn.Embedding) and not self.config.tie_word_embeddings:
            nn.init.normal_(module.weight)
        elif isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=module.weight.shape[1] ** -0.5)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        """Read ids.

        Parameters
        ----------
        input_ids : Tensor, shape (B, T)
        attention_mask : Tensor, shape (B, anything from T on), optional
            Zeros may stand only on the left: a row's state begins where its ones begin, so a padded
            row gives what it gives alone.
        past_key_values : RecurrentState, optional
            Where to go on from; anything else (transformers offers an empty cache) is a beginning.
        labels : Tensor, shape (B, T), optional
            For `loss`: the ids themselves, shifted here, -100 where nothing is learnt.
        logits_to_keep : int
            Give logits of the last so many places only; 0 for all.

        Raises
        ------
        ValueError
            If the mask has zeros elsewhere than on the left, or fewer places than there are ids.
        """
        state = past_key_values if isinstance(past_key_values, RecurrentState) else None
        starts = _starts(attention_mask, input_ids)
        if starts is None:
            hidden, layers = self._run(input_ids, state)
        else:
            hidden, layers = self._run_padded(input_ids, state, starts)
        logits = self.head(hidden[:, -logits_to_keep:] if logits_to_keep else hidden)  # (B, T, V)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten())
        length = (state.length if state else 0) + input_ids.shape[1]
        past = RecurrentState(layers, length) if use_cache is not False else None
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=past)

    def _embed(self, ids: Tensor) -> Tensor:
        if self.embedding is None:
            return F.one_hot(ids, self.config.vocab_size).to(self.head.weight.dtype)
        embedded: Tensor = self.embedding(ids)
        return embedded

    def _run(
        self, ids: Tensor, state: RecurrentState | None
    ) -> tuple[Tensor, tuple[LayerState, ...]]:
        """The last layer's hidden values (B, T, H), and each layer's state."""
        x = self.dropout(self._embed(ids))
        after: list[LayerState] = []
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, nn.RNNBase)
            before = state.layers[i] if state else None
            # A single character goes past oneDNN, whose LSTM packs all weights anew in each call.
            one = ids.shape[1] == 1 and ids.device.type == "cpu" and not self.training
            y, last = _one_step(layer, x, before) if one else _block(layer, x, before)
            x = self.dropout(y + x if self.config.residual and i else y)
            after.append(last)
        return x, tuple(after)

    def _run_padded(
        self, ids: Tensor, state: RecurrentState | None, starts: list[int]
    ) -> tuple[Tensor, tuple[LayerState, ...]]:
        """Rows that begin at the same place run together, without what stands before it."""
        outputs: list[Tensor] = [torch.empty(0)] * len(starts)
        rows: list[tuple[LayerState, ...]] = [()] * len(starts)
        for start in sorted(set(starts)):
            mine = [row for row, s in enumerate(starts) if s == start]
            index = torch.tensor(mine, device=ids.device)
            before = (
                RecurrentState(state.map(lambda part: part[index]), state.length)  # noqa: B023
                if state and not start
                else None
            )
            hidden, layers = self._run(ids[index, start:], before)
            for place, row in enumerate(mine):
                outputs[row] = F.pad(hidden[place], (0, 0, start, 0))
                rows[row] = RecurrentState(layers).map(lambda part: part[place])  # noqa: B023
        return torch.stack(outputs), tuple(_stack(layer) for layer in zip(*rows, strict=True))


def _starts(mask: Tensor | None, ids: Tensor) -> list[int] | None:
    """Where each row begins, or None where all begin at once."""
    if mask is None:
        return None
    n = ids.shape[1]
    if mask.shape[1] < n:
        raise ValueError(
            f"attention_mask has {mask.shape[1]} places; expected at least those of input_ids, {n}"
        )
    now = mask[:, -n:].to(torch.long)
    if bool(now.all()):
        return None
    if bool((now[:, 1:] < now[:, :-1]).any()) or not bool(now[:, -1].all()):
        raise ValueError(
            "attention_mask has zeros elsewhere than to the left of ones; a recurrent network "
            'reads from left to right, so pad on the left (tokenizer.padding_side = "left")'
        )
    return [int(start) for start in n - now.sum(1)]


def _block(layer: nn.RNNBase, x: Tensor, before: LayerState | None) -> tuple[Tensor, LayerState]:
    """A layer over a block, with states (B, H) instead of torch's (1, B, H)."""
    given: Any = None
    if before is not None:
        given = (
            tuple(part.unsqueeze(0) for part in before)
            if isinstance(before, tuple)
            else before.unsqueeze(0)
        )
    y, last = run_layer(layer, x, given)
    return y, (last[0][0], last[1][0]) if isinstance(last, tuple) else last[0]


def _one_step(layer: nn.RNNBase, x: Tensor, before: LayerState | None) -> tuple[Tensor, LayerState]:
    """A layer over one character: x (B, 1, C)."""
    now, weights = x[:, 0], layer.all_weights[0]
    zeros = now.new_zeros(now.shape[0], layer.hidden_size)
    if isinstance(layer, nn.LSTM):
        assert not isinstance(before, Tensor)
        hidden, cell = torch.lstm_cell(now, before or (zeros, zeros), *weights)
        return hidden.unsqueeze(1), (hidden, cell)
    assert not isinstance(before, tuple)
    step = torch.gru_cell if isinstance(layer, nn.GRU) else torch.rnn_tanh_cell
    hidden = step(now, zeros if before is None else before, *weights)
    return hidden.unsqueeze(1), hidden


def _stack(rows: tuple[LayerState, ...]) -> LayerState:
    """States of single rows -> the state of all of them."""
    if isinstance(rows[0], tuple):
        hidden, cell = zip(*rows, strict=True)
        return torch.stack(hidden), torch.stack(cell)
    return torch.stack(rows)  # type: ignore[arg-type]
