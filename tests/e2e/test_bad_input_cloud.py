"""What the cloud knows better: instances, credentials, clocks and endpoints that are not as configured."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.alibaba.credentials import on_alibaba
from provisioner.cli.main import _run
from provisioner.runs.system_clock import SystemClock
from provisioner.sandbox import SandboxInstance
from provisioner.state import open_state
from tests.e2e.conftest import INSTANCE, Cloud, until
from tests.e2e.untouched import refused_clearly, untouched

PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
CREDENTIALS = (
    'credentials = { access_key_id = { file = "secrets/access-key-id" }, '
    'access_key_secret = { file = "secrets/access-key-secret" } }\n'
)

# Runs a command line in a process whose sockets only note where they would connect to.
LISTENING_IN = """
import socket, sys
noted = open(sys.argv.pop(), "a", buffering=1)
def connect(self, address):
    print("connect", address, file=noted)
    raise ConnectionRefusedError
socket.socket.connect = socket.socket.connect_ex = connect
from provisioner.cli.main import _run
sys.exit(_run(sys.argv[1:]))
"""


def _refused(cloud: Cloud, code: int, *words: str, command: tuple[str, ...] = ("apply", "--yes")) -> None:
    with untouched(cloud):
        done = cloud.run(*command)
    refused_clearly(done, code, *words)
    assert re.search("nothing was changed|the endpoint was not touched", done.err)


@contextmanager
def _closed_port() -> Iterator[int]:
    """Yield a port that nobody listens on, and that nobody else gets."""
    with closing(socket.socket()) as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@contextmanager
def _running(cloud: Cloud, *arguments: str, **more: Any) -> Iterator[subprocess.Popen[str]]:  # noqa: ANN401  as the cloud takes it
    """Yield a command line in a process of its own that does not outlive the block."""
    with cloud.start(*arguments, **more) as process:
        try:
            yield process
        finally:
            process.kill()


def test_an_unknown_instance(cloud: Cloud) -> None:
    """The instances that are there are listed, and nothing else is held against an instance that isn't."""
    cloud.edit(f'id = "{INSTANCE}"', 'id = "mqtt-cn-other"')
    words = f"instance mqtt-cn-other is not in region cn-hangzhou; instances there: {INSTANCE}"
    _refused(cloud, 3, "refused by 1 check", words, "Next: correct id or region of [instances.prod]")


def test_a_wrong_region(cloud: Cloud) -> None:
    """The region that it is in is told."""
    cloud.edit('region = "cn-hangzhou"', 'region = "cn-shanghai"')
    words = f"instance {INSTANCE} is in region cn-hangzhou, the configuration says cn-shanghai"
    _refused(cloud, 3, words, "Next: correct region of [instances.prod]")


@pytest.mark.parametrize(
    ("edition", "label"),
    [(0, "basic"), (2, "pay as you go"), (3, "lightweight"), (5, "serverless"), (9, "unknown")],
)
def test_an_edition_without_mutual_authentication(make_cloud: Callable[..., Cloud], edition: int, label: str) -> None:
    """The edition is named with its number, and the ones that would do."""
    cloud = make_cloud(SandboxInstance(INSTANCE, edition=edition))
    words = f"edition {label} ({edition}) has no mutual authentication: got {edition}, expected platinum (1) or"
    _refused(cloud, 3, words, "Next: upgrade the instance, or take it out of the configuration")


def test_professional_warns_and_needs_a_known_device_ca(make_cloud: Callable[..., Cloud]) -> None:
    """Documents disagree about it; where device CAs can't be listed, the way on is told and works."""
    cloud = make_cloud(SandboxInstance(INSTANCE, edition=4))
    _refused(cloud, 3, "edition professional (4)", "could not be known", "--unsafe-allow-lockout")
    assert cloud.apply("--unsafe-allow-lockout").code == 0


@pytest.mark.parametrize(
    ("status", "label", "remedy"),
    [
        (0, "preparing", "wait until the console shows the instance in service"),
        (1, "not activated", "activate the instance in the console"),
        (2, "overdue", "renew the instance or settle what is owed"),
        (3, "expired", "renew the instance or settle what is owed"),
        (7, "upgrading", "wait until the console shows the instance in service"),
        (10, "released", "the instance is gone: take it out of the configuration"),
        (15, "frozen", "find out in the console why the instance is frozen"),
        (99, "unknown", "look at the instance in the console"),
    ],
)
def test_an_instance_that_is_not_in_service(
    make_cloud: Callable[..., Cloud], status: int, label: str, remedy: str
) -> None:
    """Every documented status, and one that isn't, gives its own next step."""
    cloud = make_cloud(SandboxInstance(INSTANCE, status=status))
    _refused(cloud, 3, f"status is {label} ({status}), expected in service (5)", f"Next: {remedy}")


