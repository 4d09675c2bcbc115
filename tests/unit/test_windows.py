"""Maintenance windows: openings, daylight saving, jitter, and the last window in time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.model.desired import Window
from provisioner.planning.windows import Opening, begin_within, check_cron, current, following, last_chance

SUNDAYS = Window("0 2 * * SUN", timedelta(hours=3), "Asia/Shanghai")
DEADLINE = timedelta(minutes=30)


def at(text: str) -> datetime:
    """Return a time of day in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# 2026-03-01 is a Sunday; 02:00 in Shanghai is 18:00 UTC of the day before.
OPENING = Opening(at("2026-02-28 18:00"), at("2026-02-28 21:00"))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-02-28 17:59:59", None),
        ("2026-02-28 18:00", OPENING),
        ("2026-02-28 20:59:59", OPENING),
        ("2026-02-28 21:00", None),
    ],
)
def test_a_window_is_open_from_its_start_to_its_end(now: str, expected: Opening | None) -> None:
    """The start belongs to the opening, the end doesn't; the time zone is the window's."""
    assert current(SUNDAYS, at(now)) == expected


def test_the_next_opening_begins_later() -> None:
    """While a window is open, the next one is another."""
    assert following(SUNDAYS, at("2026-02-28 18:00")) == Opening(at("2026-03-07 18:00"), at("2026-03-07 21:00"))
    assert following(SUNDAYS, at("2026-02-28 17:59")) == OPENING


def test_overlapping_openings_give_the_latest() -> None:
    """An hourly window of three hours is always open, in the opening that began last."""
    hourly = Window("0 * * * *", timedelta(hours=3))
    assert current(hourly, at("2026-03-01 10:30")) == Opening(at("2026-03-01 10:00"), at("2026-03-01 13:00"))


def test_daylight_saving_moves_an_opening_and_keeps_its_length() -> None:
    """A start that the day skips comes at the first moment after it; one that the day has twice comes once."""
    berlin = Window("30 2 * * *", timedelta(hours=3), "Europe/Berlin")
    spring = current(berlin, at("2026-03-29 01:00"))
    assert spring == Opening(at("2026-03-29 01:00"), at("2026-03-29 04:00"))
    autumn = following(berlin, at("2026-10-24 12:00"))
    assert autumn == Opening(at("2026-10-25 00:30"), at("2026-10-25 03:30"))
    assert following(berlin, at("2026-10-25 00:30")) == Opening(at("2026-10-26 01:30"), at("2026-10-26 04:30"))


def test_the_last_window_ends_a_day_and_twice_the_deadline_before_expiry() -> None:
    """The limit itself still counts."""
    limit = OPENING.end + timedelta(days=1) + 2 * DEADLINE
    assert last_chance(SUNDAYS, limit, DEADLINE) == OPENING
    earlier = last_chance(SUNDAYS, limit - timedelta(seconds=1), DEADLINE)
    assert earlier == Opening(at("2026-02-21 18:00"), at("2026-02-21 21:00"))


@pytest.mark.parametrize(
    "expression", ["", "0 2 * *", "* * * * * *", "61 2 * * *", "0 2 30 2 *", "@daily", "0 2 * * XYZ"]
)
def test_what_is_no_cron_expression_is_refused(expression: str) -> None:
    """Five fields in their ranges, and a day that some year has."""
    with pytest.raises(ValueError, match="cron expression"):
        check_cron(expression)


@given(key=st.text(max_size=20), week=st.integers(0, 500))
def test_a_point_in_the_window_leaves_twice_the_deadline(key: str, week: int) -> None:
    """Wherever an instance begins, twice the deadline is left; it begins there every time it is asked."""
    opening = Opening(OPENING.start + timedelta(weeks=week), OPENING.end + timedelta(weeks=week))
    begin = begin_within(opening, DEADLINE, key)
    assert opening.start <= begin <= opening.end - 2 * DEADLINE
    assert begin == begin_within(opening, DEADLINE, key)


def test_instances_are_spread_over_the_window() -> None:
    """A hundred instances don't begin together: each of four quarters has some."""
    room = OPENING.end - OPENING.start - 2 * DEADLINE
    quarters = [int(4 * (begin_within(OPENING, DEADLINE, f"mqtt-{n}") - OPENING.start) / room) for n in range(100)]
    assert all(quarters.count(quarter) > 10 for quarter in range(4))


@given(minutes=st.integers(0, 4 * 366 * 24 * 60), zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo"]))
def test_an_opening_that_is_current_holds_the_time_and_the_next_does_not(minutes: int, zone: str) -> None:
    """``current`` and ``following`` agree on where now is."""
    window = Window("15 1,13 * * MON-FRI", timedelta(hours=2), zone)
    now = at("2026-01-01 00:00") + timedelta(minutes=minutes, seconds=30)
    opening, later = current(window, now), following(window, now)
    assert opening is None or opening.start <= now < opening.end
    assert later is not None
    assert later.start > now
