"""Who wrote this letter? A recurrent text classifier, n-grams to beat, and the voice meter.

    from recurrent.lab.authors import verdict
    print(verdict(letter, "Jane Austen").words)

`cleaning` takes out what names an author without style, `letter_books` and `folders` read passages,
`model` and `training` are the classifier, `ngrams` the baseline, `meter` asks about a text.
"""

from recurrent.lab.authors.meter import Calibration, Meter, Verdict, load_meter, verdict, voice
from recurrent.lab.authors.run import run
from recurrent.lab.authors.settings import Settings

__all__ = [
    "Calibration",
    "Meter",
    "Settings",
    "Verdict",
    "load_meter",
    "run",
    "verdict",
    "voice",
]
