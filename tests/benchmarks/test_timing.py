from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.timing import Timing, as_json, interleave, table


class Clock:
    """A clock that the work itself moves on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, units: int, takes: list[float]) -> Callable[[], int]:
        left = iter([99.0, *takes])  # the first round does not count

        def run() -> int:
            self.now += next(left)
            self.order.append(name)
            return units

        return run


def _timings() -> tuple[dict[str, Timing], Clock]:
    clock = Clock()
    slow = clock.work("slow", 10, [1.0, 5.0, 2.0])  # 10, 2 and 5 a second
    fast = clock.work("fast", 40, [1.0, 4.0, 1.0])  # 40, 10 and 40: 4, 5 and 8 times as many
    return interleave({"slow": slow, "fast": fast}, 3, clock), clock


def test_variants_run_in_turn_and_are_compared_round_by_round() -> None:
    timings, clock = _timings()
    assert clock.order == ["slow", "fast"] * 4
    assert timings["slow"] == Timing(5.0, 2.0, 10.0, 1.0, 1.0, 1.0)
    # The medians alone would say 40 / 5 = 8.
    assert timings["fast"] == Timing(40.0, 10.0, 40.0, 5.0, 4.0, 8.0)


def test_the_table_has_a_line_for_each_variant() -> None:
    timings, _ = _timings()
    head, slow, fast = table("2x128", "tokens", timings, {"fast": "60% of the floor"}).splitlines()
    assert head.split() == ["2x128", "tokens/s", "slowest..fastest", "ratio", "of", "rounds"]
    assert slow.split() == ["slow", "5", "2..10", "x1.00", "1.00..1.00"]
    assert fast.split()[:5] == ["fast", "40", "10..40", "x5.00", "4.00..8.00"]
    assert fast.endswith("  60% of the floor")
    assert as_json(timings)["fast"]["ratio"] == 5.0


def test_nothing_to_time_is_refused() -> None:
    with pytest.raises(ValueError, match="variants is empty"):
        interleave({}, 3)
    with pytest.raises(ValueError, match="rounds=0 must be at least 1"):
        interleave({"a": lambda: 1}, 0)
    with pytest.raises(ValueError, match="a returned units=0"):
        interleave({"a": lambda: 0}, 1)
    with pytest.raises(ValueError, match=r"median=3 must lie between 4 and 5"):
        Timing(3, 4, 5, 1, 1, 1)
    with pytest.raises(ValueError, match=r"ratio=3 must lie between 1 and 2"):
        Timing(4, 4, 5, 3, 1, 2)
