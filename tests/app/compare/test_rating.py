from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.compare.rating import POINTS, Match, Outcome, Rating, RatingSettings, rate
from app.compare.standings import signed, standings
from app.compare.votes import Choice, Pair, Vote, Written

FLAT = RatingSettings(prior_sd=1e4)


def matches(won: int, lost: int, tied: int, first: str = "x", second: str = "y") -> list[Match]:
    counts: list[tuple[Outcome, int]] = [("first", won), ("second", lost), ("tie", tied)]
    return [Match(first, second, outcome) for outcome, n in counts for _ in range(n)]


def points(rating: Rating) -> dict[str, float]:
    return {rated.model: rated.points for rated in rating.rated}


# --------------------------------------------------------------------------------- worked by hand


def test_two_models_with_ties() -> None:
    """With w, l, t of n the likelihood's top is log(w / l) and nu = t / sqrt(w l).

    The information about the difference is n (p_w + p_l - (p_w - p_l)^2) / 4 for a fixed eta, and
    less what eta takes: cov(win - loss over 2, tie)^2 / var(tie).
    """
    rating = rate(matches(16, 4, 8), FLAT)
    assert rating.nu == pytest.approx(8 / math.sqrt(64), abs=1e-5)
    difference = rating.difference("y", "x")
    assert (difference.better, difference.worse) == ("x", "y")
    assert difference.points == pytest.approx(400 * math.log10(4), abs=1e-2)
    win, loss, tie, n = 16 / 28, 4 / 28, 8 / 28, 28
    about_gap = (win + loss - (win - loss) ** 2) / 4
    shared = -(win - loss) / 2 * tie
    variance = 1 / (n * (about_gap - shared**2 / (tie * (1 - tie))))
    half = 1.959964 * math.sqrt(variance) * POINTS
    assert difference.high - difference.points == pytest.approx(half, abs=1e-2)
    assert difference.points - difference.low == pytest.approx(half, abs=1e-2)
    assert difference.told
    assert difference.votes_needed == 0


def test_the_variance_is_that_of_a_log_odds_where_eta_is_known_well() -> None:
    """Without ties: 1 / w + 1 / l."""
    rating = rate(matches(30, 10, 0), FLAT)
    difference = rating.difference("x", "y")
    half = 1.959964 * math.sqrt(1 / 30 + 1 / 10) * POINTS
    assert difference.points == pytest.approx(400 * math.log10(3), abs=0.1)
    assert difference.high - difference.points == pytest.approx(half, rel=1e-3)


def test_the_votes_needed_are_the_sample_size_of_the_formula() -> None:
    """12 to 8, flat prior: d = log 1.5, s^2 = 1/12 + 1/8, N = 20, z = 1.960 + 0.842."""
    difference = rate(matches(12, 8, 0), FLAT).difference("x", "y")
    assert not difference.told
    z = 1.959964 + 0.841621
    total = 20 * z**2 * (1 / 12 + 1 / 8) / math.log(1.5) ** 2
    assert total == pytest.approx(198.9, abs=0.1)
    assert difference.votes_needed == pytest.approx(total - 20, abs=1.0)


def test_three_models_whose_odds_agree_are_fitted_exactly() -> None:
    """x : y = 2 : 1 and y : z = 3 : 1 are all that was compared, so x : z = 6 : 1."""
    rating = rate([*matches(20, 10, 0), *matches(30, 10, 0, "y", "z")], FLAT)
    found = points(rating)
    assert found["x"] - found["y"] == pytest.approx(400 * math.log10(2), abs=0.2)
    assert found["y"] - found["z"] == pytest.approx(400 * math.log10(3), abs=0.2)
    assert [rated.model for rated in rating.rated] == ["x", "y", "z"]
    assert sum(found.values()) == pytest.approx(0, abs=1e-6)
    far = rating.difference("x", "z")
    half = 1.959964 * math.sqrt(1 / 20 + 1 / 10 + 1 / 30 + 1 / 10) * POINTS
    assert far.high - far.points == pytest.approx(half, rel=1e-3)


def test_the_prior_alone_where_nothing_was_told() -> None:
    """One tie moves nobody; the interval is near the prior's, sqrt(2) prior_sd."""
    rating = rate(matches(0, 0, 1))
    difference = rating.difference("x", "y")
    assert difference.points == pytest.approx(0, abs=1e-9)
    assert difference.votes_needed is None
    widest = 1.959964 * math.sqrt(2) * 2.0 * POINTS
    assert 0.5 * widest < difference.high < widest


