from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import actions, cli
from app.compare.votes import CHOICES, Choice, Pair, Votes, Written
from app.database import Database
from app.migrations import STEPS, migrate
from corpora.errors import InputError

A = Written("lstm", "a" * 64, 5, "Rain fell — «ночь» 🌧.")
B = Written("starter", "b" * 64, 6, "The sun rose.")
SETTINGS = {"temperature": 0.8, "n_characters": 400}


@pytest.fixture
def votes(tmp_path: Path) -> Iterator[Votes]:
    database = Database(tmp_path / "letters.sqlite3")
    yield Votes(database)
    database.close()


def show(votes: Votes, owner: str = "local", a: Written = A, b: Written = B) -> Pair:
    return votes.show(owner, "Dear Sir,\n\n", 7, SETTINGS, a, b)


def test_a_vote_comes_back_with_its_whole_pair(votes: Votes, tmp_path: Path) -> None:
    pair = show(votes)
    assert len(pair.id) == 32
    assert votes.all("local") == []
    vote = votes.vote(pair.id, "a", "local")
    assert vote.pair == pair
    assert (pair.a, pair.b, pair.prompt, pair.settings) == (A, B, "Dear Sir,\n\n", SETTINGS)
    opened_again = Database(tmp_path / "letters.sqlite3")
    assert Votes(opened_again).all("local") == [vote]
    opened_again.close()
    data = json.loads(json.dumps(vote.as_json))
    assert data["a"] == {"model": "lstm", "hash": "a" * 64, "seed": 5, "text": A.text}
    assert (data["choice"], data["seed"], data["settings"]) == ("a", 7, SETTINGS)
    assert data["shown"] <= data["voted"]


@pytest.mark.parametrize("choice", CHOICES)
def test_a_double_click_counts_once_and_a_second_thought_not_at_all(
    votes: Votes, choice: Choice
) -> None:
    pair = show(votes)
    first = votes.vote(pair.id, choice, "local")
    assert votes.vote(pair.id, choice, "local") == first
    other = next(c for c in CHOICES if c != choice)
    with pytest.raises(InputError, match="voted for this pair already"):
        votes.vote(pair.id, other, "local")
    assert votes.all("local") == [first]


def test_a_vote_for_what_was_never_shown_is_refused(votes: Votes) -> None:
    pair = show(votes, "anna")
    for pair_id in ("0" * 32, "", pair.id):  # the last is another owner's
        with pytest.raises(InputError, match=r"never shown here.*not counted"):
            votes.vote(pair_id, "a", "boris")
    assert votes.all("boris") == votes.all("anna") == []
    with pytest.raises(ValueError, match="choice='c'"):
        votes.vote(pair.id, "c", "anna")  # type: ignore[arg-type]


def test_the_schema_itself_refuses_a_second_vote_and_one_without_a_pair(votes: Votes) -> None:
    pair = show(votes)
    votes.vote(pair.id, "tie", "local")
    for row in ((pair.id, "a", ""), ("0" * 32, "a", ""), (show(votes).id, "c", "")):
        with pytest.raises(sqlite3.IntegrityError), votes._database.writing() as connection:
            connection.execute("INSERT INTO votes VALUES (?, ?, ?)", row)
    assert len(votes.all("local")) == 1


def test_many_votes_at_once_for_one_pair_count_once(votes: Votes) -> None:
    pair = show(votes)
    counted: list[str] = []
    refused: list[str] = []

    def press(choice: Choice) -> None:
        try:
            counted.append(votes.vote(pair.id, choice, "local").choice)
        except InputError as problem:
            refused.append(str(problem))

    pressed = [threading.Thread(target=press, args=(CHOICES[i % 2],)) for i in range(8)]
    for each in pressed:
        each.start()
    for each in pressed:
        each.join()
    (kept,) = votes.all("local")
    assert counted == [kept.choice] * 4
    assert len(refused) == 4


