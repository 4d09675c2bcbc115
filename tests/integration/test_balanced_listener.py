"""Mosquittos behind a balancer: what clients meet while backends are stale, killed, revived and turned."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from provisioner.sandbox.certificates import SandboxAuthority
from provisioner.sandbox.listener import Listener
from tests.servers import tls
from tests.servers.backends import Backends, State
from tests.servers.balanced import BalancedListener, MakeFront
from tests.servers.front import Method
from tests.servers.haproxy import HAProxy
from tests.servers.nginx import Nginx
from tests.servers.ports import accepts
from tests.servers.truth import NAME, Device, Served, Truth, fingerprint, let_in, served, truth

pytestmark = [pytest.mark.mosquitto, pytest.mark.mosquitto_pub, pytest.mark.openssl]
FRONTS = [pytest.param(Nginx, marks=pytest.mark.nginx), pytest.param(HAProxy, marks=pytest.mark.haproxy)]

LOGIN = ("device", "password")
OWNER = SandboxAuthority("Owner's CA")
OWN = OWNER.issue_server([NAME])
SERVER = tls.CERTIFICATES.server
OLD = State(mutual=False, chain_pem=SERVER.chain_pem, key_pem=SERVER.private_key_pem)
NEW = State(
    mutual=True, chain_pem=OWN.chain_pem, key_pem=OWN.private_key_pem, device_cas_pem=(tls.CERTIFICATES.device_ca_pem,)
)
DEVICE = Device(tls.CERTIFICATES.root_pem + OWNER.certificate_pem, tls.CERTIFICATES.device, LOGIN)
OLD_SERVED = Served(fingerprint(OLD.chain_pem), asked=False)
NEW_SERVED = Served(fingerprint(NEW.chain_pem), asked=True)
ALL_OLD = Truth(Counter({OLD_SERVED: 6}), let_in_with=6, let_in_without=6)
ALL_NEW = Truth(Counter({NEW_SERVED: 6}), let_in_with=6, let_in_without=0)
ONE_OF_THREE_OLD = Truth(Counter({OLD_SERVED: 2, NEW_SERVED: 4}), let_in_with=6, let_in_without=2)


@pytest.fixture
def backends() -> Iterator[Backends]:
    """Lend three backends that are not started."""
    with Backends(3, dict([LOGIN])) as lent:
        yield lent


def start(listener: Listener, state: State) -> None:
    """Start a listener in a state."""
    listener.start(
        mutual=state.mutual,
        chain_pem=state.chain_pem,
        key_pem=state.key_pem,
        device_cas_pem=state.device_cas_pem,
    )


def restart(listener: Listener, state: State) -> None:
    """Restart a listener into a state."""
    listener.stop()
    start(listener, state)


def met(listener: Listener) -> Truth:
    """Return what six clients of each kind meet."""
    return truth(listener.port, 6, device=DEVICE)


@pytest.mark.parametrize("front", FRONTS)
def test_a_stale_backend_is_met_by_its_exact_share(front: MakeFront, backends: Backends) -> None:
    """One of three ignores one restart: a third of all clients is let in without certificate, and nobody else."""
    with contextlib.closing(BalancedListener(backends, front=front, stale=1)) as listener:
        seen = []
        for state in (OLD, NEW, NEW):
            restart(listener, state)
            seen.append(met(listener))

    assert seen == [ALL_OLD, ONE_OF_THREE_OLD, ALL_NEW]


@pytest.mark.nginx
def test_a_stale_backend_recovers_after_its_time(backends: Backends) -> None:
    """It turns by itself, behind the open port, and not before."""
    with contextlib.closing(BalancedListener(backends, stale=1, recover_after=2.0)) as listener:
        start(listener, OLD)
        restart(listener, NEW)
        began, early = time.monotonic(), backends.states
        while backends.states != (NEW,) * 3 and time.monotonic() < began + 30:
            time.sleep(0.02)
        took, late = time.monotonic() - began, met(listener)

    assert (early, late) == ((NEW, NEW, OLD), ALL_NEW)
    assert 1 < took < 30


@pytest.mark.nginx
def test_no_recovery_outlives_the_next_start(backends: Backends) -> None:
    """A backend that is about to recover is turned to what is started next, for good."""
    with contextlib.closing(BalancedListener(backends, stale=1, recover_after=0.5)) as listener:
        for state in (OLD, NEW, OLD):
            restart(listener, state)
        time.sleep(0.7)
        states = backends.states

    assert states == (OLD,) * 3


@pytest.mark.nginx
def test_single_backends_are_turned_killed_and_revived(backends: Backends) -> None:
    """A backend that is down is unseen; it returns in the state that it had; another may be turned meanwhile."""
    with contextlib.closing(BalancedListener(backends)) as listener:
        start(listener, NEW)
        backends.turn(OLD, 1)
        mixed = met(listener)
        backends.kill(1)
        without = (met(listener), backends.states)
        backends.revive(1, after=0.1)
        backends.revive(1)
        again = met(listener)

    assert mixed == again == ONE_OF_THREE_OLD
    assert without == (ALL_NEW, (NEW, None, NEW))


@pytest.mark.nginx
def test_clients_meet_weights_and_their_source(backends: Backends) -> None:
    """A heavy backend is met more often; with the source as method one machine always meets the same one."""
    with contextlib.closing(BalancedListener(backends, weights=(4, 1, 1))) as weighted:
        start(weighted, NEW)
        backends.turn(OLD, 0)
        heavy = served(weighted.port, 6)
    with Backends(2) as two, contextlib.closing(BalancedListener(two, method=Method.SOURCE)) as by_source:
        start(by_source, OLD)
        two.turn(NEW, 0)
        same = served(by_source.port, 6)

    assert heavy == {OLD_SERVED: 4, NEW_SERVED: 2}
    assert len(same) == 1


@pytest.mark.nginx
def test_the_port_is_closed_while_stopped_or_stays_open(backends: Backends) -> None:
    """A stop closes the port, unless the balancer is to stay: then clients still meet what was before."""
    with contextlib.closing(BalancedListener(backends)) as listener:
        seen = [accepts(listener.port)]
        start(listener, OLD)
        seen.append(accepts(listener.port))
        listener.stop()
        seen.append(accepts(listener.port))
        listener.port_stays_open = True
        start(listener, OLD)
        listener.stop()
        open_still = served(listener.port, 3)
        start(listener, NEW)
        turned = served(listener.port, 3)

    assert seen == [False, True, False]
    assert (open_still, turned) == ({OLD_SERVED: 3}, {NEW_SERVED: 3})


@pytest.mark.nginx
def test_it_keeps_the_promises_of_a_listener(backends: Backends) -> None:
    """Started once at a time, never again once closed; what can't be served is an error, and the next start works."""
    listener = BalancedListener(backends)
    with pytest.raises(ValueError, match="Unable to load server certificate"):
        start(listener, State(mutual=False, chain_pem="nothing of use", key_pem=""))
    start(listener, OLD)
    with pytest.raises(RuntimeError, match="already started"):
        start(listener, OLD)
    let = let_in(listener.port, 1, DEVICE)
    for end in (listener.stop, listener.stop, listener.close, listener.close):
        end()
    with pytest.raises(RuntimeError, match="closed"):
        start(listener, OLD)

    assert (let, accepts(listener.port)) == (1, False)
