"""Resolving an endpoint: sorted addresses, of the name or of what stands in for it."""

import pytest

from provisioner.errors import UnresolvedError
from provisioner.model.instance import Endpoint
from provisioner.wire.resolver import SystemResolver


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (Endpoint("127.0.0.1", 8883), ("127.0.0.1",)),
        (Endpoint("::1", 8883), ("::1",)),
        (Endpoint("mqtt-cn-test.mqtt.aliyuncs.com", 8883, connect_to="127.0.0.2"), ("127.0.0.2",)),
    ],
)
def test_addresses_are_those_of_the_name_or_its_stand_in(endpoint: Endpoint, expected: tuple[str, ...]) -> None:
    """Addresses resolve to themselves, and the name is not asked for where another is to be connected to."""
    assert SystemResolver().resolve(endpoint) == expected


def test_a_malformed_name_has_no_address() -> None:
    """A name that no resolver takes is an error with the name and the reason."""
    name = f"{'a' * 64}.example.com"
    with pytest.raises(UnresolvedError) as caught:
        SystemResolver().resolve(Endpoint(name, 8883))

    assert caught.value.message == f"{name}: no address: the name is malformed; nothing was changed"