def test_a_pair_that_cannot_be_kept_is_not_shown(votes: Votes) -> None:
    with pytest.raises(InputError, match="half of a character"):
        show(votes, b=Written("starter", "", 1, "\ud800"))
    with votes._database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM pairs").fetchone()[0] == 0


def test_pairs_without_a_vote_go_after_a_day_and_voted_ones_stay(votes: Votes) -> None:
    voted, looked_at, fresh, another = (
        show(votes),
        show(votes),
        show(votes),
        show(votes, "anna"),
    )
    votes.vote(voted.id, "b", "local")
    with votes._database.writing() as connection:
        connection.execute(
            "UPDATE pairs SET created = '2020-01-01T00:00:00.000000+00:00' WHERE id IN (?, ?, ?)",
            (voted.id, looked_at.id, another.id),
        )
    show(votes)
    assert [vote.pair.id for vote in votes.all("local")] == [voted.id]
    votes.vote(fresh.id, "a", "local")
    votes.vote(another.id, "a", "anna")
    with pytest.raises(InputError, match="never shown"):
        votes.vote(looked_at.id, "a", "local")


def test_deleted_texts_are_in_no_file(votes: Votes, tmp_path: Path) -> None:
    marker = "quicksilver-marker"
    kept = votes.vote(show(votes, "anna").id, "a", "anna")
    for choice in (True, False):
        pair = show(votes, a=Written(marker, "", 1, marker * 3))
        if choice:
            votes.vote(pair.id, "tie", "local")
    assert any(marker.encode() in file.read_bytes() for file in tmp_path.iterdir())
    assert votes.delete("local") == 1
    assert not any(marker.encode() in file.read_bytes() for file in tmp_path.iterdir())
    assert votes.all("local") == []
    assert votes.all("anna") == [kept]


def test_a_store_of_schema_one_keeps_its_letters(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    assert migrate(connection, path, STEPS[:1]) == 1
    row = ("0" * 32, "local", "newton", "Anna", "What holds the Moon?", "then", "now")
    connection.execute("INSERT INTO threads VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    assert migrate(connection, path, STEPS[:2]) == 1
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 2
    assert connection.execute("SELECT * FROM threads").fetchall() == [row]
    assert connection.execute("SELECT count(*) FROM votes").fetchone() == (0,)
    connection.close()
    database = Database(path)
    pair = show(Votes(database))
    assert Votes(database).vote(pair.id, "bad", "local").choice == "bad"
    database.close()


# ------------------------------------------------------------------------------- the command line


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["votes", *arguments])


def test_the_command_tells_the_rating_exports_and_deletes() -> None:
    assert "No votes yet" in run().stderr
    empty = json.loads(run("--json").stdout)
    assert empty["votes"] == []
    assert empty["rating"]["models"] == []
    kept = Votes(actions.store().database)
    for choice in ("a", "a", "b", "tie", "bad"):
        kept.vote(show(kept).id, choice, actions.LOCAL)
    told = run()
    assert told.exit_code == 0
    lines = [line.split() for line in told.stdout.splitlines()]
    assert lines[1][0] == "lstm"
    assert lines[1][-4:] == ["2", "1", "1", "1"]  # won, lost, tied, both bad
    assert lines[2][-4:] == ["1", "2", "1", "1"]
    assert "more votes are needed to tell lstm from starter." in told.stdout
    data = json.loads(run("--json").stdout)
    assert [vote["choice"] for vote in data["votes"]] == ["a", "a", "b", "tie", "bad"]
    assert data["rating"]["models"][0]["model"] == "lstm"
    assert run("--json", "--delete").exit_code == 2
    refused = run("--delete")
    assert refused.exit_code == 2
    assert "5 votes cannot be undone; add --yes" in refused.stderr
    assert "Deleted 5 votes." in run("--delete", "--yes").stderr
    assert kept.all(actions.LOCAL) == []
