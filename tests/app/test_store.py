from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.store import Sent, Store
from corpora.errors import InputError

LETTER = Sent("Sir,\n\nWhat holds the Moon?", "1689-05-14", "Grantham")
REPLY = {"reply": "Gravity.", "date": "1689-05-20", "place": "Cambridge", "sentences": [1, 2]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "letters.sqlite3") as store:
        yield store


def test_a_thread_comes_back_as_it_was_saved(store: Store) -> None:
    thread_id = store.new_thread("local", "newton", "Thomas", "What holds the Moon?", LETTER)
    assert len(thread_id) == 32
    assert int(thread_id, 16) >= 0
    assert store.thread(thread_id, "local").unanswered is not None
    store.add_reply(thread_id, "local", REPLY, complete=False)
    thread = store.thread(thread_id, "local")
    sent, received = thread.letters
    assert (sent.text, sent.date, sent.place) == (LETTER.text, LETTER.date, LETTER.place)
    assert (sent.direction, sent.complete, sent.reply) == ("sent", True, None)
    assert (received.direction, received.complete, received.reply) == ("received", False, REPLY)
    assert (received.text, received.date) == ("Gravity.", "1689-05-20")
    assert thread.exchanges == ((sent, received),)
    assert thread.unanswered is None
    store.close()
    with Store(store.database.path) as opened_again:
        assert opened_again.thread(thread_id, "local") == thread


def test_a_letter_sent_again_before_its_reply_is_saved_once(store: Store) -> None:
    thread_id = store.new_thread("local", "newton", "", "t", LETTER)
    again = store.add_letter(thread_id, "local", LETTER)
    assert [letter.id for letter in store.thread(thread_id, "local").letters] == [again]
    store.add_reply(thread_id, "local", REPLY, complete=True)
    assert store.add_letter(thread_id, "local", LETTER) != again  # after a reply it is a new one
    assert [x.position for x in store.thread(thread_id, "local").letters] == [0, 1, 2]


def test_an_exchange_is_saved_whole_or_not_at_all(store: Store) -> None:
    thread_id = store.new_thread("local", "newton", "", "t")
    store.add_exchange(thread_id, "local", LETTER, REPLY)
    bad = {**REPLY, "reply": "half \ud800 a character"}
    with pytest.raises(InputError, match="half of a character"):
        store.add_exchange(thread_id, "local", Sent("Another letter."), bad)
    assert len(store.thread(thread_id, "local").letters) == 2


def test_another_owner_and_no_such_thread_sound_the_same(store: Store) -> None:
    mine = store.new_thread("anna", "newton", "", "t", LETTER)
    calls: list[Callable[[str], object]] = [
        lambda i: store.thread(i, "boris"),
        lambda i: store.add_letter(i, "boris", LETTER),
        lambda i: store.add_reply(i, "boris", REPLY, True),
        lambda i: store.delete_thread(i, "boris"),
    ]
    for call in calls:
        said = []
        for thread_id in (mine, "0" * 32):
            with pytest.raises(InputError) as caught:
                call(thread_id)
            said.append(str(caught.value))
        assert said[0] == said[1]
    assert store.threads("boris") == []
    assert len(store.thread(mine, "anna").letters) == 1


def test_threads_are_listed_by_the_last_letter(store: Store) -> None:
    first = store.new_thread("local", "newton", "", "first", LETTER)
    second = store.new_thread("local", "darwin", "", "second", LETTER)
    assert [row.id for row in store.threads("local")] == [second, first]
    store.add_reply(first, "local", REPLY, True)
    assert [row.id for row in store.threads("local")] == [first, second]


def test_deleted_words_are_in_no_file(store: Store, tmp_path: Path) -> None:
    marker = "quicksilver-marker"
    one = store.new_thread("local", "newton", marker, marker, Sent(marker * 3))
    store.add_reply(one, "local", {**REPLY, "reply": marker}, True)
    keep = store.new_thread("other", "newton", "", "kept", LETTER)
    store.new_thread("local", "newton", marker, marker, Sent(marker))
    assert any(marker.encode() in file.read_bytes() for file in tmp_path.iterdir())
    store.delete_thread(one, "local")
    assert store.delete_everything("local") == 1
    assert not any(marker.encode() in file.read_bytes() for file in tmp_path.iterdir())
    assert store.thread(keep, "other").letters


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_any_text_comes_back_or_is_refused(store: Store, text: str) -> None:
    refused = "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text)
    if refused:
        with pytest.raises(InputError, match="UTF-8"):
            store.new_thread("local", "newton", "", "t", Sent(text))
        return
    thread_id = store.new_thread("local", "newton", "", "t", Sent(text))
    assert store.thread(thread_id, "local").letters[0].text == text


WRITER = """
import sys
from pathlib import Path
from app.store import Sent, Store
store = Store(Path(sys.argv[1]))
for i in range(int(sys.argv[4])):
    store.add_letter(sys.argv[2], "local", Sent(f"{sys.argv[3]} {i}"))
    print(f"{sys.argv[3]} {i}", flush=True)
"""


def _writer(store: Store, thread_id: str, name: str, n: int) -> subprocess.Popen[str]:
    arguments = [str(store.database.path), thread_id, name, str(n)]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True
    )


def test_threads_and_processes_write_at_once(store: Store) -> None:
    """Nothing is lost, doubled or refused, and each writer's letters stay in order."""
    n, thread_id = 10, store.new_thread("local", "newton", "", "t")
    problems: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for i in range(n):
                store.add_letter(thread_id, "local", Sent(f"{name} {i}"))
        except BaseException as problem:
            problems.append(problem)

    processes = [_writer(store, thread_id, f"process{p}", n) for p in range(2)]
    workers = [threading.Thread(target=write, args=(f"thread{t}",)) for t in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert not problems
    letters = store.thread(thread_id, "local").letters
    assert [letter.position for letter in letters] == list(range(5 * n))
    for name in [f"thread{t}" for t in range(3)] + [f"process{p}" for p in range(2)]:
        texts = [x.text for x in letters if x.text.split()[0] == name]
        assert texts == [f"{name} {i}" for i in range(n)]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_an_acknowledged_letter_survives_a_kill(store: Store) -> None:
    thread_id = store.new_thread("local", "newton", "", "t")
    for round_, pause_s in enumerate((0.0, 0.013, 0.029)):
        process = _writer(store, thread_id, f"round{round_}", 10_000)
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip()]
        time.sleep(pause_s)
        process.send_signal(signal.SIGKILL)
        acknowledged += process.communicate()[0].split("\n")
        saved = {letter.text for letter in store.thread(thread_id, "local").letters}
        # The last line may be cut by the kill; a cut line was never acknowledged.
        assert {line for line in acknowledged[:-1] if line} <= saved
    with store.database.reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    positions = [letter.position for letter in store.thread(thread_id, "local").letters]
    assert positions == list(range(len(positions)))
