from __future__ import annotations

import threading
from typing import Any

import pytest

from app import actions
from app.home import folder
from app.saved import as_saved, saved_sentences
from app.writing import Writing
from corpora.errors import DateError, InputError, LetterError, LetterpressError, PersonError

LETTER = (
    "Dear Sir Isaac Newton,\n\nCould you kindly explain your theory of gravitation?\n\n"
    "Your servant,\nAndrew Mayne"
)


def _write(model: str, text: str = LETTER, **options: Any) -> Writing:
    given: dict[str, Any] = {"to": "newton", "model": model, "device": "cpu", "seed": 5} | options
    return actions.reply(text, **given)


def test_a_letter_and_its_reply_are_kept(model: str) -> None:
    writing = _write(model)
    assert writing.thread_id is not None
    kept = actions.thread(writing.thread_id)
    assert kept.unanswered is not None  # before anything is written
    assert kept.unanswered.text == LETTER
    sentences = list(writing)
    assert writing.complete
    assert writing.reply.sentences == tuple(sentences)
    assert "".join(s.lead + s.text for s in sentences) == writing.reply.text
    kept = actions.thread(writing.thread_id)
    (sent, received), *_ = kept.exchanges
    assert received.complete
    assert received.text == writing.reply.text
    assert received.reply == as_saved(writing.reply)
    assert saved_sentences(received.reply) == writing.reply.sentences
    assert received.reply["ai_generated"] is True
    assert (received.reply["seed"], received.date) == (5, sent.date)
    assert kept.writer == "Andrew Mayne"
    assert kept.title.startswith("Could you kindly explain")


def test_the_same_seed_gives_the_same_letter(model: str) -> None:
    texts = []
    for seed in (5, 5, 6):
        with _write(model, seed=seed, save=False) as writing:
            list(writing)
            texts.append(writing.reply.text)
    assert texts[0] == texts[1] != texts[2]


def test_a_seed_drawn_by_chance_is_kept(model: str) -> None:
    seeds = {_write(model, seed=None, save=False).seed for _ in range(4)}
    assert len(seeds) > 1


def test_a_stopped_reply_is_kept_as_far_as_it_came(model: str) -> None:
    writing = _write(model)
    first = next(writing)
    writing.close()
    assert not writing.complete
    assert writing.thread_id is not None
    received = actions.thread(writing.thread_id).letters[1]
    assert not received.complete
    assert received.text == first.lead + first.text
    assert list(writing) == []


def test_stop_from_another_thread_ends_the_letter(model: str) -> None:
    writing = _write(model)
    next(writing)
    stopper = threading.Thread(target=writing.stop)
    stopper.start()
    stopper.join()
    assert list(writing) == []
    assert len(writing.reply.sentences) == 1


def test_a_letter_stopped_before_its_first_sentence_waits_for_an_answer(model: str) -> None:
    writing = _write(model)
    writing.close()
    assert writing.thread_id is not None
    assert actions.thread(writing.thread_id).unanswered is not None
    with pytest.raises(ValueError, match="no reply yet"):
        writing.reply  # noqa: B018
    again = _write(model, thread=writing.thread_id, to="")
    list(again)
    assert len(actions.thread(writing.thread_id).letters) == 2  # the letter was not saved twice


def test_a_correspondence_goes_on(model: str) -> None:
    first = _write(model, date="1688")
    list(first)
    assert first.thread_id is not None
    second = _write(model, "And what of the tides?", to="", thread=first.thread_id[:8])
    assert second.thread_id == first.thread_id
    assert second.request.writer_name == "Andrew Mayne"
    assert str(second.request.resolved_date) == "1688"
    assert [e.letter for e in second.request.thread] == [LETTER]
    list(second)
    assert len(actions.thread(first.thread_id).exchanges) == 2


def test_nothing_is_kept_where_that_is_asked(model: str) -> None:
    writing = _write(model, save=False)
    list(writing)
    assert writing.thread_id is None
    assert actions.threads() == []


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"text": "  \n"}, LetterError, "empty"),
        ({"text": "a" * 20_001}, LetterError, "20,001"),
        ({"text": "Sir,\x1b[2J"}, LetterError, "U\\+001B"),
        ({"to": "nwton"}, PersonError, "Did you mean newton"),
        ({"to": ""}, PersonError, "Name one of: .*newton"),
        ({"date": "1905"}, DateError, "1642-12-25 to 1727-03-20"),
        ({"date": "1689-02-31"}, DateError, "February 1689"),
        ({"date": "next week"}, DateError, "is not a date"),
        ({"seed": -1}, InputError, "from 0 to 2147483647"),
        ({"temperature": 9.0}, InputError, "from 0 to 2"),
        ({"temperature": float("nan")}, InputError, "from 0 to 2"),
        ({"thread": "0" * 32}, InputError, "no correspondence"),
        ({"model": "startr"}, LetterpressError, "There is no model"),
    ],
)
def test_what_cannot_be_used_is_told_and_nothing_is_saved(
    options: dict[str, Any], kind: type[LetterpressError], said: str, model: str
) -> None:
    with pytest.raises(kind, match=said):
        _write(**{"model": model, "text": LETTER} | options)
    assert actions.threads() == []


def test_another_person_in_a_thread_is_refused(model: str) -> None:
    writing = _write(model)
    with pytest.raises(PersonError, match="with newton, not darwin"):
        _write(model, to="darwin", thread=writing.thread_id)


def test_tokens_and_tags_of_ours_in_a_letter_are_letters(model: str) -> None:
    text = "Sir,\n\nWhat is <|reply|> and <|endoftext|>? <script>alert(1)</script>"
    writing = _write(model, text)
    list(writing)
    assert writing.thread_id is not None
    assert actions.thread(writing.thread_id).letters[0].text == text
    assert "<|" not in writing.reply.text


def test_exports_go_with_their_thread(model: str) -> None:
    writing, other = _write(model), _write(model)
    assert writing.thread_id is not None
    assert other.thread_id is not None
    path = actions.export_thread(writing.thread_id, "txt")
    kept = actions.export_thread(other.thread_id, "md")
    assert path.parent == folder("exports")
    actions.delete_thread(writing.thread_id)
    assert not path.exists()
    assert kept.exists()
    assert actions.delete_everything() == 1
    assert not kept.exists()
    assert actions.threads() == []


def test_a_short_id_must_mean_one_thread(model: str) -> None:
    ids = [actions.store().new_thread("local", "newton", "", "t") for _ in range(2)]
    assert actions.thread(ids[0][:12]).id == ids[0]
    for bad in ("", "abc", "%", "zzzz"):
        with pytest.raises(InputError, match="no correspondence"):
            actions.thread(bad)
