"""The truth table: what a probe without client certificate has to say of each server and setting.

A row holds for each of ``SPOKEN``. Alerts and closes were measured with these very programs; what follows from them is
the rule in ``model.reading.Required``. Belongs here: data. Does not: starting servers, comparing.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from provisioner.model.reading import Required, Stage

SPOKEN = (("1.2",), ("1.3",), ("1.2", "1.3"))
"""The versions of TLS that a server speaks."""


class Broker(StrEnum):
    """What stands behind the end of TLS."""

    OWN = "of its own"
    ACCEPTS = "accepts"
    REFUSES = "refuses"
    DROPS = "drops a CONNECT without login"
    DEAD = "refuses connections"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reading says.

    Attributes:
        asked: whether a client certificate was asked for; None when the handshake did not tell.
        required: whether a client without one is refused.
        stage: how far the probe came; None where it is only certain that MQTT did not answer.
    """

    asked: bool | None
    required: Required
    stage: Stage | None


ONE_WAY = Verdict(asked=False, required=Required.NO, stage=Stage.ANSWERED)
ONE_WAY_NO_MQTT = Verdict(asked=False, required=Required.NO, stage=Stage.MQTT)
LET_IN = Verdict(asked=True, required=Required.NO, stage=Stage.ANSWERED)
ALERT = Verdict(asked=True, required=Required.YES, stage=None)
CLOSED_EARLY = Verdict(asked=True, required=Required.LIKELY, stage=None)
NOT_SHOWN = Verdict(asked=True, required=Required.UNKNOWN, stage=Stage.MQTT)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting of one server.

    Attributes:
        setting: in the server's own words.
        broker: what stands behind it.
        expected: what the probe has to say.
        within: the probe's time; short where the server stays silent.
    """

    setting: str
    broker: Broker
    expected: Verdict
    within: timedelta = timedelta(seconds=20)


_IGNORING = "crt-ignore-err all ca-ignore-err all"
_SHORT = timedelta(seconds=2)

ROWS: dict[str, tuple[Row, ...]] = {
    "nginx": (
        Row("off", Broker.ACCEPTS, ONE_WAY),
        Row("off", Broker.DEAD, ONE_WAY_NO_MQTT),
        Row("optional", Broker.ACCEPTS, LET_IN),
        Row("optional", Broker.REFUSES, LET_IN),
        Row("optional", Broker.DROPS, NOT_SHOWN),
        # It closes 2 ms after the handshake, as with "on": a client without certificate can't tell the two apart.
        Row("optional", Broker.DEAD, CLOSED_EARLY),
        Row("optional_no_ca", Broker.ACCEPTS, LET_IN),
        Row("on", Broker.ACCEPTS, CLOSED_EARLY),
        Row("on", Broker.DROPS, CLOSED_EARLY),
    ),
    "haproxy": (
        Row("none", Broker.ACCEPTS, ONE_WAY),
        Row("optional", Broker.ACCEPTS, LET_IN),
        Row("optional", Broker.REFUSES, LET_IN),
        Row("optional", Broker.DROPS, NOT_SHOWN),
        # It tries the broker again for three seconds, by when CONNECT was sent.
        Row("optional", Broker.DEAD, NOT_SHOWN),
        Row(f"optional {_IGNORING}", Broker.ACCEPTS, LET_IN),
        Row("required", Broker.ACCEPTS, ALERT),
        # It takes any certificate, and refuses none all the same.
        Row(f"required {_IGNORING}", Broker.ACCEPTS, ALERT),
    ),
    "mosquitto": (
        Row("require_certificate false", Broker.OWN, ONE_WAY),
        Row("require_certificate true", Broker.OWN, ALERT),
    ),
    "gnutls": (
        Row("--disable-client-cert", Broker.OWN, ONE_WAY_NO_MQTT, _SHORT),
        Row("", Broker.OWN, NOT_SHOWN, _SHORT),
        Row("--require-client-cert", Broker.OWN, ALERT),
    ),
    "openssl": (
        Row("", Broker.OWN, ONE_WAY),
        Row("-verify 1", Broker.OWN, LET_IN),
        Row("-Verify 1", Broker.OWN, ALERT),
    ),
    "threads": (
        Row("CERT_NONE", Broker.OWN, ONE_WAY),
        Row("CERT_OPTIONAL", Broker.OWN, LET_IN),
        Row("CERT_REQUIRED", Broker.OWN, ALERT),
    ),
    "asyncio": (
        Row("CERT_NONE", Broker.OWN, ONE_WAY),
        Row("CERT_OPTIONAL", Broker.OWN, LET_IN),
        Row("CERT_REQUIRED", Broker.OWN, CLOSED_EARLY),
    ),
}
