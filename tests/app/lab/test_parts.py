"""What stands behind the parts to try: files that were chosen, squares, additions, forecasts."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest

from app.home import home
from app.lab.film import EXAMPLE, draw, film_html, gif_bytes, read_squares
from app.lab.heat import addition_html, read_number
from app.lab.uploads import KEPT, keep
from app.lab.weather import alarms_html, forecast_figure
from corpora.errors import InputError
from recurrent.lab.adder import Addition
from recurrent.lab.weather import Finding, Forecast

HOSTILE = "<script>alert(1)</script>"

# -------------------------------------------------------------------------------------------- files


def _picked(name: str, data: bytes, size: int | None = None) -> dict[str, object]:
    text = base64.b64encode(data).decode("ascii")
    return {"name": name, "size": len(data) if size is None else size, "base64": text}


def test_a_chosen_file_gets_a_plain_name_in_a_private_folder() -> None:
    path = keep(_picked("../../My <b> air.CSV", b"time,a\n"), (".csv",), 100)
    assert path.parent == home() / "lab" / "files"
    assert re.fullmatch(r"My-b-air-[0-9a-f]{12}\.csv", path.name)
    assert path.read_bytes() == b"time,a\n"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert keep(_picked("../../My <b> air.csv", b"time,a\n"), (".csv",), 100) == path


def test_only_the_latest_files_are_kept() -> None:
    for i in range(KEPT + 3):
        path = keep(_picked("a.csv", bytes([i])), (".csv",), 100)
    assert len(list(path.parent.iterdir())) == KEPT
    assert path.exists()


@pytest.mark.parametrize(
    ("picked", "message"),
    [
        (_picked("a.exe", b"x"), r"a\.exe does not end in \.csv or \.npy"),
        (_picked("", b"x"), "The file does not end"),
        (_picked("a.csv", b""), "is empty or could not be read"),
        (_picked("a.csv", b"x", size=5_000_000), r"has 5\.0 MB; the page takes 1 MB"),
        (_picked("a.csv", b"x" * 1_000_001, size=3), "could not be read"),
        ({"name": "a.csv", "size": 3, "base64": "§§"}, "could not be read"),
    ],
)
def test_a_file_that_cannot_be_is_refused(picked: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        keep(picked, (".csv", ".npy"), 1_000_000)


# ------------------------------------------------------------------------------------------ squares


def test_squares_are_drawn_where_they_are_and_go_on() -> None:
    assert read_squares(EXAMPLE) == [(8, 20, 1, 0, 4), (30, 10, -1, 1, 6)]
    frames = draw([(38, 0, 1, -1, 3)], 4)
    assert frames.shape == (4, 40, 40)
    assert frames.sum(axis=(1, 2)).tolist() == [6.0, 2.0, 0.0, 0.0]  # it leaves by the corner
    assert frames[0, 0:3, 38:40].all()


@pytest.mark.parametrize(
    "text", ["", "1 2 3", "a b c d e", "40 0 0 0 3", "0 0 4 0 3", "0 0 0 0 1", "1 1 1 1 3\n" * 9]
)
def test_what_is_no_square_is_said(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        read_squares(text)


def test_a_film_is_two_strips_and_a_scrubber() -> None:
    frames = draw([(1, 1, 1, 1, 3)], 5)
    html = film_html(frames[:2], frames[2:], frames[2:] * 0.5)
    assert html.count("data:image/png;base64,") == 2
    assert 'max="4"' in html
    assert "Frame 3 of 5: forecast" in html
    assert gif_bytes(frames[:2], frames[2:], frames[2:]).startswith(b"GIF89a")


# ----------------------------------------------------------------------------------------- addition


def _addition(says: list[int]) -> Addition:
    inputs = np.array([[1, 1], [1, 0], [0, 0]])  # 3 + 1, the lowest bit first
    bits = np.array(says)
    hidden = np.array([[0.9, -0.9], [0.1, -0.1], [0.0, 1.5]])
    said = int((bits << np.arange(3)).sum())
    return Addition(3, 1, said, 4, inputs, bits * 0.9 + 0.05, bits, hidden)


def test_an_addition_is_shown_step_by_step() -> None:
    html = addition_html(_addition([0, 0, 1]))
    assert "3 + 1 = <b>4</b> (right)" in html
    assert html.count("<mark") == 0
    assert html.count('class="lp-heat-unit"') == 2
    assert html.count(">+</td>") == 2  # strong ones say their sign, not by colour alone
    assert html.count(">−</td>") == 1
    assert "--h:100%" in html
    wrong = addition_html(_addition([0, 1, 1]))
    assert "(wrong: it is 4)" in wrong
    assert wrong.count('<mark title="wrong">1!</mark>') == 1


def test_numbers_are_read_in_two_ways() -> None:
    texts = ("87", " 1,000 ", "0b1010111", "0", str(2**64 - 1))
    assert [read_number(t, "first") for t in texts] == [87, 1000, 87, 0, 2**64 - 1]
    for text in ("", "-1", "1.5", "0b", "0b12", HOSTILE, str(2**64), "١"):
        with pytest.raises(InputError, match=r"The first number is .*expected a whole number"):
            read_number(text, "first")


# ------------------------------------------------------------------------------------------ weather


def test_alarms_say_in_words_whether_they_ring() -> None:
    html = alarms_html([Finding("scaler", False, "Quiet."), Finding("target", True, HOSTILE)])
    assert html.count("⚠ Alarm") == 1
    assert html.count("✓ Quiet") == 1
    assert "<script" not in html


def test_a_forecast_is_drawn_from_the_last_value_read() -> None:
    made = Forecast(
        "nyc", "temp", "°C", 24.0, 0.9, ["2020-01-01T00:00:00", "2020-01-01T01:00:00"], [1.0, 2.0],
        ["2020-01-01T02:00:00", "2020-01-02T01:00:00"], [0.0, 1.0], [1.0, 2.0], [2.0, 3.0],
        [1.5, None],
    )  # fmt: skip
    figure = forecast_figure(made)
    read, said, came = figure.series
    assert list(read.x) == [-1.0, 0.0]
    assert list(said.x) == [1.0, 24.0]
    assert list(said.low) == [0.0, 1.0]
    assert (list(came.x), list(came.y)) == ([1.0], [1.5])
    assert figure.x_label == "hours from 2020-01-01 01:00"


# ------------------------------------------------------------------------------------------- voices


def test_there_is_no_voice_without_a_reply() -> None:
    from app.lab.voice import can_be_told, reply_voice_html
    from app.store import Thread
    from corpora.errors import LetterError

    thread = Thread("id", "", "newton", "", "", "", "")
    assert not can_be_told(thread)
    with pytest.raises(LetterError, match="no reply yet"):
        reply_voice_html(thread, "Isaac Newton")