# ------------------------------------------------------------------------------------- properties

counts = st.integers(0, 12)


@settings(max_examples=40, deadline=None)
@given(counts, counts, counts)
def test_it_is_symmetric_and_finite(won: int, lost: int, tied: int) -> None:
    if won + lost + tied == 0:
        return
    here = rate(matches(won, lost, tied))
    swapped_sides = rate(matches(lost, won, tied, "y", "x"))
    swapped_names = rate(matches(lost, won, tied))
    assert points(here) == pytest.approx(points(swapped_sides), abs=1e-3)
    assert points(here)["x"] == pytest.approx(points(swapped_names)["y"], abs=1e-3)
    assert here.nu == pytest.approx(swapped_names.nu)
    for rated in here.rated:
        assert math.isfinite(rated.points)
        assert rated.low < rated.points < rated.high


outcomes = st.lists(
    st.tuples(st.sampled_from([("x", "y"), ("y", "z"), ("z", "x")]), st.sampled_from([0, 1, 2])),
    max_size=12,
)
NAMED: tuple[Outcome, ...] = ("first", "second", "tie")


@settings(max_examples=40, deadline=None)
@given(outcomes)
def test_a_win_in_place_of_a_loss_brings_a_model_forward(
    drawn: list[tuple[tuple[str, str], int]],
) -> None:
    others = [Match(*names, NAMED[outcome]) for names, outcome in drawn]
    lost = points(rate([*others, Match("x", "y", "second")]))
    won = points(rate([*others, Match("x", "y", "first")]))
    assert won["x"] - won["y"] > lost["x"] - lost["y"] + 1


@settings(max_examples=20, deadline=None)
@given(outcomes, st.randoms(use_true_random=False))
def test_the_order_of_votes_is_nothing(
    drawn: list[tuple[tuple[str, str], int]], chance: object
) -> None:
    played = [Match(*names, NAMED[o]) for names, o in [*drawn, (("x", "y"), 0)]]
    before = points(rate(played))
    chance.shuffle(played)  # type: ignore[attr-defined]
    assert points(rate(played)) == pytest.approx(before, abs=1e-9)


def test_the_fit_is_a_top() -> None:
    """No small step in any direction raises the posterior, written out anew."""
    played = [*matches(5, 3, 2), *matches(1, 6, 1, "y", "z"), *matches(2, 2, 4, "z", "x")]
    rating = rate(played)
    names = ["x", "y", "z"]
    top = np.array([points(rating)[n] / POINTS for n in names] + [math.log(rating.nu)])

    def height(at: np.ndarray) -> float:
        theta, eta = dict(zip(names, at[:3], strict=True)), at[3]
        total = -float(at @ at) / 2 / 2.0**2
        for match in played:
            p, q = math.exp(theta[match.first]), math.exp(theta[match.second])
            tie = math.exp(eta) * math.sqrt(p * q)
            chosen = {"first": p, "second": q, "tie": tie}[match.outcome]
            total += math.log(chosen / (p + q + tie))
        return total

    for axis in range(4):
        for way in (-0.01, 0.01):
            step = np.zeros(4)
            step[axis] = way
            assert height(top + step) < height(top)


# ------------------------------------------------------------------------------------ simulations


def _simulated(rng: np.random.Generator, gap: float, nu: float, n: int) -> list[Match]:
    p, q = math.exp(gap / 2), math.exp(-gap / 2)
    weights = np.array([p, q, nu])
    won, lost, tied = rng.multinomial(n, weights / weights.sum())
    return matches(int(won), int(lost), int(tied))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng, held, rounds = np.random.default_rng(1), 0, 300
    for _ in range(rounds):
        difference = rate(_simulated(rng, 0.7, 0.8, 60)).difference("x", "y")
        sign = 1 if difference.better == "x" else -1
        low, high = sorted((sign * difference.low, sign * difference.high))
        held += low <= 0.7 * POINTS <= high
    spread = 3 * math.sqrt(0.95 * 0.05 / rounds)
    assert 0.95 - spread <= held / rounds <= 0.95 + spread


