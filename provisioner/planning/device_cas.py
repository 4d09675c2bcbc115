"""Device CAs: which of them let anybody in, and which of them is meant."""

import re
from collections.abc import Iterable
from datetime import datetime

from provisioner.model.instance import DeviceCA


def lets_in(device_ca: DeviceCA, at: datetime) -> bool:
    """Tell whether devices of a registered CA can log in; a date that the service does not tell counts as good."""
    return device_ca.active and in_date(device_ca, at)


def in_date(device_ca: DeviceCA, at: datetime) -> bool:
    """Tell whether a registered CA is within its dates, as far as they are known."""
    begun = device_ca.valid_from is None or device_ca.valid_from <= at
    return begun and not expired(device_ca, at)


def expired(device_ca: DeviceCA, at: datetime) -> bool:
    """Tell whether a registered CA is known to have expired."""
    return device_ca.valid_until is not None and device_ca.valid_until <= at


def by_serial(registered: Iterable[DeviceCA], serial: str) -> DeviceCA | None:
    """Return the registered CA of a serial number, written with or without colons and leading zeros."""
    wanted = _plain(serial)
    return next((item for item in registered if wanted and _plain(item.serial) == wanted), None)


def is_number(serial: str, number: int) -> bool:
    """Tell whether the service's text for a serial number can stand for this one.

    How it writes them is not documented, so hexadecimal and decimal will do.
    """
    return _plain(serial) in {f"{number:x}", str(number)}


def _plain(serial: str) -> str:
    text = re.sub(r"[^0-9a-z]", "", serial.lower().removeprefix("0x"))
    return text.lstrip("0") or text[:1]
