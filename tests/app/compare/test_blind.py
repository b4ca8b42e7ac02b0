from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app import actions
from app.compare.blind import (
    PROMPTS,
    BlindSettings,
    Drawing,
    _tidy,
    ends_whole,
    equalised,
    prompt_for,
)
from app.compare.votes import CHOICES as ALL_CHOICES
from app.compare.votes import Pair, Vote, Votes, Written
from app.generating import Generation
from app.library import Library
from app.ui.blind_paper import CHOICES, pair_html, progress_html, rating_html, vote_said
from corpora.errors import InputError, ModelError
from engine.generation import generate
from engine.sampling import SamplingSettings
from engine.tokenizers import byte_tokenizer, character_tokenizer, encode_text
from lm.gpt2 import LETTER_TOKENS, Size, from_scratch
from recurrent import sizes
from tests.fakes import tiny_model

PROMPT = "My dear friend,\n\n"
SETTINGS = BlindSettings(SamplingSettings(temperature=1.0), 120)
HOSTILE = "<script>alert(1)</script><img src=x> ${alert(2)} {{value}}"


def recurrent(folder: Path, cell: str) -> None:
    """A model of fresh weights that writes letters, not bytes, and never ends its text."""
    tokenizer = character_tokenizer(["abcdefghijklmnopqrstuvwxyz ,.\n"])
    model = sizes.from_scratch(cell, tokenizer, sizes.Size(1, 16, 8), seed=3)
    with torch.no_grad():
        model.head.bias[: 1 + 256] -= 1e4  # the end and the bytes come first
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def silent(folder: Path) -> None:
    """A GPT-2 that ends every text at once: its last layer always points at the end."""
    tokenizer = byte_tokenizer(LETTER_TOKENS)
    model = from_scratch(tokenizer, Size(n_layer=1, n_embd=16, n_head=2, block_size=512), seed=1)
    with torch.no_grad():
        model.transformer.ln_f.bias.add_(1e4 * model.transformer.wte.weight[tokenizer.eos_token_id])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("models")
    for cell in ("lstm", "gru"):
        recurrent(home / cell, cell)
    silent(home / "silent")
    tiny_model(home / "gpt")
    return {path.name: str(path) for path in home.iterdir()}


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


@pytest.fixture
def votes() -> Votes:
    return Votes(actions.store().database)


def drawing(
    library: Library, votes: Votes, models: dict[str, str], seed: int = 0, *names: str
) -> Drawing:
    chosen = [models[name] for name in names or ("gru", "lstm")]
    return Drawing(library, votes, chosen, PROMPT, seed, SETTINGS, device="cpu")


# ------------------------------------------------------------------------------------------ pairs


def test_a_pair_is_two_models_of_one_length_kept_and_made_again_by_its_seed(
    library: Library, votes: Votes, models: dict[str, str]
) -> None:
    first = drawing(library, votes, models, 3)
    assert first.fraction == 0.0
    pair = first.run()
    assert pair is not None
    assert first.fraction == 1.0
    assert {pair.a.model, pair.b.model} == {models["gru"], models["lstm"]}
    assert abs(len(pair.a.text) - len(pair.b.text)) <= 16
    assert max(len(pair.a.text), len(pair.b.text)) <= 120
    assert pair.settings == {**SETTINGS.as_json}
    assert len(pair.a.hash) == len(pair.b.hash) == 64
    assert votes.vote(pair.id, "b", "local").pair == pair
    # The order in which the models were named is nothing.
    again = drawing(library, votes, models, 3, "lstm", "gru").run()
    assert again is not None
    assert (again.a, again.b) == (pair.a, pair.b)
    assert again.id != pair.id


def test_each_text_is_what_its_model_writes_alone_with_that_seed(
    library: Library, votes: Votes, models: dict[str, str]
) -> None:
    pair = drawing(library, votes, models, 5).run()
    assert pair is not None
    for written in (pair.a, pair.b):
        alone = Generation(
            library, written.model, PROMPT, SETTINGS.sampling, written.seed, 200, device="cpu"
        )
        whole = "".join(alone)
        assert whole.startswith(written.text)


def test_models_and_sides_are_drawn_evenly(
    library: Library, votes: Votes, models: dict[str, str]
) -> None:
    """Of three models each ordered pair comes up a sixth of the time, within five deviations."""
    counts: dict[tuple[str, ...], int] = {}
    n = 600
    for seed in range(n):
        sides = drawing(library, votes, models, seed, "gru", "lstm", "silent")._texts
        key = tuple(text.name for text in sides)
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6
    spread = 5 * (n * 1 / 6 * 5 / 6) ** 0.5
    assert all(abs(count - n / 6) < spread for count in counts.values())


