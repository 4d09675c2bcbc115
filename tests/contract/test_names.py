"""Resolver and aliases: one suite in the fake world, and with a name server on loopback."""

import contextlib
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from provisioner.errors import UnresolvedError
from provisioner.model.instance import Endpoint, NameRecord
from provisioner.ports import Aliases, Resolver
from provisioner.wire.aliases import DnsAliases
from provisioner.wire.resolver import SystemResolver
from tests.fakes.clock import FakeClock
from tests.fakes.world import World

NAME, INSTANCE = "mqtt.example.com", "mqtt-1.mqtt.aliyuncs.com"
Answer = bytes | list[tuple[str, str, str]] | dns.rcode.Rcode | None
Zone = Callable[[str, str], Answer]


def world() -> World:
    """Return the fake world."""
    return World(FakeClock(), {}, lambda der: hashlib.sha256(der).hexdigest())


@contextlib.contextmanager
def name_server(zone: Zone) -> Iterator[dns.resolver.Resolver]:
    """Lend a resolver that asks nobody but a name server on loopback, which answers as the zone says.

    Records are name, type and value; bytes are sent as they are; None is silence.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_serve, args=(server, zone), daemon=True)
        thread.start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.getsockname()[1]
        yield resolver
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", server.getsockname())
        thread.join()


def _serve(server: socket.socket, zone: Zone) -> None:
    while True:
        data, address = server.recvfrom(4096)
        if not data:
            return
        query = dns.message.from_wire(data)
        question = query.question[0]
        found = zone(question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype))
        if found is not None:
            server.sendto(found if isinstance(found, bytes) else _response(query, found), address)


def _response(query: dns.message.Message, found: list[tuple[str, str, str]] | dns.rcode.Rcode) -> bytes:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.RA
    if isinstance(found, dns.rcode.Rcode):
        response.set_rcode(found)
        return response.to_wire()
    for name, kind, value in found:
        response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, value))
    return response.to_wire()


@dataclass(frozen=True)
class Records:
    """What the DNS is to say of one name."""

    alias: str = ""
    addresses: tuple[str, ...] = ()

    def answer(self, name: str, kind: str) -> Answer:
        """Answer a question."""
        if name.lower() != NAME or not (self.alias or self.addresses):
            return dns.rcode.NXDOMAIN
        wanted = [item for item in self.addresses if (":" in item) == (kind == "AAAA")]
        chain = [(name, "CNAME", f"{self.alias}.")] if self.alias else []
        return chain + [(self.alias or name, kind, item) for item in reversed(wanted)]


@pytest.fixture(params=["fake", "dns"])
def said(request: pytest.FixtureRequest) -> Callable[[Records], contextlib.AbstractContextManager[Aliases]]:
    """Return a way to have aliases looked up in a DNS that says something of one name."""

    @contextlib.contextmanager
    def saying(records: Records) -> Iterator[Aliases]:
        if request.param == "fake":
            fake = world()
            if records.addresses:
                fake.names[NAME] = NameRecord(NAME, records.alias, records.addresses)
            yield fake
        else:
            with name_server(records.answer) as resolver:
                yield DnsAliases(resolver)

    return saying


@pytest.mark.parametrize(
    "records",
    [
        Records(addresses=("192.0.2.1",)),
        Records(addresses=("2001:db8::1",)),
        Records(addresses=("192.0.2.1", "192.0.2.2", "2001:db8::1")),
        Records(INSTANCE, ("192.0.2.1",)),
        Records(INSTANCE, ("192.0.2.1", "2001:db8::1")),
    ],
)
def test_a_name_is_told_with_alias_and_addresses(
    said: Callable[[Records], contextlib.AbstractContextManager[Aliases]], records: Records
) -> None:
    """Addresses of both kinds, sorted; the alias where there is one."""
    with said(records) as aliases:
        assert aliases.look_up(NAME) == NameRecord(NAME, records.alias, records.addresses)


@pytest.mark.parametrize("records", [Records(), Records(INSTANCE)])
def test_a_name_without_addresses_says_nothing(
    said: Callable[[Records], contextlib.AbstractContextManager[Aliases]], records: Records
) -> None:
    """Neither one that is not there, nor an alias that leads nowhere; nor other names."""
    with said(records) as aliases:
        assert [aliases.look_up(name) for name in (NAME, "other.example.com")] == [None, None]


def looked_up(zone: Zone, name: str = NAME, seconds: float = 30.0) -> NameRecord | None:
    """Return what a name server's answers make of a name."""
    with name_server(zone) as resolver:
        return DnsAliases(resolver, seconds).look_up(name)


