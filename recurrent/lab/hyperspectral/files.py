"""Arrays out of `.mat` and `.npy` files that may come from anywhere.

Names and shapes are read and limited before any data; nothing that could run code is read at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat, whosmat

from corpora.errors import InputError

Array = npt.NDArray[Any]
LARGEST_FILE = 2 << 30  # bytes
LARGEST_ARRAY = 250_000_000  # values, 1 GB in float32; Salinas has 23 million
_NUMBERS = {
    "double", "single", "logical",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """An array of a file: its name there ("" in a .npy file), its shape, whether it is numbers."""

    key: str
    shape: tuple[int, ...]
    is_numbers: bool


def list_arrays(path: Path) -> list[Listed]:
    """What arrays a file holds, without reading them.

    Raises
    ------
    InputError
        If it is missing, too large, damaged, or neither .mat nor .npy.
    """
    if not path.is_file():
        raise InputError(f"{path} is not there; expected a .mat or .npy file.")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise InputError(
            f"{path} has {size:,} bytes; at most {LARGEST_FILE:,} are read. Cut out a part of it."
        )
    if path.suffix.lower() == ".npy":
        array = _open_npy(path)
        return [Listed("", array.shape, array.dtype.kind in "biuf")]
    if path.suffix.lower() != ".mat":
        raise InputError(f"{path} ends in {path.suffix!r}; expected a .mat or .npy file.")
    try:
        return [Listed(k, tuple(s), kind in _NUMBERS) for k, s, kind in whosmat(str(path))]
    except NotImplementedError:
        raise InputError(
            f"{path} is a MATLAB 7.3 file; expected version 7 or earlier. Save it again with "
            "save(..., '-v7'), or as .npy."
        ) from None
    except Exception as problem:  # a parser of binary data can fail on damage in any way
        raise _damaged(path, problem) from problem


def read_array(path: Path, key: str = "") -> Array:
    """An array of real, finite numbers.

    Parameters
    ----------
    path : Path
        A .mat or .npy file.
    key : str
        The array's name in a .mat file; it may be empty if there is only one of numbers.

    Raises
    ------
    InputError
        As `list_arrays`; or if there is no such array, it is too large, or not of such numbers.
    """
    listed = list_arrays(path)
    if path.suffix.lower() == ".npy":
        found = listed[0]
    else:
        numbers = [each for each in listed if each.is_numbers]
        candidates = [each for each in listed if each.key == key] if key else numbers
        if len(candidates) != 1:
            names = ", ".join(each.key for each in numbers) or "none"
            raise InputError(
                f"{path} has no single array {key or 'of numbers'!r}; it holds {names}. "
                "Name the one that is meant."
            )
        found = candidates[0]
    _allow(path, found)
    if path.suffix.lower() == ".npy":
        array = np.array(_open_npy(path))
    else:
        try:
            array = loadmat(str(path), variable_names=[found.key])[found.key]
        except Exception as problem:  # as above
            raise _damaged(path, problem) from problem
    # A file can say of itself what it is not: the array is asked, too.
    _allow(path, Listed(found.key, array.shape, array.dtype.kind in "biuf"))
    if array.dtype.kind == "f" and (n_bad := int((~np.isfinite(array)).sum())):
        raise InputError(
            f"{path}: {n_bad:,} values of {found.key or 'the array'} are no finite numbers; "
            "expected none. Fill or cut them out."
        )
    return array


def whole_numbers(path: Path, key: str = "", shape: Sequence[int] = ()) -> npt.NDArray[np.int64]:
    """An array of whole numbers, which MATLAB may keep as doubles; of that shape, if one is given.

    Raises
    ------
    InputError
        As `read_array`, or if it is not of whole numbers, or of another shape.
    """
    array = read_array(path, key)
    whole = array.astype(np.int64) if array.size and np.abs(array).max() < 2**53 else None
    if whole is None or not np.array_equal(whole, array):
        raise InputError(f"{path}: {key or 'the array'} is not of whole numbers, as expected.")
    if shape and whole.shape != tuple(shape):
        raise InputError(f"{path}: {key} has shape {whole.shape}; expected {tuple(shape)}.")
    return whole


def read_labels(path: Path, keys: Sequence[str] = ()) -> npt.NDArray[np.int64]:
    """A class for each pixel, (H, W), 0 where there is none; under the first of `keys` it has.

    Raises
    ------
    InputError
        As `read_array`; or if it is no such map.
    """
    held = {each.key for each in list_arrays(path)}
    labels = whole_numbers(
        path, next((key for key in keys if key in held), keys[0] if keys else "")
    )
    if labels.ndim != 2:
        raise InputError(f"{path} holds labels of shape {labels.shape}; expected (rows, columns).")
    if labels.min() < 0 or not labels.any():
        raise InputError(
            f"{path} has labels from {labels.min()} to {labels.max()}; expected 0 for unlabelled "
            "and classes from 1."
        )
    return labels


def _open_npy(path: Path) -> Array:
    try:
        # Mapped: a header that promises more than the file holds is refused before memory is taken.
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as problem:
        raise _damaged(path, problem) from problem
    return array


def _allow(path: Path, found: Listed) -> None:
    if not found.is_numbers:
        raise InputError(
            f"{path}: {found.key or 'the array'} is not an array of real numbers, as expected."
        )
    if not 0 < prod(found.shape) <= LARGEST_ARRAY:
        raise InputError(
            f"{path}: {found.key or 'the array'} has shape {found.shape}; expected at least one "
            f"value and at most {LARGEST_ARRAY:,}."
        )


def _damaged(path: Path, problem: Exception) -> InputError:
    return InputError(
        f"{path} cannot be read ({str(problem).splitlines()[0] if str(problem) else problem!r}). "
        "Expected a whole .mat or .npy file of numbers; save it again."
    )
