from __future__ import annotations

from pathlib import Path

import pytest

from corpora.people import Person, load_person
from lm.voice import Voice, load_voice
from tests.fakes import tiny_model

INVENTED = """
slug = "weaver"
name = "Ruth Weaver"
aliases = ["Weaver"]
born = "1700-02-03"
died = "1760-05-06"
line = "An invented clockmaker, so that tests do not hang on a real person's file."
knows = ["Hannah Cole", "Greenwich"]

[writes_from]
date = "1740-06-10"
place = "Clock Lane, York"

[[place]]
from = "1700"
to = "1745"
name = "York"

[[place]]
from = "1746"
to = "1760"
name = "Hull"

[voice]
temperament = "Patient."
turns = ["By my file"]
impatient_of = ["hurry"]
salutations = ["{name},", "Good {name},"]
friend = "My friend,"
subscriptions = ["Your servant,"]
later = ["I have heard of no such thing, and will not guess at it."]
unknown = ["The name is strange to me, and I leave it so."]

[[passage]]
id = "pendulum"
date = "1730"
topics = ["pendulum", "heat"]
text = "A pendulum of brass grows longer with heat, and the clock loses by it every summer."
source = "Workshop book (1730), leaf 4"
checked = "opened"

[[passage]]
id = "escapement"
date = "1735-03"
topics = ["escapement", "tick"]
text = "My escapement holds the wheel still between the beats. I cut its teeth by hand."
source = "Workshop book (1735), leaf 20"
checked = "recalled"

[[passage]]
id = "sea-clock"
date = "1750"
topics = ["sea", "longitude", "ship"]
text = "I built a clock for the sea, and the ship that carried it came home on its reckoning."
source = "Workshop book (1750), leaf 60"
checked = "recalled"
"""


@pytest.fixture(scope="session")
def weaver() -> Person:
    """An invented person with three passages, of 1730, March 1735 and 1750."""
    return load_person(INVENTED, where="weaver.toml")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def voice(model_folder: Path) -> Voice:
    """A tiny model with fresh weights: real, quick, and no stylist."""
    return load_voice(str(model_folder), "cpu")