def test_with_the_votes_said_to_be_needed_models_are_told_apart_as_often_as_promised() -> None:
    """Counts in exact proportion 3 : 2 : 2 give the number; as many fresh votes are then drawn."""
    gap, nu = math.log(1.5), 2 / math.sqrt(6)
    needed = rate(matches(9, 6, 6), FLAT).difference("x", "y").votes_needed
    assert needed is not None
    rng, told, rounds = np.random.default_rng(2), 0, 300
    for _ in range(rounds):
        told += rate(_simulated(rng, gap, nu, needed + 21), FLAT).difference("x", "y").told
    spread = 3 * math.sqrt(0.8 * 0.2 / rounds)
    assert 0.8 - spread <= told / rounds <= 0.8 + spread


def test_more_votes_of_the_same_kind_need_fewer_more() -> None:
    few = rate(matches(6, 4, 2)).difference("x", "y").votes_needed
    many = rate(matches(30, 20, 10)).difference("x", "y").votes_needed
    assert few is not None
    assert many is not None
    assert few > many > 0
    assert rate(matches(300, 200, 100)).difference("x", "y").told


# ------------------------------------------------------------------------------- wrong arguments


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="matches is empty"):
        rate([])
    with pytest.raises(ValueError, match="first='x'"):
        Match("x", "x", "tie")
    with pytest.raises(ValueError, match="outcome='won'"):
        Match("x", "y", "won")  # type: ignore[arg-type]
    for wrong in ({"level": 1.0}, {"power": 0.0}, {"prior_sd": math.inf}, {"prior_sd": 0.0}):
        ((name, value),) = wrong.items()
        with pytest.raises(ValueError, match=f"{name}={value}"):
            RatingSettings(**wrong)
    rating = rate(matches(1, 0, 0))
    with pytest.raises(ValueError, match="other='z'"):
        rating.difference("x", "z")
    with pytest.raises(ValueError, match="same model"):
        rating.difference("x", "x")
    assert RatingSettings().z == pytest.approx(NormalDist().inv_cdf(0.975))


# -------------------------------------------------------------------------------------- standings


def vote(a: tuple[str, str], b: tuple[str, str], choice: Choice) -> Vote:
    written = (Written(*a, 1, "one"), Written(*b, 2, "two"))
    return Vote(Pair("0" * 32, "p", 0, {}, *written, "then"), choice, "now")


def test_votes_become_rows_and_sentences() -> None:
    lstm, gru = ("lstm", "1" * 64), ("gru", "2" * 64)
    votes = [
        *[vote(lstm, gru, "a")] * 3,
        *[vote(gru, lstm, "b")] * 2,
        vote(gru, lstm, "a"),
        vote(lstm, gru, "tie"),
        *[vote(lstm, gru, "bad")] * 2,
    ]
    found = standings(votes)
    first, second = found.rows
    assert (first.model, first.won, first.lost, first.tied, first.bad) == ("lstm", 5, 1, 1, 2)
    assert (second.model, second.won, second.lost, second.tied, second.bad) == ("gru", 1, 5, 1, 2)
    assert first.n_votes == found.n_votes == 9
    assert first.hash == "1" * 64
    (sentence,) = found.sentences
    assert sentence.startswith("About ")
    assert sentence.endswith(" more votes are needed to tell lstm from gru.")
    same = standings([*votes[:-3], *[vote(lstm, gru, "tie")] * 3])  # bad is a tie to the rating
    assert same.rows[0].points == pytest.approx(first.points)
    told = standings(votes * 30)
    assert told.sentences == ("lstm is told from gru: it is liked better, 95% sure.",)
    even = standings([vote(lstm, gru, "tie")])
    assert [row["points"] for row in even.as_json["models"]] == [0.0, 0.0]
    assert [signed(x) for x in (-0.2, 0.2, 0.6, -12.3)] == ["0", "0", "+1", "−12"]
    assert "nearly even" in even.sentences[0]


def test_a_model_trained_further_is_another_model_and_itself_is_no_rival() -> None:
    old, new, other = ("mine", "a" * 64), ("mine", "b" * 64), ("gru", "c" * 64)
    found = standings([vote(old, other, "a"), vote(new, other, "b"), vote(old, old, "a")])
    assert {row.model for row in found.rows} == {"mine (aaaaaaa)", "mine (bbbbbbb)", "gru"}
    assert found.n_votes == 2
    assert standings([]).rows == ()
    assert standings([]).sentences == ()
