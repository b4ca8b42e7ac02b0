from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.compression import primed_size
from engine.floors import KneserNey, compressed, floors, kneser_ney, unigram
from engine.scoring import score_of

TRAIN = ["The comet returns, and the comet goes.", "Été, hiver; the year goes round.", "a"]
HELD_OUT = ["The year returns.", "", "Ω and the comet, été."]
FEW_BYTES = st.lists(st.lists(st.sampled_from(b"abc"), max_size=12).map(bytes), max_size=6)
ANY_BYTES = st.lists(st.binary(max_size=30), max_size=4)


# The unigram


def test_a_unigram_worked_by_hand() -> None:
    # 3 bytes seen, 256 halves added: a has 2.5, b has 1.5 and an unseen c has 0.5 of 131.
    floor = unigram(["aa", "b"], ["abc"])
    assert floor.bits_per_byte == pytest.approx(-math.log2(2.5 * 1.5 * 0.5 / 131**3) / 3)
    assert (floor.name, floor.n_bytes, floor.primed_with) == ("unigram", 3, 3)


def test_a_character_of_several_bytes_counts_each_of_them() -> None:
    # é is C3 A9 and è is C3 A8.
    floor = unigram(["é"], ["è"])
    assert floor.bits_per_byte == pytest.approx(-math.log2(1.5 * 0.5 / 130**2) / 2)
    assert (floor.n_bytes, floor.primed_with) == (2, 2)


# Kneser-Ney


def test_a_bigram_worked_by_hand() -> None:
    # ababcb holds ab twice, ba, bc, cb once: D = 3 / (3 + 2 * 1) = 0.6.
    # a comes after {b}, b after {a, c}, c after {b}: 1, 2 and 1 of 4, D = 2 / (2 + 2 * 1) = 0.5.
    floor_share = 0.5 * 3 / 4 / 256
    a, b, unseen = 0.5 / 4 + floor_share, 1.5 / 4 + floor_share, floor_share
    expected = [
        a,  # the beginning: no history
        (2 - 0.6) / 2 + 0.6 * 1 / 2 * b,  # after a, which b alone has followed
        (1 - 0.6) / 2 + 0.6 * 2 / 2 * a,  # after b, which a and c have followed
        0.6 * 1 / 2 * unseen,  # z, after a
        b,  # after z, which was never seen
    ]
    found = KneserNey([b"ababcb"], order=2).probabilities([b"abazb"])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    floor = kneser_ney(["ababcb"], ["abazb"], order=2)
    assert floor.bits_per_byte == pytest.approx(-math.log2(math.prod(expected)) / 5)
    assert floor.name == "2-gram Kneser-Ney"


def test_a_lower_order_counts_company_and_not_occurrences() -> None:
    # o is the most frequent byte but follows only f; a follows three different bytes.
    model = KneserNey([b"fofofofo", b"xa", b"ya", b"za"], order=2)
    o, a = model.probabilities([b"o", b"a"])
    assert a > 2 * o


def _slowly(train: list[bytes], order: int, history: bytes, byte: int) -> float:
    """The recursion as the paper writes it, from dictionaries counted afresh."""
    history = history[len(history) - min(len(history), order - 1) :]
    found = 1 / 256
    for length in range(1, len(history) + 2):
        wider = length if length == order else length + 1
        every = [t[i : i + wider] for t in train for i in range(len(t) - wider + 1)]
        counts = Counter(every) if length == order else Counter(gram[1:] for gram in set(every))
        once, twice = (sum(c == n for c in counts.values()) for n in (1, 2))
        discount = once / (once + 2 * twice) if once else 0.5
        start = history[len(history) - length + 1 :]
        after = {gram[-1]: c for gram, c in counts.items() if gram[:-1] == start}
        if total := sum(after.values()):
            kept = max(after.get(byte, 0) - discount, 0)
            found = (kept + discount * len(after) * found) / total
    return found


@settings(deadline=None, max_examples=60)
@given(train=FEW_BYTES, texts=FEW_BYTES, order=st.integers(1, 8))
def test_it_equals_the_formula(train: list[bytes], texts: list[bytes], order: int) -> None:
    found = KneserNey(train, order).probabilities(texts)
    slow = [_slowly(train, order, t[:i], t[i]) for t in texts for i in range(len(t))]
    np.testing.assert_allclose(found, slow, rtol=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    train=st.one_of(FEW_BYTES, ANY_BYTES),
    history=st.one_of(st.binary(max_size=9), st.lists(st.sampled_from(b"abc")).map(bytes)),
    order=st.integers(1, 8),
)
def test_the_256_bytes_share_exactly_1(train: list[bytes], history: bytes, order: int) -> None:
    texts = [history + bytes([byte]) for byte in range(256)]
    last = KneserNey(train, order).probabilities(texts).reshape(256, -1)[:, -1]
    assert last.min() > 0
    assert last.sum() == pytest.approx(1, abs=1e-9)


def test_the_256_bytes_share_1_after_every_history_of_a_real_text() -> None:
    train = [text.encode() for text in TRAIN]
    model = KneserNey(train)
    for end in range(len(train[0])):
        texts = [train[0][:end] + bytes([byte]) for byte in range(256)]
        last = model.probabilities(texts).reshape(256, -1)[:, -1]
        assert last.sum() == pytest.approx(1, abs=1e-9)


