"""Checks of runs that nobody watches: what needs a person refuses, and says so."""

from collections.abc import Iterator

from provisioner.model.finding import Finding, Severity
from provisioner.model.instance import Mode
from provisioner.planning import parts, windows
from provisioner.planning.case import Case, Check, refuse
from provisioner.planning.wire_words import mode_words


def keeps_mode(case: Case) -> Iterator[Finding]:
    """Refuse to change the mode unattended: an endpoint found one-way stays so."""
    state = case.observed.view.state
    if case.permissions.unattended and case.switching and state is not None and state.mode is not case.desired.mode:
        yield refuse(
            "mode-differs",
            f"the endpoint is {mode_words(state.mode)}, wanted is {mode_words(case.desired.mode)}; the mode is never "
            "changed unattended",
            f"find out why, then: provisioner apply {case.desired.name}",
        )


def undo_alone(case: Case) -> Iterator[Finding]:
    """Refuse a change whose only way back needs a person, unless that is allowed."""
    acts_alone = case.permissions.unattended and case.switching and not case.attended
    if acts_alone and case.undo_attended and not case.desired.rotation.allow_attended_rollback:
        yield refuse(
            "attended-rollback-only",
            "the only way back needs a person",
            f"provisioner apply {case.desired.name}, or allow_attended_rollback = true for the instance",
        )


def taken_back(case: Case) -> Iterator[Finding]:
    """Refuse a certificate that some instance was taken back from, or did not come back with."""
    if case.permissions.unattended and case.switching and case.observed.taken_back:
        yield refuse(
            "taken-back",
            "an instance was taken back from this certificate before, or did not come back with it",
            f"find out why, then: provisioner apply {case.desired.name}",
        )


def strangers(case: Case) -> Iterator[Finding]:
    """Refuse when a certificate that would do is hosted and not served, and this state does not know it."""
    if case.permissions.unattended and case.switching and case.observed.strangers:
        listed = ", ".join(case.observed.strangers)
        yield refuse(
            "unknown-hosted",
            f"{listed} would do, is not served, and is unknown to this state: another machine may be about to switch "
            "to it, or it was rolled back and the state was lost",
            f"look at the endpoint and the other machine, then: provisioner apply {case.desired.name}",
        )


def outside_window(case: Case) -> Iterator[Finding]:
    """Warn a person who switches outside of the maintenance window."""
    window = case.desired.rotation.window
    if case.permissions.unattended or not case.switching or window is None:
        return
    if windows.current(window, case.observed.at) is None:
        upcoming = windows.following(window, case.observed.at)
        then = f"; it opens next {upcoming}" if upcoming else ""
        yield Finding("outside-window", f"the maintenance window is closed{then}", Severity.WARNING)


def window_in_time(case: Case) -> Iterator[Finding]:
    """Refuse to wait for a window that would come too late for the served certificate."""
    window, expiry = case.desired.rotation.window, parts.expiry(case.desired, case.observed)
    if not case.permissions.unattended or not case.switching or window is None or expiry is None:
        return
    last = windows.last_chance(window, expiry, case.desired.waiting.deadline)
    if case.desired.mode is Mode.MUTUAL and (last is None or last.end <= case.observed.at):
        yield refuse(
            "no-window-in-time",
            f"the served certificate expires on {expiry:%Y-%m-%d %H:%M} UTC, and no maintenance window "
            "ends in time before that",
            f"provisioner apply {case.desired.name}: it acts outside of the window too",
        )


CHECKS: tuple[Check, ...] = (keeps_mode, undo_alone, taken_back, strangers, outside_window, window_in_time)