def test_a_chain_of_aliases_is_told_by_its_end() -> None:
    """Devices follow it to the end, and the end is what is compared with the instance's name."""

    def zone(name: str, kind: str) -> Answer:
        chain = [(name, "CNAME", "middle.example.com."), ("middle.example.com", "CNAME", f"{INSTANCE}.")]
        return [*chain, (INSTANCE, "A", "192.0.2.1")] if kind == "A" else chain

    assert looked_up(zone) == NameRecord(NAME, INSTANCE, ("192.0.2.1",))


def test_a_name_in_other_letters_is_no_alias_of_itself() -> None:
    """The DNS does not tell upper case from lower, and a trailing dot is none of the name."""

    def zone(name: str, kind: str) -> Answer:
        return [(name.lower(), kind, "192.0.2.1")] if kind == "A" else []

    assert looked_up(zone, "MQTT.example.com.") == NameRecord("MQTT.example.com.", "", ("192.0.2.1",))


def test_one_kind_of_address_that_fails_hides_nothing_of_the_other() -> None:
    """Name servers that break on AAAA are in the field."""
    assert looked_up(
        lambda name, kind: [(name, kind, "192.0.2.1")] if kind == "A" else dns.rcode.SERVFAIL, seconds=1
    ) == (NameRecord(NAME, "", ("192.0.2.1",)))


@pytest.mark.parametrize(
    "answer",
    [None, b"x", b"\0" * 12, dns.rcode.SERVFAIL, dns.rcode.REFUSED, [(NAME, "CNAME", f"{NAME}.")]],
    ids=["silence", "too short", "another's", "failure", "refusal", "loop"],
)
def test_a_name_server_that_is_of_no_use_says_nothing(answer: Answer) -> None:
    """Whatever it does, that is no error of the run."""
    assert looked_up(lambda _name, _kind: answer, seconds=0.4) is None


@pytest.mark.parametrize(
    "name", ["", "a..b", "x" * 64, ".".join(["x" * 60] * 5), "ex ample", "-\u00e4\u2028", "\ud800"]
)
def test_what_is_no_name_says_nothing(name: str) -> None:
    """Nothing that a configuration may hold is an error here."""
    assert looked_up(lambda _name, _kind: dns.rcode.NXDOMAIN, name) is None


@dataclass(frozen=True)
class Resolved:
    """A resolver, and what its machine answers to it."""

    resolver: Resolver
    answer: Callable[..., None]


@pytest.fixture(params=["fake", "system"])
def resolved(request: pytest.FixtureRequest) -> Resolved:
    """Return each resolver."""
    if request.param == "fake":
        fake = world()

        def pretend(*addresses: str) -> None:
            fake.addresses, fake.unresolved = addresses, 0 if addresses else 1

        return Resolved(fake, pretend)
    found: list[set[str] | OSError] = []

    def ask(_name: str, _port: int) -> set[str] | OSError:
        return found[-1]

    def set_up(*addresses: str) -> None:
        found.append(set(addresses) or socket.gaierror(socket.EAI_AGAIN, "Temporary failure"))

    return Resolved(SystemResolver(ask=ask), set_up)


def test_addresses_are_sorted_and_asked_anew(resolved: Resolved) -> None:
    """IPv4 first; what changes meanwhile is seen at the next look."""
    resolved.answer("2001:db8::1", "192.0.2.9", "192.0.2.1")
    first = resolved.resolver.resolve(Endpoint(NAME))
    resolved.answer("192.0.2.3")
    assert (first, resolved.resolver.resolve(Endpoint(NAME))) == (
        ("192.0.2.1", "192.0.2.9", "2001:db8::1"),
        ("192.0.2.3",),
    )


def test_a_name_without_address_is_an_error_until_it_has_one(resolved: Resolved) -> None:
    """The message names it, and says that nothing was changed."""
    resolved.answer()
    with pytest.raises(UnresolvedError) as caught:
        resolved.resolver.resolve(Endpoint(NAME))
    assert caught.value.message == f"{NAME}: no address: temporary failure; nothing was changed"
    resolved.answer("192.0.2.3")
    assert resolved.resolver.resolve(Endpoint(NAME)) == ("192.0.2.3",)
