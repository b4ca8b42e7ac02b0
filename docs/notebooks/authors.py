# %% [markdown]
# # Who wrote this letter?
#
# A bidirectional LSTM reads a letter in both directions and says whose voice it is. Here it learns
# four of letterpress's correspondents from the bundled replies, which are our own writing, in the
# folder format in which the film reviews of IMDB are published. On the letters of thirty real
# people, `letterpress lab authors` does the same; docs/lab/authors.md has what was measured.

# %%
import tempfile
from pathlib import Path

from corpora.letters import load_pairs
from recurrent.lab.authors import Settings, run, verdict
from recurrent.lab.report import Done

work = Path(tempfile.mkdtemp())
people = ("austen", "darwin", "galileo", "curie")
for person in people:
    for number, pair in enumerate(load_pairs(person)):
        folder = work / "texts" / ("test" if number % 4 == 0 else "train") / person
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{pair.id}.txt").write_text(pair.reply.text, encoding="utf-8")

# %% [markdown]
# Few passages and a small network, so that it takes seconds. The baseline, logistic regression on
# character n-grams, is hard to beat with so little to learn from.

# %%
settings = Settings(
    source=str(work / "texts"), n_train=40, n_valid=0, n_test=0, passage=500, vocab_size=600,
    n_pairs=512, embedding_size=24, hidden_size=16, epochs=12, batch_size=16, lr=1e-2, n_trials=1,
    variants=("bidirectional",), device="cpu",
)  # fmt: skip
for event in run(settings, work / "run"):
    if isinstance(event, Done):
        report = event.report
for row in report.rows:
    print(f"{row.system:45} {row.metric:40} {row.value:.3f}")

# %% [markdown]
# The run left a voice meter in its folder. It says how sure it is, and when nobody fits.

# %%
for person in people:
    reply = load_pairs(person)[0].reply.text
    print(person, "->", verdict(reply, person, work / "run").words)