def test_an_instance_without_a_device_ca(make_cloud: Callable[..., Cloud]) -> None:
    """Nobody could log in afterwards."""
    cloud = make_cloud(SandboxInstance(INSTANCE, device_ca_registered=False))
    _refused(cloud, 3, "no active device CA that is in date (0 registered): no device could log in")


def _with_nothing(cloud: Cloud, tmp_path: Path, **environment: str) -> tuple[int, str, str]:
    """Apply without credentials in the file; return exit code, stderr, and the connections that were tried."""
    cloud.edit(CREDENTIALS, "")
    cloud.edit(f'endpoints = {{ certificates = "{cloud.sandbox.api_url}", mqtt = "{cloud.sandbox.api_url}" }}\n', "")
    noted = tmp_path / "connections"
    noted.touch()
    arguments = ["--config", str(cloud.configuration), "apply", "--yes", str(noted)]
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", LISTENING_IN, *arguments],
        env=kept | {"HOME": str(tmp_path)} | environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr, noted.read_text(encoding="utf-8")


@pytest.mark.skipif(on_alibaba(), reason="on such a machine the metadata service is asked, as it should be")
@pytest.mark.parametrize("environment", [{}, {"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI-alone"}])
def test_without_credentials_nobody_is_asked(cloud: Cloud, tmp_path: Path, environment: dict[str, str]) -> None:
    """Off the cloud no metadata service is waited for: nothing is connected to at all."""
    with untouched(cloud):
        code, err, connections = _with_nothing(cloud, tmp_path, **environment)
    assert (code, connections) == (2, "")
    assert "prod: no Alibaba Cloud credentials were found; nothing was changed" in err
    assert "Next: set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET" in err
    assert ("Traceback" in err, "LTAI-alone" in err) == (False, False)


@pytest.mark.skipif(on_alibaba(), reason="on such a machine the metadata service is asked, as it should be")
def test_the_listening_in_would_notice_a_connection(cloud: Cloud, tmp_path: Path) -> None:
    """With a role named, the metadata service is asked, and the test above would see it."""
    _, _, connections = _with_nothing(cloud, tmp_path, ALIBABA_CLOUD_ECS_METADATA="a-role")
    assert "100.100.100.200" in connections


@pytest.mark.parametrize(
    ("name", "code"),
    [("access-key-secret", "SignatureDoesNotMatch"), ("access-key-id", "InvalidAccessKeyId.NotFound")],
)
def test_a_wrong_access_key(cloud: Cloud, name: str, code: str) -> None:
    """The service's code is told, what was signed is not, and neither key nor secret is shown."""
    (cloud.writer.files.directory / "secrets" / name).write_text("LTAI-wrong\n", encoding="ascii")
    with untouched(cloud):
        done = cloud.run("-vv", "apply", "--yes")
    refused_clearly(done, 6, f"prod: ListInstances: {code}; the endpoint was not touched")
    assert "Next: check the access key's id and secret" in done.err
    assert not [secret for secret in ("LTAI-wrong", cloud.sandbox.access_key_secret) if secret in done.err]


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_off(make_cloud: Callable[..., Cloud], hours: int) -> None:
    """A date that the service refuses points to the clock, fast or slow."""
    cloud = make_cloud(clock_ahead=timedelta(hours=hours))
    words = "prod: ListInstances: InvalidTimeStamp.Expired; the endpoint was not touched"
    _refused(cloud, 6, words, "Next: this machine's clock is off: compare it with a time server")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'endpoint = "{INSTANCE}.mqtt.aliyuncs.com', 'connect_to = "nothere.invalid"\nendpoint = "nothere.invalid'),
        ('endpoint = "', 'connect_to = "nothere.invalid"\nendpoint = "'),
    ],
)
def test_an_endpoint_that_does_not_resolve(cloud: Cloud, old: str, new: str) -> None:
    """The name that was asked for is told, whichever of the two it was."""
    cloud.edit('connect_to = "127.0.0.1"\n', "")
    cloud.edit(old, new)
    words = "prod: nothere.invalid: no address: "
    _refused(cloud, 3, words, "Next: check the endpoint's name and this machine's DNS; connect_to")
    done = cloud.run("check")
    assert (done.code, words in done.err) == (3, True)


