"""Cells without a browser: the logic, the command, and what the view is made of."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from app import cli
from app.compare.cells import (
    LONGEST,
    Cells,
    halves,
    own_letter,
    recurrent_models,
    searched_letters,
    shape_of,
)
from app.home import home
from app.library import Library
from app.ui.cells_paper import (
    Scale,
    choices,
    found_html,
    shaded_html,
    unit_html,
    without_html,
)
from corpora.errors import InputError, ModelError
from engine.checkpoint import RunFolder
from engine.scoring import text_bits
from engine.tokenizers import byte_tokenizer
from lm.gpt2 import LETTER_TOKENS
from recurrent.insight import Unit, switched_off, trace
from recurrent.sizes import Size, from_scratch
from recurrent.telling import Telling

HOSTILE = "<script>alert(1)</script> \" ' & <img src=x> ${alert(2)} "
TEXT = "Dear Sir,\n\nI am well. " * 12


def _save(folder: Path, cell: str = "lstm") -> None:
    tokenizer = byte_tokenizer(LETTER_TOKENS)
    from_scratch(cell, tokenizer, Size(2, 8, 4), seed=3).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = tmp_path_factory.mktemp("lstm")
    _save(made)
    return str(made)


@pytest.fixture(scope="module")
def cells() -> Cells:
    return Cells(Library(), "cpu")


# ------------------------------------------------------------------------------------------ logic


def test_which_models_have_cells(model: str, folder: str) -> None:
    library = Library()
    RunFolder(home() / "runs" / "mine").publish(1, lambda at: _save(at, "gru"))
    assert "mine" in recurrent_models(library)
    assert "starter" not in recurrent_models(library)
    shape = shape_of(library, "mine")
    assert (shape.cell, shape.n_layer, shape.hidden_size) == ("gru", 2, 8)
    assert shape_of(library, folder).cell == "lstm"
    for name in ("starter", "gpt2", model, "openai-community/gpt2"):
        with pytest.raises(InputError, match=r"not a recurrent network: it has no cells.*an rnn"):
            shape_of(library, name)
    with pytest.raises(ModelError, match="There is no model 'nobody'"):
        shape_of(library, "nobody")


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_model_whose_settings_cannot_be_read_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content, "utf-8")
    with pytest.raises(ModelError, match=r"no config\.json that can be read"):
        shape_of(Library(), str(tmp_path))


def test_a_unit_along_a_text_is_its_column_of_the_trace(cells: Cells, folder: str) -> None:
    warm, model = cells.borrow(folder)
    for part in ("hidden", "cell", "forget"):
        whole = trace(model, warm.model.tokenizer, TEXT, part)
        found = cells.along(folder, TEXT, Unit(1, 5), part)
        np.testing.assert_allclose(found, whole[:, 1, 5], atol=1e-6)
        assert cells.along(folder, TEXT, Unit(1, 5), part).base is found.base  # not made again


@pytest.mark.parametrize(
    ("text", "unit", "part", "said"),
    [
        (" \n", Unit(0, 0), "hidden", "The text is empty"),
        ("a" * (LONGEST + 1), Unit(0, 0), "hidden", "5,001 characters; at most 5,000"),
        ("a", Unit(2, 0), "hidden", "no unit 2:0; its layers go from 0 to 1"),
        ("a", Unit(0, 8), "hidden", "no unit 0:8; .* from 0 to 7"),
        ("a", Unit(0, 0), "reset", "has no 'reset'; expected one of: hidden, cell, input"),
    ],
)
def test_what_cannot_be_shown_is_told(
    cells: Cells, folder: str, text: str, unit: Unit, part: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        cells.along(folder, text, unit, part)


@pytest.mark.parametrize("hold", ["zero", "mean"])
def test_without_a_unit_is_scored_and_written_by_the_same_model(
    cells: Cells, folder: str, hold: str
) -> None:
    warm, model = cells.borrow(folder)
    without = cells.without(folder, TEXT, Unit(1, 2), hold)  # type: ignore[arg-type]
    said = list(without)
    assert [words.split()[0] for words in said] == ["Reading", "Reading", "Writing", "Writing"]
    value = float(cells.along(folder, TEXT, Unit(1, 2)).mean()) if hold == "mean" else 0.0
    off = switched_off(model, Unit(1, 2), value)
    tokenizer, n_bytes = warm.model.tokenizer, len(TEXT.encode("utf-8"))
    for score, scored in zip(without.scores, (model, off), strict=True):
        expected = text_bits(scored, tokenizer, TEXT) / n_bytes
        assert score.bits_per_byte == pytest.approx(expected)
    assert without.difference == pytest.approx(without.cost.sum() / n_bytes)
    assert without.interval is None  # 264 characters are two stretches
    assert len(without.samples) == 2
    again = cells.without(folder, TEXT, Unit(1, 2), hold)  # type: ignore[arg-type]
    list(again)
    assert again.samples == without.samples


def test_a_longer_text_has_an_interval_around_the_difference(cells: Cells, folder: str) -> None:
    without = cells.without(folder, TEXT * 5, Unit(1, 2))
    list(without)
    assert without.interval is not None
    low, high = without.interval
    assert low <= without.difference <= high


def test_comparing_that_is_left_keeps_what_there_is(cells: Cells, folder: str) -> None:
    without = cells.without(folder, TEXT, Unit(0, 0))
    for said in without:
        if said.startswith("Writing"):
            break
    assert len(without.scores) == 2
    assert without.samples == []
    assert "Difference" in without_html(without)


def test_units_are_sought_in_letters_and_in_a_text_of_ones_own(cells: Cells, folder: str) -> None:
    hunt = cells.hunt(folder, TEXT)
    assert list(hunt)[-1] == 1
    assert {t.what for t in hunt.found} >= {"line", "word", "word start"}
    assert all(t.n_units == 16 for t in hunt.found)
    choosing, judging = searched_letters()
    assert set(choosing).isdisjoint(judging)
    for side in (choosing, judging):
        assert 12_000 <= sum(map(len, side)) < 18_000
        assert all(text.startswith("Dear ") for text in side)
        assert sum(text.count('"') for text in side) >= 16
    assert 500 < len(own_letter()) <= LONGEST


@given(st.text(min_size=1, max_size=200))
def test_halves_join_to_the_text(text: str) -> None:
    (first,), (second,) = halves(text)
    assert first + second == text
    assert len(text) // 4 <= len(first) <= 3 * len(text) // 4


# ---------------------------------------------------------------------------------------- command


def run(*arguments: str, text: str = "") -> Result:
    return CliRunner().invoke(cli.app, ["cells", *arguments], input=text)


def test_the_command_finds_shows_and_switches_off(folder: str, cells: Cells) -> None:
    found = json.loads(run(folder, "--text", "-", "--json", text=TEXT).stdout)
    assert found["units_tried"] == found["units"] == 16
    assert {row["what"] for row in found["found"]} >= {"line", "word start"}
    assert "quotation" in found["left_out"]

    options = ("--text", "-", "--unit", "1:5", "--part", "cell", "--off", "0:3", "--hold", "mean")
    shown = json.loads(run(folder, *options, "--json", text=TEXT).stdout)
    assert shown["text"] == TEXT
    expected = cells.along(folder, TEXT, Unit(1, 5), "cell")
    np.testing.assert_allclose(shown["values"], expected, atol=1e-5)
    assert shown["held_at"] == pytest.approx(cells.along(folder, TEXT, Unit(0, 3)).mean())
    assert shown["difference"] == pytest.approx(np.diff(shown["bits_per_byte"])[0])

    plain = run(folder, "--text", "-", text=TEXT)
    assert re.search(r"^letters since the word began +\d:\d ", plain.stdout, re.MULTILINE)
    assert "Not searched for" in plain.stderr
    lines = run(folder, "--unit", "1:5", "--text", "-", text="a\nb").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["'a'", "'\\n'", "'b'"]
    told = run(folder, "--off", "1:5", "--text", "-", text=TEXT).stdout
    assert "Bits per byte of the text" in told
    assert "Without it, seed 1:" in told


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("starter",), 2, "starter is not a recurrent network"),
        (("nobody",), 3, "There is no model 'nobody'"),
        (("FOLDER", "--unit", "x"), 2, "The unit is 'x'; expected a layer and a number"),
        (("FOLDER", "--unit", "0:99"), 2, "no unit 0:99"),
        (("FOLDER", "--unit", "0:1", "--part", "soul"), 2, "has no 'soul'"),
        (("FOLDER", "--off", "0:1", "--text", "-"), 2, "The text is empty"),
        (("FOLDER", "--off", "0:1", "--text", "nowhere.txt"), 2, "There is no file nowhere.txt"),
    ],
)
def test_mistakes_are_told_in_a_line(
    folder: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = run(*(folder if a == "FOLDER" else a for a in arguments))
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.output


# ------------------------------------------------------------------------------------------- view


def test_nothing_that_was_written_becomes_markup(cells: Cells, folder: str) -> None:
    text = HOSTILE * 3
    without = cells.without(folder, text, Unit(0, 0))
    without.opening = HOSTILE
    list(without)
    values = cells.along(folder, text, Unit(0, 0))
    for html in (unit_html(text, values, Unit(0, 0), "hidden"), without_html(without)):
        assert "<script" not in html
        assert "<img" not in html
        assert "&lt;script&gt;" in html


@given(st.text(min_size=1, max_size=50))
def test_every_character_is_shown_with_its_value(text: str) -> None:
    values = np.linspace(-1, 1, len(text))
    html = shaded_html(text, values, Scale(0, 1), "x")
    shown = html.partition('<span aria-hidden="true">')[2]
    pieces = [piece.partition(">")[2] for piece in shown.split("</i>")[:-1]]
    assert [unescape(piece) for piece in pieces] == list(text)
    assert shown.count(f'title="{values[-1]:.2f}"') >= 1


def test_shades_are_symmetric_around_the_middle() -> None:
    scale = Scale.of(np.array([-0.2, 0.0, 0.4]), "hidden")
    assert [scale.shade(v) for v in (-9, -0.4, 0, 0.2, 0.4, 9)] == [-4, -4, 0, 2, 4, 4]
    gate = Scale.of(np.array([0.1]), "forget")
    assert [gate.shade(v) for v in (0, 0.5, 1)] == [-4, 0, 4]
    assert [gate.value(s) for s in (-4, 0, 4)] == [0, 0.5, 1]


@pytest.mark.parametrize("n", [1, 2, 499, 1201])
def test_the_curve_goes_from_end_to_end(n: int) -> None:
    values = np.sin(np.arange(n) / 7)
    html = unit_html("a" * n, values, Unit(0, 1), "hidden")
    points = html.partition('<polyline points="')[2].partition('"')[0].split()
    assert len(points) <= 1000
    places = [[float(part) for part in point.split(",")] for point in points]
    assert places == sorted(places, key=lambda place: place[0])
    assert all(0 <= x <= 1000 and 0 <= y <= 160 for x, y in places)
    assert places[0][0] < 5
    assert n == 1 or places[-1][0] > 995


def test_verdicts_say_what_the_scores_do() -> None:
    def told(score: float, control: float, alone: float) -> Telling:
        return Telling("line", Unit(1, 2), 0.9, score, control, alone, 16)

    for telling, verdict in (
        (told(0.8, 0.2, 0.1), "tells it from memory"),
        (told(0.8, 0.2, 0.8), "no more than the last character"),
        (told(0.1, 0.2, 0.0), "no more than chance"),
        (told(-0.9, 0.2, 0.0), "no more than chance"),  # the other way round than where chosen
    ):
        assert f">{verdict}<" in found_html([telling], 16, ["quotation"])
    assert choices([told(0.8, 0.2, 0.1)]) == [
        ("Characters since the line began: 1:2 (0.80)", "1:2")
    ]
