"""The models of a race: made with as many weights, each fed as its family learns best.

Recurrent models read characters from beginning to end with their state carried along; GPT-2 reads
shuffled windows. Batch, block and peak learning rate are each family's own and are told in the
report; what is equal is what the budget says, and the number of weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.race.settings import RECURRENT, RaceSettings
from corpora.errors import CorpusError
from engine.batching import Streams, Windows, steps_per_epoch
from engine.budget import n_parameters, training_flops
from engine.fit import FitSettings, Step, fit
from engine.packing import pack
from engine.text_model import NextToken
from engine.tokenizers import character_tokenizer, load_tokenizer, train_bpe
from lm import gpt2
from recurrent.sizes import SIZES, from_scratch, n_weights, with_weights
from recurrent.training import CarriedState

# Peak learning rates: a plain recurrence needs smaller steps, its gradients grow along the text.
PEAK = {"rnn": 2e-3, "lstm": 1e-2, "gru": 5e-3, "gpt2": 3e-3}
_STREAMS, _STREAM_BLOCK = 32, 128
_WINDOW = {"bpe": 256, "characters": 512}  # ids; the longer one holds a sample of characters
_WINDOW_IDS = 2048  # in a batch
_NEAR = 4  # widths are multiples of it, so that the numbers of weights come close
_TRIAL = 4  # updates, of which the first warms up
_TRIAL_S = 4.0  # after which two updates are enough
_SAVE_S = 60.0
_ENDLESS = 10**9  # steps, where minutes end a run


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model about to run.

    Attributes
    ----------
    flops_per_target : float
        Operations of training for one id.
    trial_s : float
        Seconds of one update on this machine, measured before the race.
    """

    name: str
    task: NextToken
    train: Windows
    settings: FitSettings
    flops_per_target: float
    trial_s: float = 0.0

    def read_by(self, step: int) -> tuple[float, float]:
        """The bytes of text read, and the operations done, after so many updates."""
        per_epoch = steps_per_epoch(len(self.train), self.settings.batch_size)
        epochs, rest = divmod(step, per_epoch)
        rows = epochs * len(self.train) + rest * self.settings.batch_size
        targets = rows * self.train.block_size
        return targets * self.train.bytes_per_target, targets * self.flops_per_target

    @property
    def bytes_per_step(self) -> float:
        """Bytes of text in an update, on average: an epoch's last batch may be short."""
        per_epoch = steps_per_epoch(len(self.train), self.settings.batch_size)
        return self.read_by(per_epoch)[0] / per_epoch

    @property
    def flops_per_step(self) -> float:
        """Operations of an update, on average."""
        per_epoch = steps_per_epoch(len(self.train), self.settings.batch_size)
        return self.read_by(per_epoch)[1] / per_epoch

    def facts(self) -> dict[str, Any]:
        """What the report says of it."""
        config: Any = self.task.model.config
        return {
            "parameters": n_parameters(self.task.model),
            "layers": int(config.num_hidden_layers),
            "width": int(config.hidden_size),
            "vocabulary": int(config.vocab_size),
            "block": self.train.block_size,
            "batch": self.settings.batch_size,
            "lr": self.settings.lr,
            "warmup_steps": self.settings.warmup_steps,
            "save_every": self.settings.save_every,
            "steps": self.settings.steps if self.settings.steps < _ENDLESS else None,
            "flops_per_byte": self.flops_per_target / self.train.bytes_per_target,
            "trial_s": self.trial_s,
        }


def pack_corpus(train: Sequence[str], work: Path, settings: RaceSettings) -> None:
    """Write the tokenizers that the models need, and what each makes of the training part."""
    work.mkdir(parents=True, exist_ok=True)
    size = sum(len(text.encode("utf-8")) for text in train)
    pieces = "gpt2" in settings.models and settings.gpt2_tokens == "bpe"
    tokenizers = {"characters": character_tokenizer(train)}
    if pieces:
        tokenizers["bpe"] = train_bpe(train, vocabulary_for(size))
    for kind, tokenizer in tokenizers.items():
        tokenizer.save_pretrained(str(work / f"tokenizer-{kind}"))
        pack(train, tokenizer, work / f"{kind}.bin")


def vocabulary_for(n_bytes: int) -> int:
    """The size of a BPE vocabulary that suits a training text: one too large is seldom seen."""
    return 512 if n_bytes < 300_000 else 1024 if n_bytes < 3_000_000 else 4096