def test_an_endpoint_that_nobody_listens_on(cloud: Cloud) -> None:
    """A closed port is no state to start from."""
    port = cloud.sandbox.endpoint(INSTANCE)[2]
    with _closed_port() as closed:
        cloud.edit(f".mqtt.aliyuncs.com:{port}", f".mqtt.aliyuncs.com:{closed}")
        words = "shows no clear state: down: connection refused at 127.0.0.1"
        _refused(cloud, 3, words, f"Next: provisioner probe {INSTANCE}.mqtt.aliyuncs.com:{closed}")


@pytest.mark.parametrize(
    ("certificates", "mqtt", "problem"),
    [
        ("http://10.0.0.1:80", "http://10.0.0.1:80", "plain http is for literal loopback addresses only"),
        ("http://localhost:80", "http://localhost:80", "plain http is for literal loopback addresses only"),
        ("http://127.0.0.1.example.com", "http://127.0.0.1:80", "plain http is for literal loopback addresses only"),
        ("http://127.0.0.1:80", "https://onsmqtt.cn-hangzhou.aliyuncs.com", "either both endpoints are on loopback"),
        ("https://cas.aliyuncs.com", "http://127.0.0.1:80", "either both endpoints are on loopback"),
        ("http://user:hidden-word@127.0.0.1:80", "http://127.0.0.1:80", "a URL can't hold a user name or a password"),
        ("http://127.0.0.1:80?key=hidden-word", "http://127.0.0.1:80", "expected scheme, host and port alone"),
        ("http://127.0.0.1:80/hidden-word", "http://127.0.0.1:80", "expected scheme, host and port alone"),
        ("ftp://127.0.0.1", "http://127.0.0.1:80", "expected a URL such as"),
        ("http://127.0.0.1:99999", "http://127.0.0.1:80", "expected a URL such as"),
        ("http://127.0.0.1:hidden-word", "http://127.0.0.1:80", "expected a URL such as"),
        ("http://[::1", "http://[::1]:80", "expected a URL such as"),
        ("127.0.0.1:80", "127.0.0.1:80", "expected a URL such as"),
    ],
)
def test_api_endpoints_that_secrets_must_not_go_to(cloud: Cloud, certificates: str, mqtt: str, problem: str) -> None:
    """Plain http beyond loopback, a mixture, and URLs that hold more than a host are configuration problems."""
    url = cloud.sandbox.api_url
    cloud.edit(f'certificates = "{url}", mqtt = "{url}"', f'certificates = "{certificates}", mqtt = "{mqtt}"')
    with untouched(cloud):
        done = cloud.run("apply", "--yes")
    refused_clearly(done, 2, "account.endpoints", problem)
    assert ("hidden-word" in done.err, cloud.actions()) == (False, [])


def test_plain_http_needs_credentials_of_its_own(cloud: Cloud) -> None:
    """Real credentials of the default chain never go there."""
    cloud.edit(CREDENTIALS, "")
    _refused(cloud, 2, "account: endpoints over plain http need explicit credentials")


def test_an_endpoint_over_https_must_verify(cloud: Cloud) -> None:
    """A TLS certificate that nobody vouches for ends the run at once; the key is not sent."""
    url, port = cloud.sandbox.api_url, cloud.sandbox.endpoint(INSTANCE)[2]
    cloud.edit(f'"{url}"', f'"https://127.0.0.1:{port}"')
    words = "prod: ListInstances: not sent: the service's TLS certificate does not verify; the endpoint was not"
    _refused(cloud, 6, words, "Next: check account.endpoints, and whether a proxy breaks TLS open")


