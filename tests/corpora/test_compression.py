from __future__ import annotations

import random

import pytest

from corpora.compression import BZ2_BLOCK, COMPRESSORS, Compressor, primed_size


def _noise(n_bytes: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(n_bytes)


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_without_a_prime_noise_costs_its_own_size(compressor: Compressor) -> None:
    size = primed_size(compressor, b"", _noise(20_000))
    assert size.primed_with == 0
    assert 20_000 <= size.n_bytes < 20_500


@pytest.mark.parametrize("compressor", ["xz", "zstd"])
def test_what_the_prime_began_with_costs_little(compressor: Compressor) -> None:
    # 400,000 bytes back, so a window that forgot the beginning would pay for all 20,000.
    # (One match of LZMA is at most 273 bytes long, so even a perfect memory has 74 to write.)
    prime = _noise(400_000)
    size = primed_size(compressor, prime, prime[:20_000])
    assert size.primed_with == 400_000
    assert 0 < size.n_bytes < 800


def test_bz2_gains_from_the_prime_too() -> None:
    # Sorting puts equal stretches side by side, but each byte still costs a little.
    prime = _noise(100_000)
    assert primed_size("bz2", prime, prime[:20_000]).n_bytes < 10_000
    assert primed_size("bz2", prime, _noise(20_000, seed=1)).n_bytes > 19_000


def test_bz2_is_primed_with_the_last_part_that_fits_its_block() -> None:
    prime, text = b"old " * 250_000, _noise(1_000)
    assert primed_size("bz2", prime, text).primed_with == BZ2_BLOCK - 1_000
    early, late = text + b"o" * BZ2_BLOCK, b"o" * BZ2_BLOCK + text
    assert primed_size("bz2", early, text).n_bytes > 900
    assert primed_size("bz2", late, text).n_bytes < 500


def test_bz2_has_no_room_for_a_prime_beside_a_text_of_a_whole_block() -> None:
    text = b"a word or two. " * (BZ2_BLOCK // 15 + 1)
    size = primed_size("bz2", text, text)
    assert size.primed_with == 0
    assert size.n_bytes == primed_size("bz2", b"", text).n_bytes


def test_nothing_to_compress_is_refused() -> None:
    with pytest.raises(ValueError, match="text is empty; expected at least one byte"):
        primed_size("xz", b"something", b"")


def test_an_unknown_compressor_is_refused() -> None:
    with pytest.raises(ValueError, match="compressor='rar' must be one of xz, bz2, zstd"):
        primed_size("rar", b"", b"text")  # type: ignore[arg-type]
