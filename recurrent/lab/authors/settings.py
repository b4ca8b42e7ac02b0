"""What can be chosen of the experiment."""

from __future__ import annotations

from dataclasses import dataclass, field

VARIANTS = ("forward", "reversed", "bidirectional")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of `run`; each field's metadata tells what it is."""

    source: str = field(
        default="letters",
        metadata={
            "help": "letters, or a folder train/CLASS/*.txt and test/CLASS/*.txt such as aclImdb"
        },
    )
    n_authors: int = field(default=30, metadata={"help": "letter writers to tell apart"})
    n_train: int = field(default=80, metadata={"help": "training passages per author; 0 takes all"})
    n_valid: int = field(
        default=20, metadata={"help": "validation passages per author; 0 takes all"}
    )
    n_test: int = field(default=40, metadata={"help": "held-out passages per author; 0 takes all"})
    passage: int = field(default=1000, metadata={"help": "characters of a passage"})
    names: str = field(
        default="masked", metadata={"help": "masked or kept: capitalised words within a sentence"}
    )
    variants: tuple[str, ...] = field(
        default=VARIANTS, metadata={"help": "forward, reversed, bidirectional: which are trained"}
    )
    vocab_size: int = field(default=4096, metadata={"help": "BPE pieces"})
    n_pairs: int = field(
        default=4864, metadata={"help": "pairs of pieces the linear part knows; 0: no such part"}
    )
    embedding_size: int = field(default=32, metadata={"help": "width of a piece's embedding"})
    hidden_size: int = field(default=72, metadata={"help": "units of each direction"})
    dropout: float = field(default=0.2, metadata={"help": "share of activations left out"})
    epochs: int = field(default=12, metadata={"help": "passes over the training passages"})
    batch_size: int = field(default=32, metadata={"help": "passages in one update"})
    lr: float = field(default=8e-3, metadata={"help": "peak learning rate"})
    n_trials: int = field(default=4, metadata={"help": "settings the n-gram baseline may try"})
    seed: int = field(default=0, metadata={"help": "fixes passages, weights and order"})
    device: str = field(default="auto", metadata={"help": "auto, cpu, cuda or mps"})

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise ValueError(f"source={self.source!r} must be letters or a folder")
        for name, least in (
            ("n_authors", 2), ("n_train", 0), ("n_valid", 0), ("n_test", 0), ("passage", 50),
            ("vocab_size", 258), ("n_pairs", 0), ("embedding_size", 1), ("hidden_size", 1),
            ("epochs", 1), ("batch_size", 1), ("n_trials", 1), ("seed", 0),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")
        if self.names not in ("masked", "kept"):
            raise ValueError(f"names={self.names!r} must be masked or kept")
        if not self.variants or set(self.variants) - set(VARIANTS):
            raise ValueError(f"variants={self.variants} must be some of {', '.join(VARIANTS)}")
        if len(set(self.variants)) < len(self.variants):
            raise ValueError(f"variants={self.variants} must name each only once")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} must be at least 0 and below 1")
        if not 0 < self.lr < 1:
            raise ValueError(f"lr={self.lr} must be above 0 and below 1")
