"""The linear part against scikit-learn's own TF-IDF and logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from recurrent.lab.authors.batches import padded
from recurrent.lab.authors.metrics import fit_scales
from recurrent.lab.authors.model import AuthorNet, Shape, both_logits_of, logits_of
from recurrent.lab.authors.phrases import LinearPart, frequent_phrases

PIECES = 12


def _texts(n: int, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.integers(1, PIECES, random.integers(3, 30)) for _ in range(n)]


def test_the_pairs_most_texts_hold_are_known_and_rarity_is_counted() -> None:
    texts = [np.array(t) for t in ([1, 2, 1, 2], [1, 2, 3], [2, 3, 4])]
    # (1, 2) and (2, 3) are in two texts each, the others in one: there the lower goes first.
    phrases = frequent_phrases(texts, 10, 3)
    assert phrases.keys.tolist() == [12, 21, 23]
    expected = 1 + np.log(4 / (1 + np.array([2, 1, 2])))
    np.testing.assert_allclose(phrases.idf[10:], expected, rtol=1e-6)
    np.testing.assert_allclose(phrases.idf[1:5], 1 + np.log(4 / np.array([3, 4, 3, 2])), rtol=1e-6)
    assert frequent_phrases(texts, 10, 6).keys.tolist() == [12, 21, 23, 34, 100, 101]
    with pytest.raises(ValueError, match="vocab_size=70000 is too large"):
        frequent_phrases(texts, 70_000, 3)
    with pytest.raises(ValueError, match="phrases with 3 pairs must have 4"):
        LinearPart(10, 4, 2, phrases)


def _as_sklearn(texts: list[np.ndarray]) -> tuple[TfidfVectorizer, np.ndarray]:
    vectorizer = TfidfVectorizer(
        token_pattern=r"\S+", ngram_range=(1, 2), sublinear_tf=True, lowercase=False
    )
    return vectorizer, vectorizer.fit_transform([" ".join(map(str, t)) for t in texts])


def test_features_are_those_of_scikit_learn() -> None:
    texts = _texts(20)
    vectorizer, expected = _as_sklearn(texts)
    part = LinearPart(PIECES, 200, 3, frequent_phrases(texts, PIECES, 200))
    ids, lengths = padded(texts)
    rows, shares = part.features(ids, torch.arange(ids.shape[1]) < lengths[:, None])
    found = torch.zeros(20, PIECES + 200).scatter_add_(1, rows, shares).numpy()
    for phrase, column in vectorizer.vocabulary_.items():
        pieces = [int(p) for p in phrase.split()]
        place = pieces[0]
        if len(pieces) == 2:
            key = pieces[0] * PIECES + pieces[1]
            place = PIECES + int(np.flatnonzero(part.keys.numpy() == key)[0])
        np.testing.assert_allclose(
            found[:, place], expected[:, [column]].toarray()[:, 0], atol=1e-6
        )
    np.testing.assert_allclose((found**2).sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_is_scikit_learns_regression(n_classes: int) -> None:
    texts = _texts(30)
    labels = np.arange(30) % n_classes
    _, x = _as_sklearn(texts)
    expected = LogisticRegression(C=100.0, max_iter=500, tol=1e-8).fit(x, labels).predict_proba(x)
    part = LinearPart(PIECES, 200, n_classes, frequent_phrases(texts, PIECES, 200))
    part.solve(texts, labels, max_iter=500)
    ids, lengths = padded(texts)
    logits = part(ids, torch.arange(ids.shape[1]) < lengths[:, None])
    np.testing.assert_allclose(torch.softmax(logits, 1).numpy(), expected, atol=2e-3)


def test_padding_does_not_count() -> None:
    texts = _texts(5)
    part = LinearPart(PIECES, 20, 2, frequent_phrases(texts, PIECES, 20))
    part.weight.copy_(torch.randn(part.weight.shape))
    for text in texts:
        ids, lengths = padded([text])
        alone = torch.from_numpy(text[None])
        torch.testing.assert_close(
            part(ids, torch.arange(ids.shape[1]) < lengths[:, None]),
            part(alone, torch.ones_like(alone, dtype=torch.bool)),
        )


def test_both_parts_add_up_and_are_scaled() -> None:
    texts = _texts(6)
    model = AuthorNet(Shape(PIECES, 3, 4, 4, n_pairs=9), phrases=frequent_phrases(texts, PIECES, 9))
    assert model.linear is not None
    model.linear.solve(texts, np.arange(6) % 3)
    before = both_logits_of(model, texts)
    assert before.shape == (2, 6, 3)
    np.testing.assert_allclose(logits_of(model, texts), before.sum(0))
    model.scale(2.0, 0.5)
    after = both_logits_of(model, texts)
    np.testing.assert_allclose(after, before * np.array([2, 0.5])[:, None, None], rtol=1e-4)
    assert not any(p.requires_grad for p in model.linear.parameters())


def test_scales_trust_the_part_that_knows() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    knows = np.eye(3)[labels] + random.normal(0, 0.7, (300, 3))
    guesses = random.normal(0, 1, (300, 3))
    first, second = fit_scales(np.stack([guesses, knows]), labels)
    assert first < 0.3
    assert second > 1
