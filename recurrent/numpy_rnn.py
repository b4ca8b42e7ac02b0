"""A character RNN with its own backpropagation through time, in NumPy alone, to read in one go:
weights, reading, the loss and its gradients, a step of learning, a text to learn, a text to write.
Try it: `python -m recurrent.numpy_rnn FILE`."""

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corpora.errors import CorpusError

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


class NumpyRNN:
    """One hidden layer of H units that reads characters and says which may come next (Elman 1990).
    `vocabulary` holds the V characters it knows, each once; `seed` fixes its first weights."""

    def __init__(self, vocabulary: str, hidden_size: int, seed: int = 0) -> None:
        if hidden_size < 1 or not vocabulary or len(set(vocabulary)) < len(vocabulary):
            raise ValueError(f"{vocabulary=} must hold each character once, {hidden_size=} above 0")
        self.vocabulary, self.hidden_size, self.n_steps = vocabulary, hidden_size, 0
        rng, size, scale = np.random.default_rng(seed), len(vocabulary), hidden_size**-0.5
        self.weights: dict[str, Floats] = {
            "input": rng.normal(0, scale, (size, hidden_size)),  # (V, H)
            "recurrent": rng.normal(0, scale, (hidden_size, hidden_size)),  # (H, H)
            "output": rng.normal(0, scale, (hidden_size, size)),  # (H, V)
            "output_bias": np.zeros(size),  # (V,)
        }
        self.memory = {name: np.zeros((2, *w.shape)) for name, w in self.weights.items()}

    def encode(self, text: str) -> Ids:
        """Text -> ids (T,); raises CorpusError on a character outside the vocabulary."""
        if unknown := sorted(set(text) - set(self.vocabulary)):
            raise CorpusError(
                f"The text holds {unknown[0]!r} (U+{ord(unknown[0]):04X}), not one of the model's "
                f"{len(self.vocabulary)} characters. Leave it out or train on a text that has it."
            )
        return np.array([self.vocabulary.index(character) for character in text])

    def read(self, ids: Ids, hidden: Floats) -> Floats:
        """The hidden states (B, T + 1, H) on reading ids (B, T), led by the one given, (B, H)."""
        past = [hidden]
        for now in ids.T:  # (B,)
            # One-hot times a matrix is a row of it: picked here. A bias could only shift all rows.
            past.append(np.tanh(self.weights["input"][now] + past[-1] @ self.weights["recurrent"]))
        return np.stack(past, axis=1)

    def loss_and_gradients(
        self, ids: Ids, targets: Ids, hidden: Floats
    ) -> tuple[float, dict[str, Floats], Floats]:
        """Read ids (B, T) on from a hidden state (B, H), then go back over them: the cross entropy
        of the targets (B, T) in mean nats per character, its gradients, and the last state (B, H).
        The state given counts as a constant: the past is truncated (Williams and Peng 1990)."""
        states = self.read(ids, hidden)
        before, after = states[:, :-1], states[:, 1:]  # (B, T, H) each
        logits = after @ self.weights["output"] + self.weights["output_bias"]  # (B, T, V)
        logits -= logits.max(axis=-1, keepdims=True)  # so that no exponential overflows
        log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        right = (*np.indices(ids.shape), targets)  # where the right answers lie in (B, T, V)
        loss = -float(log_p[right].mean())
        d_logits = np.exp(log_p) / ids.size  # from here on the derivatives, last things first
        d_logits[right] -= 1 / ids.size
        d_sums = np.empty_like(after)  # (B, T, H), by what went into tanh
        from_later = np.zeros_like(hidden)  # (B, H), what later steps ask of this one's state
        for t in reversed(range(ids.shape[1])):
            from_output = d_logits[:, t] @ self.weights["output"].T  # (B, H)
            d_sums[:, t] = (from_output + from_later) * (1 - after[:, t] ** 2)  # tanh' = 1 - tanh²
            from_later = d_sums[:, t] @ self.weights["recurrent"].T
        gradients = {
            "input": np.zeros_like(self.weights["input"]),
            "recurrent": np.tensordot(before, d_sums, ([0, 1], [0, 1])),  # summed over B and T
            "output": np.tensordot(after, d_logits, ([0, 1], [0, 1])),
            "output_bias": d_logits.sum(axis=(0, 1)),
        }
        np.add.at(gradients["input"], ids, d_sums)  # a row picked twice gets both gradients
        return loss, gradients, after[:, -1]

    def step(
        self, ids: Ids, targets: Ids, hidden: Floats, learning_rate: float, max_norm: float = 1.0
    ) -> tuple[float, Floats]:
        """Clip the gradients' norm (Pascanu et al. 2013, algorithm 1) and change the weights by
        Adam (Kingma and Ba 2015, algorithm 1); returns the loss before that and the new state."""
        loss, gradients, hidden = self.loss_and_gradients(ids, targets, hidden)
        norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
        self.n_steps += 1
        for name, gradient in gradients.items():
            gradient *= min(1.0, max_norm / (norm + 1e-6))
            mean, square = self.memory[name]  # of the gradients so far, both beginning at 0
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            mean, square = mean / (1 - 0.9**self.n_steps), square / (1 - 0.999**self.n_steps)
            self.weights[name] -= learning_rate * mean / (np.sqrt(square) + 1e-8)
        return loss, hidden

    def train(
        self, text: str, batch_size: int = 16, block_size: int = 64, learning_rate: float = 5e-3
    ) -> Iterator[tuple[int, float]]:
        """Learn a text without end, giving (step, loss). It is cut into `batch_size` streams read
        side by side, `block_size` characters a step; each carries its hidden state along."""
        if min(batch_size, block_size) < 1:
            raise ValueError(f"{batch_size=} and {block_size=} must be at least 1")
        if (length := (len(text) - 1) // batch_size) < 1:
            raise CorpusError(f"Only {len(text)} characters in all; give {batch_size + 1} or more.")
        ids, n = self.encode(text), batch_size * length
        pairs = np.stack([ids[:n], ids[1 : n + 1]]).reshape(2, batch_size, length)
        windows = np.split(pairs, range(block_size, length, block_size), axis=2)  # (2, B, T) each
        while True:
            hidden = np.zeros((batch_size, self.hidden_size))
            for inputs, targets in windows:
                loss, hidden = self.step(inputs, targets, hidden, learning_rate)
                yield self.n_steps, loss

    def sample(self, prompt: str, length: int, temperature: float = 1.0, seed: int = 0) -> str:
        """Write `length` characters that may follow a prompt; at temperature 0 the likeliest."""
        if not prompt or not 0 <= temperature < np.inf:
            raise ValueError(f"{prompt=} must not be empty and {temperature=} 0 or more and finite")
        rng, hidden, written = np.random.default_rng(seed), np.zeros((1, self.hidden_size)), ""
        ids = self.encode(prompt)[None]  # (1, T)
        for _ in range(length):
            hidden = self.read(ids, hidden)[:, -1]
            logits = (hidden @ self.weights["output"] + self.weights["output_bias"])[0]  # (V,)
            # The largest after adding Gumbel noise is a draw from the softmax (Gumbel 1954).
            ids = np.array([[np.argmax(logits + temperature * rng.gumbel(size=len(logits)))]])
            written += self.vocabulary[ids[0, 0]]
        return written


def main() -> None:
    """Train a character RNN on a text file in UTF-8; prints samples, ends with Ctrl-C."""
    parser = ArgumentParser("python -m recurrent.numpy_rnn", description=main.__doc__)
    parser.add_argument("file", type=Path)
    try:
        text = parser.parse_args().file.read_text("utf-8")
        model = NumpyRNN("".join(sorted({*text, "\n"})), hidden_size=128)
        for step, loss in model.train(text):
            if step % 200 == 1:
                sample = model.sample("\n", 300, temperature=0.8, seed=step)
                print(f"\n--- step {step}, {loss / np.log(2):.2f} bits per character\n{sample}")
    except (CorpusError, OSError, UnicodeDecodeError) as problem:
        parser.error(f"expected a text in UTF-8: {problem}")
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