def test_no_text_sees_the_one_before_it() -> None:
    model = KneserNey([text.encode() for text in TRAIN])
    first, second = b"the comet", b" goes."
    together = model.probabilities([first, second])
    apart = [model.probabilities([first]), model.probabilities([second])]
    np.testing.assert_array_equal(together, np.concatenate(apart))
    assert (together[9:11] < model.probabilities([first + second])[9:11]).all()
    # Nor does training: ab was never seen where a ends one text and b begins the next.
    parted, joined = KneserNey([b"a", b"b"] * 2, order=2), KneserNey([b"abab"], order=2)
    assert parted.probabilities([b"ab"])[1] == 1 / 256
    assert joined.probabilities([b"ab"])[1] > 1 / 2


def test_more_history_helps_on_text_with_structure() -> None:
    text = "the comet returns and the year goes round. " * 20
    bits = [kneser_ney([text], [text], order=n).bits_per_byte for n in (1, 2, 3, 5)]
    assert bits == sorted(bits, reverse=True)
    assert bits[-1] < 0.25 < 3 < bits[0]


@pytest.mark.parametrize("order", [0, -1, 9])
def test_an_order_that_does_not_fit_is_refused(order: int) -> None:
    with pytest.raises(ValueError, match=f"order={order} must be from 1 to 8"):
        kneser_ney(TRAIN, HELD_OUT, order=order)


# What both give


@pytest.mark.parametrize("floor_of", [unigram, kneser_ney])
def test_a_floor_is_the_mean_over_all_bytes_with_an_interval(floor_of) -> None:  # type: ignore[no-untyped-def]
    floor = floor_of(TRAIN, HELD_OUT)
    each = [
        (floor_of(TRAIN, [text]).bits_per_byte, len(text.encode())) for text in HELD_OUT if text
    ]
    mean = sum(bits * size for bits, size in each) / sum(size for _, size in each)
    assert floor.bits_per_byte == pytest.approx(mean)
    assert floor.n_bytes == sum(len(text.encode()) for text in HELD_OUT)
    assert floor.primed_with == sum(len(text.encode()) for text in TRAIN)
    assert floor.low is not None
    assert floor.high is not None
    assert floor.low < floor.bits_per_byte < floor.high


def test_the_interval_is_that_of_a_model_with_the_same_bits_for_each_character() -> None:
    text = "Été: où? " * 200 + "the year. " * 300
    each = [unigram(["the year"], [bytes([b]).decode("ascii")]) for b in range(128)]
    # Bytes above 127 are unseen, as is z; a character costs what its bytes cost.
    costs = [
        sum(each[b if b < 128 else ord("z")].bits_per_byte for b in character.encode())
        for character in text
    ]
    texts = [text[:9], text]
    score = score_of(texts, [np.array(costs[:9]), np.array(costs)])
    floor = unigram(["the year"], texts)
    assert (floor.low, floor.high) == pytest.approx((score.low, score.high))
    assert floor.bits_per_byte == pytest.approx(score.bits_per_byte)


# Compressors


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    """Forty texts of random words, so that they repeat words and nothing longer."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnop", k=7)) for _ in range(300)]
    return [" ".join(rng.choices(words, k=40)) + "\n" for _ in range(40)]


@pytest.mark.parametrize("compressor", ["xz", "bz2", "zstd"])
def test_a_compressor_scores_the_joined_texts(compressor, sentences: list[str]) -> None:  # type: ignore[no-untyped-def]
    train, held_out = sentences[:30], [*sentences[30:], ""]
    floor = compressed(compressor, train, held_out)
    known, text = "".join(train).encode(), "".join(held_out).encode()
    size = primed_size(compressor, known, text)
    assert floor.bits_per_byte == 8 * size.n_bytes / len(text)
    assert (floor.name, floor.n_bytes) == (compressor, len(text))
    assert floor.primed_with == len(known)
    assert floor.low is None
    assert floor.high is None
    assert floor.bits_per_byte < compressed(compressor, ["x"], held_out).bits_per_byte - 0.3


def test_a_compressor_is_primed_with_the_last_bytes(sentences: list[str]) -> None:
    held_out = sentences[30:]
    few = compressed("xz", sentences[:30], held_out, prime_bytes=2_000)
    assert few.primed_with == 2_000
    assert few == compressed("xz", ["".join(sentences[:30])[-2_000:]], held_out)
    assert few.bits_per_byte > compressed("xz", sentences[:30], held_out).bits_per_byte


def test_no_bytes_to_prime_with_are_refused() -> None:
    with pytest.raises(ValueError, match="prime_bytes=0 must be at least 1"):
        compressed("zstd", TRAIN, HELD_OUT, prime_bytes=0)


# All of them


def test_all_floors_come_one_by_one_over_the_same_bytes(sentences: list[str]) -> None:
    train, held_out = sentences[:30], sentences[30:]
    coming = floors(train, held_out, order=3, prime_bytes=5_000)
    assert next(coming) == unigram(train, held_out)
    rest = list(coming)
    assert rest[0] == kneser_ney(train, held_out, order=3)
    assert [floor.name for floor in rest] == ["3-gram Kneser-Ney", "xz", "bz2", "zstd"]
    assert {floor.n_bytes for floor in rest} == {sum(map(len, held_out))}
    assert [floor.primed_with for floor in rest[1:]] == [5_000] * 3
    with pytest.raises(FrozenInstanceError):
        rest[0].name = "mine"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("train", "held_out", "empty"),
    [([], ["a"], "train"), (["", ""], ["a"], "train"), (["a"], [""], "held_out")],
)
def test_no_text_is_refused_by_each(train: list[str], held_out: list[str], empty: str) -> None:
    for floor_of in (unigram, kneser_ney, lambda *texts: compressed("xz", *texts)):
        with pytest.raises(ValueError, match=f"{empty} holds no text"):
            floor_of(train, held_out)