def gpt2_with_weights(n: int, vocab_size: int, block_size: int) -> gpt2.Size:
    """The GPT-2 whose number of weights comes nearest to `n`: with four heads."""
    n_layer = 4 if n < 2_000_000 else 6

    def weights(width: int) -> int:
        # Kaplan et al. 2020, equation 2.1, with embeddings, biases and norms beside it.
        return 12 * n_layer * width**2 + (13 * n_layer + 2 + vocab_size + block_size) * width

    width = min(range(_NEAR, 4096, _NEAR), key=lambda width: abs(weights(width) - n))
    return gpt2.Size(n_layer=n_layer, n_embd=width, n_head=4, block_size=block_size)


def make(name: str, settings: RaceSettings, work: Path, precision: str) -> Contestant:
    """A contestant with fresh weights, on a packed corpus; its steps are set by `paced`.

    Raises
    ------
    CorpusError
        If the corpus is too short for it.
    """
    kind = settings.gpt2_tokens if name == "gpt2" else "characters"
    tokenizer = load_tokenizer(work / f"tokenizer-{kind}")
    n = _weights(settings, work)
    task: NextToken
    data: Windows
    if name in RECURRENT:
        size = with_weights(name, n, len(tokenizer), step=_NEAR)
        task = CarriedState(from_scratch(name, tokenizer, size, seed=settings.seed), tokenizer)
        n_tokens = Windows(work / f"{kind}.bin", 1).n_tokens
        batch = max(1, min(_STREAMS, (n_tokens - 1) // (2 * _STREAM_BLOCK)))
        data = Streams(work / f"{kind}.bin", _STREAM_BLOCK, n_streams=batch)
    else:
        window = _WINDOW[settings.gpt2_tokens]
        shape = gpt2_with_weights(n, len(tokenizer), window)
        task = NextToken(gpt2.from_scratch(tokenizer, shape, seed=settings.seed), tokenizer)
        batch = _WINDOW_IDS // window
        data = Windows(work / f"{kind}.bin", window)
    batch = min(batch, len(data))
    how = FitSettings(
        steps=_ENDLESS, batch_size=batch, lr=PEAK[name], min_lr_fraction=0.02,
        weight_decay=0.01 if name in RECURRENT else 0.1, beta2=0.95 if name in RECURRENT else 0.98,
        eval_every=0, save_every=0, seed=settings.seed, precision=precision,
        device=settings.device,
    )  # fmt: skip
    return Contestant(name, task, data, how, training_flops(task.model, data.block_size))


def _weights(settings: RaceSettings, work: Path) -> int:
    """How many weights each is to have: those of an LSTM over characters of the size's name."""
    if settings.budget.kind == "parameters":
        return round(settings.budget.amount)
    vocab_size = len(load_tokenizer(work / "tokenizer-characters"))
    return n_weights("lstm", SIZES[settings.size], vocab_size)


def trial_seconds(contestant: Contestant) -> float:
    """The seconds of one update, from a few; the contestant has learnt from them and is done with.

    Raises
    ------
    CorpusError
        If it cannot be trained at this learning rate.
    """
    how = replace(contestant.settings, steps=_TRIAL)
    at: list[float] = []
    for event in fit(contestant.task, contestant.train, None, how):
        if isinstance(event, Step):
            at.append(event.seconds)
        if len(at) > 1 and at[-1] > _TRIAL_S:
            break
    if len(at) < 2:
        raise CorpusError(f"{contestant.name} made no step in its trial; nothing can be raced.")
    return (at[-1] - at[0]) / (len(at) - 1)


def paced(
    contestant: Contestant, settings: RaceSettings, n_bytes: float, trial_s: float
) -> Contestant:
    """The contestant with a schedule that spans its budget.

    Parameters
    ----------
    n_bytes : float
        Bytes to read, for a budget of parameters.
    trial_s : float
        The time of one update.
    """
    budget, how = settings.budget, contestant.settings
    if budget.kind == "minutes":
        expected = budget.amount * 60 / trial_s
        how = replace(how, minutes=budget.amount, schedule="minutes")
    else:
        whole = budget.amount / contestant.flops_per_step
        if budget.kind == "parameters":
            whole = n_bytes / contestant.bytes_per_step
        expected = max(1, round(whole))
        how = replace(how, steps=int(expected))
    warmup = max(1, min(50, round(expected / 20)))
    save = max(1, round(expected / settings.turns), round(_SAVE_S / trial_s))
    how = replace(how, warmup_steps=warmup, save_every=save)
    return replace(contestant, settings=how, trial_s=trial_s)
