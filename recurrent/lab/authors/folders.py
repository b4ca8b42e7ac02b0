"""Texts in a public folder format, one file each: ROOT/train/CLASS/*.txt and ROOT/test/CLASS/*.txt.

The film reviews of IMDB come so (Maas et al. 2011): aclImdb/train/pos, aclImdb/train/neg, and test
beside train; train/unsup, which has no classes, is left out. A text's content hash says whether it
validates.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from corpora.document import content_hash
from corpora.errors import CorpusError
from corpora.splitting import split_of
from recurrent.lab.authors.cleaning import clean
from recurrent.lab.authors.corpus import Collection, Passage, choose
from recurrent.lab.authors.settings import Settings

VALID = 0.2  # as in the lecture, which took the last fifth
_UNSORTED = "unsup"
_BREAK = re.compile(r"<br\s*/?>", re.I)


def read_folder(
    root: Path, settings: Settings, tell: Callable[[str, float], None] = lambda *_: None
) -> Collection:
    """The texts of a folder, each cut after `passage` characters.

    Raises
    ------
    CorpusError
        If the folder is not of that form, train and test differ in classes, or a file is no UTF-8.
    """
    classes = _classes(root / "train")
    if _classes(root / "test") != classes:
        raise CorpusError(
            f"{root / 'test'} holds {', '.join(_classes(root / 'test'))}, but train holds "
            f"{', '.join(classes)}; expected the same folders in both."
        )
    parts: dict[str, list[Passage]] = {"train": [], "valid": [], "test": []}
    wanted = {"train": settings.n_train, "valid": settings.n_valid, "test": settings.n_test}
    for label, name in enumerate(classes):
        tell(f"Reading {name}", label / len(classes))
        test = _texts(root / "test" / name, label, settings)
        held = {content_hash(p.text) for p in test}
        found: dict[str, list[Passage]] = {"train": [], "valid": [], "test": test}
        for passage in _texts(root / "train" / name, label, settings):
            digest = content_hash(passage.text)
            if digest not in held:  # the same text may not be asked and learnt
                held.add(digest)
                part = "valid" if split_of(digest, valid=VALID, test=0) == "valid" else "train"
                found[part].append(passage)
        for part, n in wanted.items():
            what = f"The {part} part of {name}"
            parts[part] += choose(found[part], min(n, len(found[part])), settings.seed, what)
    return Collection(classes, parts["train"], parts["valid"], parts["test"])


def _classes(folder: Path) -> list[str]:
    found = sorted(
        d.name
        for d in (folder.iterdir() if folder.is_dir() else ())
        if d.is_dir() and d.name != _UNSORTED and next(d.glob("*.txt"), None)
    )
    if len(found) < 2:
        raise CorpusError(
            f"{folder} holds {len(found)} folders of *.txt files; expected at least two, one for "
            "each class, as in aclImdb/train/pos and aclImdb/train/neg."
        )
    return found


def _texts(folder: Path, label: int, settings: Settings) -> list[Passage]:
    passages = []
    for path in sorted(folder.glob("*.txt")):
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise CorpusError(
                f"{path} cannot be read: {problem}. Expected a text in UTF-8."
            ) from None
        text = clean(_BREAK.sub(" ", text), names=settings.names)[: settings.passage]
        if text:
            passages.append(Passage(text, label, path.name))
    return passages
