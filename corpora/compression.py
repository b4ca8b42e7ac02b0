"""What a text costs a general compressor that has already read another: xz, bz2 and zstd.

No model of language is in them, so their cost stands beside a model's as a floor: what repetition
alone gives. Each is used at its strongest setting, with a window that reaches over all it was
primed with. What is compressed is counted and thrown away.
"""

from __future__ import annotations

import bz2
import lzma
from dataclasses import dataclass
from typing import Literal, get_args

Compressor = Literal["xz", "bz2", "zstd"]
COMPRESSORS: tuple[Compressor, ...] = get_args(Compressor)

# bz2 sorts at most 900,000 bytes at a time and sees nothing beyond them. Its first step makes runs
# of just four equal bytes one byte longer, so a little room is left for those.
BZ2_BLOCK = 890_000


@dataclass(frozen=True, slots=True)
class PrimedSize:
    """Bytes a text costs, and how many bytes the compressor had read before it."""

    n_bytes: int
    primed_with: int


def primed_size(compressor: Compressor, prime: bytes, text: bytes) -> PrimedSize:
    """What `text` costs after `prime`.

    For xz and bz2 the cost is the size of both compressed together less the size of `prime`
    alone. zstd takes `prime` as a dictionary of raw content and compresses `text` alone. A
    difference of sizes is uncertain by some bytes, so a text should have a thousand at least.

    Parameters
    ----------
    compressor : {"xz", "bz2", "zstd"}
        xz is LZMA2 at preset 9e; bz2 has level 9, zstd level 22.
    prime : bytes
        What is known before; may be empty. bz2 uses only the last part that fits one block
        together with `text`, and nothing when `text` fills a block by itself.
    text : bytes

    Raises
    ------
    ValueError
        If there is no such compressor, or `text` is empty.
    """
    if not text:
        raise ValueError("text is empty; expected at least one byte to compress")
    if compressor == "xz":
        return PrimedSize(_xz_size(prime, text), len(prime))
    if compressor == "bz2":
        part = prime[max(0, len(prime) - max(0, BZ2_BLOCK - len(text))) :]
        size = len(bz2.compress(part + text)) - len(bz2.compress(part))
        return PrimedSize(size, len(part))
    if compressor == "zstd":
        return PrimedSize(_zstd_size(prime, text), len(prime))
    raise ValueError(f"compressor={compressor!r} must be one of {', '.join(COMPRESSORS)}")


def _xz_size(prime: bytes, text: bytes) -> int:
    window = max(4096, len(prime) + len(text))  # LZMA knows no smaller one
    filters = [
        {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": window},
    ]

    def size(data: bytes) -> int:
        return len(lzma.compress(data, format=lzma.FORMAT_RAW, filters=filters))

    return size(prime + text) - size(prime)


def _zstd_size(prime: bytes, text: bytes) -> int:
    import zstandard  # only those who compress pay for it

    reach = (len(prime) + len(text)).bit_length()
    parameters = zstandard.ZstdCompressionParameters.from_level(
        zstandard.MAX_COMPRESSION_LEVEL,
        source_size=len(text),
        dict_size=len(prime),
        window_log=min(max(reach, zstandard.WINDOWLOG_MIN), zstandard.WINDOWLOG_MAX),
        write_content_size=False,
    )
    known = zstandard.ZstdCompressionDict(prime, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    compressor = zstandard.ZstdCompressor(
        dict_data=known if prime else None, compression_params=parameters
    )
    return len(compressor.compress(text))