def test_proxies_of_the_environment_are_not_used_for_the_sandbox(cloud: Cloud) -> None:
    """With every proxy variable set and NO_PROXY unset, nobody connects to the proxy, and the run succeeds."""
    with closing(socket.create_server(("127.0.0.1", 0))) as proxy, ExitStack() as stack:
        stack.callback(proxy.setblocking, True)  # noqa: FBT003  the method takes no names
        proxy.setblocking(False)  # noqa: FBT003  likewise
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        environment = dict.fromkeys(PROXIES, url) | {"NO_PROXY": "", "no_proxy": ""}
        with _running(cloud, "apply", "--yes", environment=environment) as process:
            _, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_a_second_run_on_the_instance(make_cloud: Callable[..., Cloud]) -> None:
    """It is told who holds the instance, changes nothing, and reading goes on meanwhile."""
    cloud = make_cloud(restart_seconds=3.0)
    with _running(cloud, "apply", "--yes") as process:
        until(lambda: cloud.machine.restarts == 1)
        holder = f"(process {process.pid}) since "
        for command in (("apply", "--yes"), ("resume", "--yes")):
            done = cloud.run(*command)
            refused_clearly(done, 4, "prod: held by run ", holder, "nothing was changed", "provisioner rollback")
        assert (cloud.run("status").code, cloud.run("plan").code in {0, 3}) == (0, True)
        _, err = process.communicate(timeout=120)
        uploads = cloud.actions().count("UploadUserCertificate")
        assert (process.returncode, cloud.machine.restarts, uploads) == (0, 1, 1), err


def test_a_lock_that_another_process_holds_is_busy_at_once(cloud: Cloud) -> None:
    """Every command that changes something heeds the lock, before it calls anybody."""
    clock = SystemClock()
    state = open_state(cloud.writer.files.directory / "state" / "provisioner.sqlite", clock, create=True)
    with state, state.locks.hold("prod", "another-run"):
        _refused(cloud, 4, "prod: held by run another-run", "or take over with: provisioner rollback prod\n")
        done, last = cloud.apply(), cloud.run("status").out
    assert "running       run another-run" in last
    assert (done.document["schema"], done.document["exit_code"]) == ("provisioner.error/1", 4)
    assert cloud.actions() == []


def test_a_plan_that_is_not_the_approved_one(cloud: Cloud) -> None:
    """Another digest than that of the plan is refused, and the history tells how the run ended."""
    _refused(cloud, 3, "the plan is not the approved one: got digest ", command=("apply", "--yes", "--digest", "00"))
    status = cloud.run("status", "--json").document["instances"][0]
    assert (status["last_run"]["outcome"], status["hold"], status["open_request"]) == ("refused", None, None)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("previous-certificate", "no previous certificate is recorded"),
        ("nonsense", "no hosted certificate has the identifier nonsense"),
        ("14000009-cn-hangzhou", "no hosted certificate has the identifier 14000009-cn-hangzhou"),
        ("²-cn-hangzhou", "no hosted certificate has the identifier"),
        ("9" * 5000, "no hosted certificate has the identifier"),
    ],
)
def test_a_rollback_to_nowhere(cloud: Cloud, target: str, words: str) -> None:
    """A target that isn't there is refused before anybody is asked."""
    _refused(cloud, 3, f"prod: {words}", command=("rollback", "prod", "--to", target, "--yes"))


def test_a_rollback_while_the_service_is_silent(cloud: Cloud) -> None:
    """Which instance, and that nothing was requested, is told before anybody is asked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        cloud.edit(cloud.sandbox.api_url, f"http://127.0.0.1:{taken.getsockname()[1]}")
    words = "prod: ListInstances: no usable answer: connection refused; nothing was requested"
    refused_clearly(cloud.run("rollback", "prod", "--yes"), 6, words)


def test_a_switch_action_that_the_account_does_not_have(cloud: Cloud) -> None:
    """A rejected request leaves the endpoint and no open request; corrected, the run goes on with the same upload."""
    action = cloud.sandbox.settings.mutual_action
    cloud.edit(action, "NoSuchAction")
    done = cloud.run("apply", "--yes")
    assert (done.code, cloud.machine.restarts) == (6, 0)
    assert "prod: NoSuchAction: the service does not have this action (ApiNotSupport)" in done.err
    assert "the endpoint was not touched" in done.err
    assert "Next: check action and version in [switches.openapi]" in done.err
    assert cloud.run("status", "--json").document["instances"][0]["open_request"] is None
    cloud.edit("NoSuchAction", action)
    assert (cloud.apply().code, cloud.actions().count("UploadUserCertificate")) == (0, 1)


def test_a_port_that_the_sandbox_cannot_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken is a usage error, and no files are left."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        assert _run(["sandbox", "serve", "--directory", str(tmp_path / "new"), "--port", port]) == 2
    words = f"Error: port {port} of loopback can't be used: address already in use; nothing was started\n"
    assert capsys.readouterr().err == f"{words}Next: choose another --port\n"
    assert not (tmp_path / "new").exists()
