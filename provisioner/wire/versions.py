"""Which version of TLS is tried first at an address."""

import ssl
from threading import Lock

Place = tuple[str, int, str]
"""Host, port and address."""

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
_PLAIN, _SILENT, _ENOUGH = 2, 1, 2


class VersionMemory:
    """Remembers where TLS 1.2 is refused; threads may share it.

    TLS 1.2 comes first, the version that Alibaba documents, because there the demand for a client certificate and the
    whole chain are in clear. Where only TLS 1.3 is spoken that would make two connections of every one, and a reading
    that counts connections would meet every other backend of a balancer only.

    | seen at a place                                           | then first |
    |-----------------------------------------------------------|------------|
    | TLS 1.2 refused by an alert, TLS 1.3 spoken               | TLS 1.3    |
    | TLS 1.2 closed without an alert, TLS 1.3 spoken, twice    | TLS 1.3    |
    | TLS 1.2 spoken                                            | TLS 1.2    |
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._weights: dict[Place, int] = {}
        self._spoken: set[Place] = set()

    def order(self, place: Place) -> tuple[ssl.TLSVersion, ssl.TLSVersion]:
        """Return the versions in the order in which they are tried."""
        with self._lock:
            return (V13, V12) if self._weights.get(place, 0) >= _ENOUGH else (V12, V13)

    def spoken(self, place: Place) -> None:
        """Record that TLS 1.2 is spoken."""
        with self._lock:
            self._weights.pop(place, None)
            self._spoken.add(place)

    def known(self, place: Place) -> bool:
        """Return whether TLS 1.2 was spoken at a place, so that a close there is no matter of the version."""
        with self._lock:
            return place in self._spoken

    def refused(self, place: Place, *, plainly: bool) -> None:
        """Record that TLS 1.3 is spoken where TLS 1.2 was refused, plainly by an alert, or by a close.

        A close may be a restart's: once it proves nothing.
        """
        with self._lock:
            self._weights[place] = self._weights.get(place, 0) + (_PLAIN if plainly else _SILENT)
