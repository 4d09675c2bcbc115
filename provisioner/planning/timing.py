"""When an unattended switch may begin: the window, each instance's point in it, and the last window in time."""

from datetime import datetime

from provisioner.model.desired import Desired
from provisioner.planning import windows


def last_chance_now(desired: Desired, expiry: datetime | None, now: datetime) -> bool:
    """Tell whether the window is open now and no later one ends in time before the served certificate expires."""
    window = desired.rotation.window
    opening = windows.current(window, now) if window else None
    if window is None or opening is None or expiry is None:
        return False
    last = windows.last_chance(window, expiry, desired.waiting.deadline)
    return last is not None and opening.start >= last.start


def begins_at(desired: Desired, expiry: datetime | None, now: datetime) -> datetime | None:
    """Return when the switch may begin; not later than ``now`` means at once, None that no window is ahead.

    In the last window in time the instance's own point in it is not waited for.

    Args:
        desired: what is wanted, with its window.
        expiry: when the first of the served certificates expires, None when that can't be told.
        now: the time of day.
    """
    window, deadline = desired.rotation.window, desired.waiting.deadline
    if window is None or last_chance_now(desired, expiry, now):
        return now
    opening = windows.current(window, now) or windows.following(window, now)
    return None if opening is None else windows.begin_within(opening, deadline, desired.id)
