"""Leak alarms: each looks at a plan before training and says whether the future leaks into it.

A leak makes a model look good that will be bad. Alarms measure the plan itself and do not ask what
it was meant to be; `refuse` stops a plan that leaks, unless the leak was asked for by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from corpora.errors import InputError
from recurrent.lab.weather.windows import Ends, Plan, Scaler

ALMOST = 0.02  # of the target's variance left over by a column that "almost equals" it
TELLING = 0.25  # and of what the target's own past leaves over
_SAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What one alarm found: its name, whether it rings, and why in a sentence."""

    alarm: str
    rings: bool
    message: str


def find_leaks(plan: Plan) -> tuple[Finding, ...]:
    """Ask every alarm."""
    return tuple(look(plan) for look in (scaler_alarm, target_alarm, shuffle_alarm))


def refuse(findings: Sequence[Finding], allowed: Sequence[str] = ()) -> None:
    """Stop where an alarm rings that was not asked for.

    Raises
    ------
    InputError
        Naming what leaks and what to do.
    """
    for finding in findings:
        if finding.rings and finding.alarm not in allowed:
            raise InputError(
                f"This set-up leaks the future. {finding.message} Expected none of it. Take it "
                f'out, or ask for it by name (leak = "{finding.alarm}") to see what a leak does.'
            )


def scaler_alarm(plan: Plan) -> Finding:
    """Rings where the scaler has seen rows that are held out."""
    scaler, first_held_out = plan.scaler, _first_held_out(plan)
    again = Scaler.fit(plan.inputs, scaler.first, scaler.last)
    as_it_says = np.allclose(again.mean, scaler.mean) and np.allclose(again.std, scaler.std)
    if not as_it_says:
        message = (
            f"The scaler's means and spreads are not those of the rows {scaler.first:,} to "
            f"{scaler.last:,} it names."
        )
    elif scaler.last > first_held_out:
        message = (
            f"The scaler was fitted on rows up to {scaler.last:,}; held-out windows begin at row "
            f"{first_held_out:,}. Fit it on the training part alone."
        )
    else:
        return Finding("scaler", False, "The scaler has seen only the training part.")
    return Finding("scaler", True, message)


def _first_held_out(plan: Plan) -> int:
    return int(min(plan.valid.min(), plan.test.min())) - plan.span + 1


def target_alarm(plan: Plan) -> Finding:
    """Rings where an input column equals, or almost equals, the target at the horizon.

    For each column the best straight line from one of the window's steps to the target is measured.
    It rings where that leaves almost nothing over, and far less than the target's own past does: a
    temperature ten minutes ahead, or a pure sine, is all but known from its own past, and no leak.
    """
    ends = plan.train[:: max(1, len(plan.train) // _SAMPLES)]
    truth = plan.targets(ends)
    left = [_left_over(plan, ends, truth, c) for c in range(plan.inputs.shape[1])]
    own = left[plan.column]
    for c, name in enumerate(plan.names):
        if c != plan.column and left[c] < ALMOST and left[c] < TELLING * own:
            return Finding(
                "target",
                True,
                f"The input {name!r} all but gives {plan.target!r} {plan.horizon_hours:g} h later: "
                f"it leaves {left[c]:.2%} of its variance open, the target's own past "
                f"{own:.0%}. It is not known at the time of a forecast.",
            )
    return Finding("target", False, "No input equals the target at the horizon.")


def _left_over(plan: Plan, ends: Ends, truth: np.ndarray, column: int) -> float:
    """The share of the target's variance that the best single step of a column leaves over."""
    places = ends[:, None] - np.arange(plan.window) * plan.stride  # (n, T)
    steps = plan.inputs[places, column]  # (n, T)
    steps = steps - steps.mean(axis=0)
    truth = truth - truth.mean()
    power = (steps**2).sum(axis=0) * (truth**2).sum()
    shared = (steps * truth[:, None]).sum(axis=0) ** 2
    explained = np.divide(shared, power, out=np.zeros_like(power), where=power > 1e-12).max()
    return max(0.0, float(1 - explained))


def shuffle_alarm(plan: Plan) -> Finding:
    """Rings where held-out windows reach back over targets that were trained on."""
    last_target = int(plan.train.max()) + plan.horizon
    reaching = {
        what: int((ends - plan.span + 1 <= last_target).sum())
        for what, ends in (("validation", plan.valid), ("test", plan.test))
    }
    n = sum(reaching.values())
    if not n:
        return Finding("shuffle", False, "The parts follow each other in time, with a gap.")
    shuffled = min(plan.valid.min(), plan.test.min()) < plan.train.max()
    counts = " and ".join(
        f"{reaching[what]:,} of {len(ends):,} {what} windows"
        for what, ends in (("validation", plan.valid), ("test", plan.test))
        if reaching[what]
    )
    why = (
        "The parts are shuffled in time: neighbours of almost every held-out window were trained on"
        if shuffled
        else "There is no gap between the parts"
    )
    return Finding(
        "shuffle", True, f"{why}. {counts} reach back over targets of the training part."
    )
