"""Name resolution with the system's resolver."""

from threading import Event

import pytest

from provisioner.errors import UnresolvedError
from provisioner.model.instance import Endpoint
from provisioner.wire.resolver import SystemResolver


def test_an_address_is_its_own_name() -> None:
    """Addresses of both kinds resolve to themselves, and connect_to replaces the name."""
    resolver = SystemResolver()
    assert resolver.resolve(Endpoint("127.0.0.1")) == ("127.0.0.1",)
    assert resolver.resolve(Endpoint("mqtt.example.com", connect_to="::1")) == ("::1",)


@pytest.mark.parametrize(
    ("name", "reason"), [("no-such-name.invalid", "name|resolution|address|answer"), ("a..b", "malformed")]
)
def test_a_name_without_address_is_refused(name: str, reason: str) -> None:
    """The message says which name and why."""
    with pytest.raises(UnresolvedError, match=rf"^{name}: no address: .*({reason}).*; nothing was changed"):
        SystemResolver().resolve(Endpoint(name))


def test_a_silent_name_server_is_not_waited_for() -> None:
    """Nobody waits for the system's resolver longer than wanted."""
    answered = Event()

    def silent(name: str, port: int) -> set[str]:
        answered.wait(30)
        return {"192.0.2.1"}

    with pytest.raises(UnresolvedError, match="no answer in time"):
        SystemResolver(timeout=0.01, ask=silent).resolve(Endpoint("mqtt.example.com"))
    answered.set()