def test_the_same_model_under_two_names_is_no_pair(
    library: Library, votes: Votes, models: dict[str, str]
) -> None:
    for names in ([], [models["gru"]], [models["gru"], models["gru"]], ["starter", "gpt2"]):
        with pytest.raises(InputError, match="at least two different ones"):
            Drawing(library, votes, names, PROMPT, 0)
    with pytest.raises(ModelError, match="no model 'nobody'"):
        Drawing(library, votes, [models["gru"], "nobody"], PROMPT, 0)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [("", "empty"), (" \n", "empty"), ("a" * 20_001, "at most 20,000"), ("a\x00", "NUL")],
)
def test_a_prompt_that_cannot_be_used_is_told(
    library: Library, votes: Votes, models: dict[str, str], prompt: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        Drawing(library, votes, [models["gru"], models["lstm"]], prompt, 0)


def test_a_model_that_says_nothing_is_told_without_its_name(
    library: Library, votes: Votes, models: dict[str, str]
) -> None:
    silenced = drawing(library, votes, models, 1, "lstm", "silent")
    with pytest.raises(InputError, match="Try another prompt") as caught:
        silenced.run()
    assert models["silent"] not in str(caught.value)
    tried = [len(text._tries) for text in silenced._texts if text.name == models["silent"]]
    assert tried == [3]
    assert votes.all("local") == []


@pytest.mark.parametrize("after", [0, 300])
def test_stopping_keeps_what_there_is_if_it_is_enough(
    library: Library, votes: Votes, models: dict[str, str], after: int
) -> None:
    """It is stopped by what the models write, not by the clock."""
    long = BlindSettings(SamplingSettings(temperature=1.0), 2000)
    stopped = Drawing(
        library, votes, [models["gru"], models["lstm"]], PROMPT, 6, long, device="cpu"
    )
    begun = threading.Event()
    worker_pair: list[Pair | None] = []

    def write() -> None:
        begun.set()
        worker_pair.append(stopped.run())

    worker = threading.Thread(target=write)
    if not after:
        stopped.stop()
    worker.start()
    begun.wait(30)
    while worker.is_alive() and sum(len(text.text) for text in stopped._texts) < after:
        worker.join(0.005)
    stopped.stop()
    worker.join(30)
    (pair,) = worker_pair
    if not after:
        assert pair is None
        return
    assert pair is not None
    assert 60 <= len(pair.a.text.strip()) < 2000
    assert abs(len(pair.a.text) - len(pair.b.text)) <= 16


def test_settings_are_checked_and_prompts_are_ours() -> None:
    for wrong in (99, 2001):
        with pytest.raises(ValueError, match=f"n_characters={wrong}"):
            BlindSettings(n_characters=wrong)
    assert {prompt_for(seed) for seed in range(50)} == set(PROMPTS.values())


@pytest.mark.parametrize("name", ["lstm", "gru", "gpt"])
def test_two_generations_turn_by_turn_are_each_as_alone(
    library: Library, models: dict[str, str], name: str
) -> None:
    """What lets both texts of a pair be written together: the state is a value."""
    loaded = library.borrow(models[name], "cpu").model

    def pieces(seed: int) -> Iterator[str]:
        ids = encode_text(loaded.tokenizer, "my dear friend, ")
        settings = SamplingSettings()
        return generate(loaded.stepper, loaded.tokenizer, ids, settings, seed=seed, max_tokens=40)

    alone = ["".join(pieces(1)), "".join(pieces(2))]
    one, other = pieces(1), pieces(2)
    together = ["", ""]
    for _ in range(60):
        together[0] += next(one, "")
        together[1] += next(other, "")
    assert together == alone


def test_what_steers_a_screen_and_piled_blank_lines_are_not_shown() -> None:
    assert _tidy("a\x00b\x1b[2J\n\n \n\t\n\nc\n\nd\ne") == "a\ufffdb\ufffd[2J\n\nc\n\nd\ne"


# ---------------------------------------------------------------------------------------- lengths


def test_both_are_cut_at_sentence_ends_that_are_near() -> None:
    first = "The rain fell. The wind rose at night. And then"
    second = "She came home. He was long gone by then. Nobody"
    assert equalised(first, second, 45) == (first[:38], second[:40])
    assert first[:38].endswith("night.")
    assert second[:40].endswith("then.")
    assert ends_whole(first[:38])
    assert not ends_whole(first)


def test_without_near_sentence_ends_both_are_cut_at_words() -> None:
    first, second = "one two three four five six", "“Aye. So it is,” said he to us all"
    assert equalised(first, second, 16) == ("one two three", "“Aye. So it is,”")
    assert equalised("one two", second, 16) == ("one two", "“Aye.")
    assert equalised("", second, 16) == ("", "")
    # Chinese has no spaces: a full stop ends the sentence, else any character will do.
    assert equalised("雨下了一夜。风起", "他走了很久了。她", 8) == (
        "雨下了一夜。",
        "他走了很久了。",
    )
    assert equalised("雨下了一夜又一天", "他走了很久她不在", 5) == ("雨下了一夜", "他走了很久")
    # No sign is parted: e with an accent of its own, a family of four.
    assert equalised("caffe\u0301", "x" * 9, 5) == ("caff", "xxxxx")
    family = "👨‍👩‍👧‍👦"
    assert equalised("ab" + family, "y" * 9, 5) == ("ab", "yyyyy")
    with pytest.raises(ValueError, match="limit=0"):
        equalised("a", "b", 0)


words = st.text(alphabet="ab .!?\n”é。雨\u0301", max_size=120)


@given(words, words, st.integers(1, 100))
def test_lengths_differ_by_no_more_than_a_word(first: str, second: str, limit: int) -> None:
    a, b = equalised(first, second, limit)
    assert first.startswith(a)
    assert second.startswith(b)
    assert max(len(a), len(b)) <= limit
    assert abs(len(a) - len(b)) <= 16
    longest = min(limit, len(first), len(second))
    assert min(len(a), len(b)) >= min(longest // 2, longest - 16) - 16
    assert equalised(second, first, limit) == (b, a)


# ------------------------------------------------------------------------------- how it is shown


def _pair(a: str, b: str, names: tuple[str, str] = ("lstm-one", "starter-two")) -> Pair:
    written = (Written(names[0], "9" * 64, 1, a), Written(names[1], "8" * 64, 2, b))
    return Pair("7" * 32, PROMPT, 12345, {}, *written, "2026-01-01")


def test_before_the_vote_only_words_tell_the_sheets_apart() -> None:
    pair = _pair("First text.", "Second text.")
    html = pair_html(pair)
    for secret in ("lstm", "starter", "9999", "8888", "12345", pair.id):
        assert secret not in html
    sheets = re.findall(r"<section.*?</section>", html, re.S)
    assert len(sheets) == 2
    a = sheets[0].replace("First text.", "*").replace("Text A", "Text *").replace("<h3>A", "<h3>*")
    b = sheets[1].replace("Second text.", "*").replace("Text B", "Text *").replace("<h3>B", "<h3>*")
    assert a == b
    # The same texts by other models give the same bytes.
    assert html == pair_html(_pair("First text.", "Second text.", ("x", "y")))


def test_a_cut_is_marked_on_both_sheets_or_on_none() -> None:
    assert "…" not in pair_html(_pair("First text.", "Second text."))
    assert pair_html(_pair("First text.", "Second text and")).count(" …") == 2


@pytest.mark.parametrize("choice", ALL_CHOICES)
def test_after_the_vote_the_names_are_there(choice: str) -> None:
    vote = Vote(_pair("First text.", "Second text."), choice, "now")  # type: ignore[arg-type]
    html = pair_html(vote.pair, vote)
    assert html.index("lstm-one") < html.index("starter-two")
    assert html.count("your choice") == (choice in "ab")
    assert "lstm-one" in vote_said(vote)
    assert "starter-two" in vote_said(vote)
    assert set(CHOICES) == set(ALL_CHOICES)


def test_nothing_that_was_written_becomes_markup() -> None:
    from app.compare.standings import standings

    pair = Pair(
        "7" * 32, HOSTILE, 1, {}, Written(HOSTILE, "", 1, HOSTILE), Written("y", "", 2, HOSTILE), ""
    )
    vote = Vote(pair, "a", "now")
    for html in (pair_html(pair), pair_html(pair, vote), rating_html(standings([vote]))):
        assert "<script" not in html
        assert "<img" not in html
        assert "&lt;script&gt;" in html


def test_the_rating_says_what_is_to_come_and_progress_how_far() -> None:
    from app.compare.standings import standings

    assert "No votes yet" in rating_html(standings([]))
    html = rating_html(standings([Vote(_pair("a", "b"), "a", "now")]))
    assert "Rating after 1 vote<" in html
    assert "needed to tell lstm-one from starter-two" in html
    assert html.index("lstm-one") < html.index("starter-two")
    lefts = [float(x) for x in re.findall(r"left:([\d.]+)%", html)]
    assert all(0 <= left <= 100 for left in lefts)
    assert "Getting the models ready" in progress_html(0.0, None)
    assert "25% written, about 3 s left" in progress_html(0.25, 3.2)
