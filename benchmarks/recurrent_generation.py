"""How fast does a recurrent model write, one stream on one core, against the usual ways?

    python benchmarks/recurrent_generation.py [--rounds 9] [--cells lstm] [--greedy] [--json]

Three ways with the same weights, each in a process of its own, in turn: the loop everyone writes
(`torch.nn`, a character a call, `torch.multinomial`), `CharLM.generate()`, and letterpress's
streaming loop with all that belongs to it. Their greedy texts are compared first. A last row only
reads as many floats as a character is multiplied by (`torch.sum`, from whatever cache they fit in);
nothing that keeps float32 weights can be faster. All run on one thread, which suits each best.

oneDNN packs an LSTM's weights for every character, at 3x512 into 20 MB of fresh memory, which glibc
by default gives back to the system each time. A process that has once freed a large block keeps it;
"memory kept" is the plain loop in such a process.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from timing import as_json, table
from tokenizers import Tokenizer, decoders, models
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast
from workers import Round, interleave_workers, serve, timed

from engine.generation import generate
from engine.sampling import SamplingSettings
from recurrent.charlm import CELLS, CharLM, CharLMConfig
from recurrent.decoding import stepper

CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))  # V = 96
SIZES = {"2x128": (2, 128), "3x512": (3, 512)}
FIRST = CHARACTERS.index("T")
PLAIN, KEPT, HF, OURS, FLOOR = (
    "torch.nn step loop",
    "the same, memory kept",
    "CharLM.generate()",
    "letterpress",
    "reading alone",
)


def charlm(cell: str, size: str) -> CharLM:
    """A model with fresh weights, the same in every process."""
    n_layer, width = SIZES[size]
    torch.manual_seed(0)
    shape = CharLMConfig(cell, len(CHARACTERS), width, n_layer, embedding_size=64)
    return CharLM(shape).eval()


def tokenizer() -> PreTrainedTokenizerFast:
    """One id for each character, and nothing else."""
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(CHARACTERS)}, merges=[]))
    backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=backend)


class Plain(nn.Module):
    """Embedding, stacked `torch.nn` layers and head, as a tutorial has them."""

    def __init__(self, model: CharLM) -> None:
        super().__init__()
        assert model.embedding is not None
        shape = model.config
        self.embedding, self.head = model.embedding, model.head
        self.layers = CELLS[shape.cell](
            shape.embedding_size, shape.hidden_size, shape.num_hidden_layers, batch_first=True
        )
        with torch.no_grad():
            for i, layer in enumerate(model.layers):
                for name, weights in layer.named_parameters():
                    getattr(self.layers, name.replace("_l0", f"_l{i}")).copy_(weights)

    @torch.inference_mode()
    def write(self, n: int, temperature: float) -> str:
        """`n` characters after the first."""
        x, state, text = torch.tensor([[FIRST]]), None, []
        for _ in range(n):
            y, state = self.layers(self.embedding(x), state)
            logits: Tensor = self.head(y[0, -1])  # (V,)
            if temperature:
                x = torch.multinomial(torch.softmax(logits / temperature, -1), 1)[None]
            else:
                x = logits.argmax()[None, None]
            text.append(CHARACTERS[int(x)])
        return "".join(text)


def writer(way: str, model: CharLM, temperature: float) -> Callable[[int], str]:
    """One way to write a number of characters after the first."""
    if way in (PLAIN, KEPT):
        if way == KEPT:
            torch.empty(2**22).fill_(0)  # 16 MB, freed at once: glibc's thresholds rise
        plain = Plain(model).eval()
        return lambda n: plain.write(n, temperature)
    if way == HF:
        how: dict[str, Any] = {"do_sample": False}
        if temperature:
            how = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        first = torch.tensor([[FIRST]])

        def through_transformers(n: int) -> str:
            ids = model.generate(first, max_new_tokens=n, min_new_tokens=n, pad_token_id=0, **how)
            return "".join(CHARACTERS[i] for i in ids[0, 1:].tolist())

        return through_transformers
    fast, words = stepper(model), tokenizer()
    settings = SamplingSettings(temperature=temperature, top_p=1.0)
    return lambda n: "".join(generate(fast, words, [FIRST], settings, seed=0, max_tokens=n))


def rounds_of(write: Callable[[int], str], seconds: float = 0.3) -> Round:
    """A round writes as many characters as take about so long, at least 100."""
    write(20)
    began = time.perf_counter()
    write(20)
    n = max(100, int(20 * seconds / (time.perf_counter() - began)))
    return timed(lambda: len(write(n)))


def reading(model: CharLM) -> Round:
    """Read the floats that one character is multiplied by, again and again."""
    looked_up = ("embedding.weight", "layers.0.weight_ih_l0")
    read = [
        p.detach().clone()
        for name, p in model.named_parameters()
        if p.dim() == 2 and name not in looked_up
    ]
    times = max(1, 200_000_000 // sum(m.numel() for m in read))

    @torch.inference_mode()
    def work() -> int:
        for _ in range(times):
            for matrix in read:
                matrix.sum()
        return times

    return timed(work)


def compare(model: CharLM) -> None:
    """Stop unless every way writes the same text where nothing is left to chance."""
    texts = {way: writer(way, model, 0.0)(200) for way in (PLAIN, HF, OURS)}
    if len(set(texts.values())) > 1:
        raise SystemExit(f"The same weights gave different texts: {texts}")


def main() -> None:
    """Time every cell and size; print tables, or JSON."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--cells", nargs="+", choices=list(CELLS), default=list(CELLS))
    options.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    options.add_argument("--greedy", action="store_true", help="no sampling; else at 0.8")
    options.add_argument("--json", action="store_true", help="print the numbers alone")
    options.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    temperature, mode = (0.0, "greedy") if chosen.greedy else (0.8, "sampled")
    torch.set_num_threads(1)
    if chosen.worker:
        way, cell, size = chosen.worker
        model = charlm(cell, size)
        if way == FLOOR:
            serve(lambda: reading(model))
        else:
            serve(lambda: rounds_of(writer(way, model, temperature)))
        return
    everything = {}
    for size in chosen.sizes:
        for cell in chosen.cells:
            compare(charlm(cell, size))
            ways = [PLAIN, *([KEPT] if cell == "lstm" else []), HF, OURS, FLOOR]
            flags = ["--greedy"] if chosen.greedy else []
            variants = {way: [*flags, "--worker", way, cell, size] for way in ways}
            timings, _ = interleave_workers(Path(__file__), variants, chosen.rounds)
            floor = timings[FLOOR].median
            notes = {
                w: f"{t.median / floor:.0%} of {FLOOR}" for w, t in timings.items() if w != FLOOR
            }
            if cell == "lstm":
                kept = timings[OURS].median / timings[KEPT].median
                notes[OURS] += f", x{kept:.2f} of memory kept"
            title = f"{cell} {size}, {mode}"
            everything[title] = as_json(timings)
            if not chosen.json:
                print(table(title, "characters", timings, notes), end="\n\n", flush=True)
    if chosen.json:
        json.dump(everything, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
