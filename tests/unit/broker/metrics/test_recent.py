import math

import pytest

from broker.metrics.counters import BOUNDS_S, Durations
from broker.metrics.recent import QUANTILE_WINDOW_S, RATE_WINDOW_S, RecentDurations, RecentRate, quantile_of


def test_a_rate_is_of_the_last_minute() -> None:
    rate = RecentRate()
    assert rate.update(1000.0, 500.0) == 0.0, "nothing is known yet"
    assert rate.update(1010.0, 600.0) == 10.0
    for step in range(1, 100):  # scrapes once a second, at another rate
        seen = rate.update(1010.0 + step, 600.0 + 3 * step)
    assert seen == pytest.approx(3.0)
    assert len(rate._seen) < 10


def test_after_a_long_silence_the_rate_is_of_that_time() -> None:
    rate = RecentRate()
    rate.update(0.0, 0.0)
    assert rate.update(10 * RATE_WINDOW_S, 1200.0) == pytest.approx(2.0)


@pytest.mark.parametrize("quantile", [0.5, 0.75, 0.95, 0.99, 0.999])
def test_quantiles_are_right_within_a_fifth(quantile: float) -> None:
    durations = Durations()
    values = sorted(0.0001 * 1.01**step for step in range(1000))
    for value in values:
        durations.add(value)
    true = values[math.ceil(quantile * len(values)) - 1]
    assert quantile_of(durations.counts, quantile) == pytest.approx(true, rel=0.2)


def test_quantiles_of_nothing_and_beyond_the_last_bound() -> None:
    durations = Durations()
    assert math.isnan(quantile_of(durations.counts, 0.5))
    durations.add(10 * BOUNDS_S[-1])
    assert quantile_of(durations.counts, 0.99) == BOUNDS_S[-1]


def test_quantiles_forget_what_was_before_the_window() -> None:
    durations, recent = Durations(), RecentDurations()
    for _ in range(1000):
        durations.add(1.0)
    assert recent.update(0.0, durations, [0.5]) == [pytest.approx(1.0, rel=0.2)], "the first look sees all"
    now_s = 0.0
    while now_s < 2 * QUANTILE_WINDOW_S:
        now_s += 10.0
        durations.add(0.001)
        (median,) = recent.update(now_s, durations, [0.5])
    assert median == pytest.approx(0.001, rel=0.2)
    assert len(recent._seen) < 30
    (median,) = recent.update(now_s + QUANTILE_WINDOW_S, durations, [0.5])
    (median,) = recent.update(now_s + 2 * QUANTILE_WINDOW_S + 20, durations, [0.5])
    assert math.isnan(median)
