"""Device CAs through the command line, on the sandbox: who will be let in afterwards."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from provisioner.alibaba import AccessKey, AccountClients, AlibabaDeviceCARegistry, ApiEndpoints, Site
from provisioner.model.secret import Secret
from provisioner.pki import LocalDeviceAuthority
from provisioner.sandbox import SandboxInstance
from tests.e2e.conftest import INSTANCE, Cloud, Done
from tests.fakes.authorities import CA_TRUE, SIGNS, Extension, Made, make, write_key

NOW = datetime.now(UTC).replace(microsecond=0)
CA_FALSE: Extension = (x509.BasicConstraints(ca=False, path_length=None), True)
WRITES = {"GetRegisterCode", "RegisterCaCertificate", "ActiveCaCertificate", "InactivateCaCertificate"}


@dataclass(frozen=True)
class Fleet:
    """A CA with a device, and the sandbox whose canary that device is."""

    cloud: Cloud
    folder: Path

    def ca(self, name: str = "Fleet CA", *, issuer: Made | None = None) -> Made:
        """Make a CA that is in date."""
        begin, end = NOW - timedelta(days=1), NOW + timedelta(days=3650)
        return make(self.folder, name, CA_TRUE, SIGNS, issuer=issuer, begin=begin, end=end)

    def canary_of(self, ca: Made, *between: Made, end: datetime = NOW + timedelta(days=300)) -> None:
        """Make a device the canary; its chain holds the CAs between."""
        device = make(self.folder, "device", CA_FALSE, issuer=ca, begin=NOW - timedelta(days=2), end=end)
        chain = self.folder / "device-chain.crt"
        chain.write_text("".join(made.pem for made in (device, *between)), encoding="ascii")
        self.cloud.edit("device/device.crt", str(chain))
        self.cloud.edit("device/device.key", str(device.key_path))

    def register(self, ca: Made, *more: str) -> Done:
        """Run ``device-ca register --json``."""
        files = ("--certificate", str(ca.certificate_path), "--private-key", str(ca.key_path))
        return self.cloud.run("device-ca", "register", "prod", *files, "--json", *more)

    def change(self, verb: str, serial: str, *more: str) -> Done:
        """Run ``device-ca activate`` or ``deactivate`` with ``--json``."""
        return self.cloud.run("device-ca", verb, "prod", serial, "--json", *more)

    def listed(self) -> list[dict[str, object]]:
        """Return what ``device-ca list --json`` shows."""
        found: list[dict[str, object]] = self.cloud.run("device-ca", "list", "prod", "--json").document["device_cas"]
        return found

    def writes(self) -> list[str]:
        """Return the calls that change device CAs, or prepare it."""
        return [action for action in self.cloud.actions() if action in WRITES]


@pytest.fixture
def bare(make_cloud: Callable[..., Cloud], tmp_path: Path) -> Fleet:
    """Return a sandbox without any device CA."""
    return Fleet(make_cloud(SandboxInstance(INSTANCE, device_ca_registered=False)), tmp_path)


@pytest.fixture
def fleet(cloud: Cloud, tmp_path: Path) -> Fleet:
    """Return a sandbox whose device CA is registered, as out of the box."""
    return Fleet(cloud, tmp_path)


def reasons(done: Done) -> list[str]:
    """Return why a run was refused."""
    return [item["reason"] for item in done.instance["findings"] if item["severity"] == "refusal"]


def test_a_first_switch_is_refused_until_the_canarys_ca_is_registered(bare: Fleet) -> None:
    """Refused without a device CA, and with another one; with the canary's own it works and the canary gets in."""
    ca, other = bare.ca(), bare.ca("Other CA")
    bare.canary_of(ca)
    refused = bare.cloud.apply()
    assert (refused.code, reasons(refused)) == (3, ["no-device-ca"])
    assert bare.register(other).code == 0
    assert reasons(bare.cloud.apply()) == ["canary-without-device-ca"]
    assert (bare.cloud.machine.restarts, bare.cloud.actions().count("UploadUserCertificate")) == (0, 0)
    assert bare.register(ca).document["outcome"] == "converged"
    done = bare.cloud.apply()
    assert (done.code, done.instance["outcome"]) == (0, "converged")
    (address,) = done.instance["evidence"]["addresses"]
    assert address["canary"] == "logged in, message there and back"


def test_a_canary_below_an_intermediate_needs_the_root_alone(bare: Fleet) -> None:
    """Its chain leads to the registered CA."""
    root = bare.ca()
    between = bare.ca("Between", issuer=root)
    bare.canary_of(between, between)
    bare.register(root)
    assert bare.listed()[0]["canary_chains"] is True
    assert bare.cloud.apply().code == 0


def test_an_expired_canary_is_refused_before_anything_is_changed(bare: Fleet) -> None:
    """It could not log in, and a good switch would be rolled back."""
    ca = bare.ca()
    bare.canary_of(ca, end=NOW - timedelta(days=1))
    bare.register(ca)
    refused = bare.cloud.apply()
    assert (refused.code, reasons(refused)) == (3, ["canary-expired"])
    assert bare.cloud.machine.restarts == 0


def test_a_registration_is_one_document_and_the_next_one_finds_it(bare: Fleet) -> None:
    """The key goes nowhere, the name is the CA's, and the second time nothing is changed."""
    ca = bare.ca()
    done = bare.register(ca)
    listed = {
        "name": "Fleet_CA",
        "serial": done.document["device_ca"]["serial"],
        "active": True,
        "valid_from": ca.certificate.not_valid_before_utc.isoformat(),
        "valid_until": ca.certificate.not_valid_after_utc.isoformat(),
        "days_left": done.document["device_ca"]["days_left"],
        "expired": False,
        "lets_devices_in": True,
    }
    assert (done.code, done.document) == (
        0,
        {
            "schema": "provisioner.device-ca/1",
            "command": "register",
            "instance": {"name": "prod", "id": INSTANCE, "region": "cn-hangzhou"},
            "outcome": "converged",
            "message": f"registered device CA Fleet_CA ({listed['serial']})",
            "hint": "",
            "device_ca": listed,
        },
    )
    assert listed["days_left"] in {3648, 3649, 3650}
    assert bare.listed() == [{**listed, "canary_chains": False}]
    written = bare.writes()
    again = bare.register(ca, "--name", "again")
    assert (again.code, again.document["outcome"]) == (0, "unchanged")
    assert again.document["message"] == f"registered already as Fleet_CA ({listed['serial']}), active"
    assert (bare.writes(), written) == (written, ["GetRegisterCode", "RegisterCaCertificate"])
    sent = [call for call in bare.cloud.sandbox.calls if call.action == "RegisterCaCertificate"]
    assert [(call.query, call.body) for call in sent] == [
        (("CaContent", "CaName", "MqttInstanceId", "VerificationContent"), ())
    ]


def test_a_change_is_told_to_a_person_with_the_next_step(fleet: Fleet) -> None:
    """One sentence on stdout, and the next command where there is one."""
    ca = fleet.ca()
    serial = fleet.register(ca).document["device_ca"]["serial"]
    done = fleet.cloud.run("device-ca", "deactivate", "prod", serial.upper(), "--yes")
    assert (done.code, done.out) == (0, f"prod: deactivated device CA Fleet_CA ({serial})\n")
    files = ("--certificate", str(ca.certificate_path), "--private-key", str(ca.key_path))
    again = fleet.cloud.run("device-ca", "register", "prod", *files)
    assert (again.code, again.out.splitlines()) == (
        0,
        [
            f"prod: registered already as Fleet_CA ({serial}), inactive",
            f"Next: provisioner device-ca activate prod {serial}",
        ],
    )


@pytest.mark.parametrize(
    ("action", "fault"),
    [
        ("GetRegisterCode", "html_502"),
        ("RegisterCaCertificate", "lost_answer"),
        ("RegisterCaCertificate", "lost_request"),
        ("RegisterCaCertificate", "success_false"),
    ],
)
def test_a_lost_answer_leads_to_one_registration(bare: Fleet, action: str, fault: str) -> None:
    """Looked for, and repeated with a new code where it did not land."""
    bare.cloud.sandbox.faults.arm(fault, action=action)
    assert bare.register(bare.ca()).document["outcome"] == "converged"
    assert len(bare.listed()) == 1


@pytest.mark.parametrize("fault", ["lost_answer", "lost_request"])
def test_a_lost_answer_leads_to_one_status(fleet: Fleet, fault: str) -> None:
    """Both ways."""
    serial = str(fleet.listed()[0]["serial"])
    for verb, action in (("deactivate", "InactivateCaCertificate"), ("activate", "ActiveCaCertificate")):
        fleet.cloud.sandbox.faults.arm(fault, action=action)
        more = ("--yes", "--unsafe-allow-lockout") if verb == "deactivate" else ()
        done = fleet.change(verb, serial, *more)
        assert (done.code, done.document["outcome"]) == (0, "converged")
        assert done.document["device_ca"]["active"] is (verb == "activate")


def test_a_registration_lets_devices_in_without_a_restart(fleet: Fleet) -> None:
    """With the endpoint in mutual mode, activation decides about the next login."""
    assert fleet.cloud.apply().code == 0
    ca = fleet.ca()
    fleet.canary_of(ca)
    before = fleet.cloud.run("check", "--json").document["instances"][0]["findings"]
    assert "canary-refused" in [item["reason"] for item in before]
    serial = fleet.register(ca).document["device_ca"]["serial"]
    refused = [fleet.cloud.run("check", "--json").document["instances"][0]["findings"]]
    fleet.change("deactivate", serial, "--yes", "--unsafe-allow-lockout")
    refused.append(fleet.cloud.run("check", "--json").document["instances"][0]["findings"])
    assert ["canary-refused" in [item["reason"] for item in found] for found in refused] == [False, True]
    assert fleet.cloud.machine.restarts == 1


def test_the_last_device_ca_is_kept_unless_allowed(fleet: Fleet) -> None:
    """Exit 3 with nothing changed; the permission alone is not the answer to the question."""
    serial = str(fleet.listed()[0]["serial"])
    refused = fleet.change("deactivate", serial, "--yes")
    assert refused.code == 3
    assert "is the only active one that is in date" in refused.document["error"]["message"]
    assert fleet.change("deactivate", serial, "--unsafe-allow-lockout").code == 2
    assert (fleet.writes(), fleet.listed()[0]["active"]) == ([], True)
    done = fleet.change("deactivate", serial, "--unsafe-allow-lockout", "--yes")
    assert (done.code, done.document["device_ca"]["lets_devices_in"]) == (0, False)
    assert reasons(fleet.cloud.apply()) == ["no-device-ca"]


def test_the_canarys_device_ca_is_kept_unless_allowed(fleet: Fleet) -> None:
    """Another one that lets devices in may go."""
    canarys = str(fleet.listed()[0]["serial"])
    other = fleet.register(fleet.ca()).document["device_ca"]["serial"]
    refused = fleet.change("deactivate", canarys, "--yes")
    assert (refused.code, "the canary could not log in" in refused.document["error"]["message"]) == (3, True)
    assert fleet.change("deactivate", other, "--yes").code == 0
    assert fleet.change("deactivate", other, "--yes").document["outcome"] == "unchanged"


def test_where_nobody_needs_a_certificate_the_last_one_may_go(fleet: Fleet) -> None:
    """One-way is served and wanted."""
    fleet.cloud.edit('certificate = "iot"', 'certificate = "iot"\nmode = "one_way"')
    assert fleet.change("deactivate", str(fleet.listed()[0]["serial"]), "--yes").code == 0


@pytest.mark.parametrize("verb", ["list", "register", "activate", "deactivate"])
@pytest.mark.parametrize(("edition", "code"), [(0, 3), (4, 6)])
def test_other_editions_have_no_device_cas(
    make_cloud: Callable[..., Cloud], tmp_path: Path, verb: str, edition: int, code: int
) -> None:
    """Refused by the directory's word for basic; for professional the service decides, and its no is told."""
    found = Fleet(make_cloud(SandboxInstance(INSTANCE, edition=edition)), tmp_path)
    done = {
        "list": lambda: found.cloud.run("device-ca", "list", "prod", "--json"),
        "register": lambda: found.register(found.ca()),
        "activate": lambda: found.change("activate", "01"),
        "deactivate": lambda: found.change("deactivate", "01", "--yes"),
    }[verb]()
    assert done.code == (3 if verb == "deactivate" else code)  # there it is the guard that can't know
    told = done.document["error"]
    assert "platinum" in told["message"] + told["hint"] or "could not be known" in told["message"]
    assert found.writes() == []


def test_professional_works_where_the_service_has_it(make_cloud: Callable[..., Cloud], tmp_path: Path) -> None:
    """Some pages say that it does."""
    cloud = make_cloud(SandboxInstance(INSTANCE, edition=4), professional_lists_cas=True)
    assert Fleet(cloud, tmp_path).register(Fleet(cloud, tmp_path).ca()).code == 0


def test_a_ca_of_another_instance_of_the_region_is_told_as_such(
    make_cloud: Callable[..., Cloud], tmp_path: Path
) -> None:
    """One CA, one instance per region (documented in March 2026)."""
    second = "mqtt-cn-sandbox02"
    bare = (SandboxInstance(item, device_ca_registered=False) for item in (INSTANCE, second))
    fleet = Fleet(make_cloud(*bare), tmp_path)
    fleet.cloud.configure(names={"prod": INSTANCE, "other": second})
    ca = fleet.ca()
    assert fleet.register(ca).code == 0
    files = ("--certificate", str(ca.certificate_path), "--private-key", str(ca.key_path))
    done = fleet.cloud.run("device-ca", "register", "other", *files, "--json")
    assert (done.code, "one instance per region" in done.document["error"]["message"]) == (6, True)


def test_material_that_will_not_do_costs_no_call(bare: Fleet) -> None:
    """Not a CA, another CA's key, a locked key and an expired CA are known here."""
    ca, other = bare.ca(), bare.ca("Other CA")
    leaf = make(bare.folder, "leaf", CA_FALSE, issuer=ca, begin=NOW - timedelta(days=1))
    begin = NOW - timedelta(days=9)
    expired = make(bare.folder, "Old", CA_TRUE, SIGNS, begin=begin, end=begin + timedelta(days=1))
    mismatched = Made(ca.certificate, other.key, ca.certificate_path, other.key_path)
    locked = Made(ca.certificate, ca.key, ca.certificate_path, write_key(bare.folder / "locked.key", ca.key, b"secret"))
    found = [bare.register(item) for item in (leaf, mismatched, locked, expired)]
    assert [done.code for done in found] == [5, 5, 5, 3]
    words = ("no CA certificate", "does not belong to", "is encrypted", "today is")
    assert [word in done.document["error"]["message"] for word, done in zip(words, found, strict=True)] == [True] * 4
    assert bare.cloud.actions() == []


def test_a_locked_key_is_opened_by_variable_or_file(bare: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the owner's CA; a missing variable and a wrong passphrase are told."""
    ca = bare.ca()
    write_key(ca.key_path, ca.key, b"secret")
    (bare.folder / "passphrase").write_text("secret\n", encoding="utf-8")
    assert bare.register(ca, "--passphrase-env", "DEVICE_CA_PASSPHRASE").code == 2
    monkeypatch.setenv("DEVICE_CA_PASSPHRASE", "wrong")
    assert bare.register(ca, "--passphrase-env", "DEVICE_CA_PASSPHRASE").code == 5
    both = ("--passphrase-env", "DEVICE_CA_PASSPHRASE", "--passphrase-file", str(bare.folder / "passphrase"))
    assert bare.register(ca, *both).code == 2
    done = bare.register(ca, "--passphrase-file", str(bare.folder / "passphrase"))
    assert (done.code, done.document["outcome"]) == (0, "converged")
    assert "secret" not in done.out + done.err


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "red\x1b[31m", "two\nlines"])
def test_a_name_that_is_no_name_is_a_usage_error(bare: Fleet, name: str) -> None:
    """Control characters are neither sent nor shown."""
    done = bare.register(bare.ca(), "--name", name)
    assert (done.code, bare.writes(), "\x1b" in done.out + done.err) == (2, [], False)


def test_names_from_the_service_lose_their_control_characters(fleet: Fleet) -> None:
    """Whoever registered it, and however it is called."""
    sandbox, ca = fleet.cloud.sandbox, fleet.ca()
    key = AccessKey(Secret(sandbox.access_key_id), Secret(sandbox.access_key_secret))
    registry = AlibabaDeviceCARegistry(AccountClients(Site.CHINA, key, ApiEndpoints(sandbox.api_url, sandbox.api_url)))
    code = registry.register_code("cn-hangzhou", INSTANCE)
    proof = LocalDeviceAuthority(ca.certificate_path, ca.key_path, lambda: None).verification_pem(code, NOW)
    registry.register("cn-hangzhou", INSTANCE, "odd\x1b[31m\r\n[bold]name", ca.pem, proof)
    shown = fleet.cloud.run("device-ca", "list", "prod")
    assert (shown.code, "odd [31m [bold]name" in shown.out, "\x1b" in shown.out) == (0, True, False)
    assert [item["name"] for item in fleet.listed()] == ["sandbox-devices", "odd [31m [bold]name"]


def test_a_list_tells_what_devices_meet(fleet: Fleet) -> None:
    """Status, validity and the canary stand there for a person; without an active CA that is said."""
    shown = fleet.cloud.run("device-ca", "list", "prod")
    serial = str(fleet.listed()[0]["serial"])
    for words in (serial, "active", "days left)", "its certificate chains to this CA"):
        assert words in shown.out
    fleet.change("deactivate", serial, "--yes", "--unsafe-allow-lockout")
    assert "no device can log in" in fleet.cloud.run("device-ca", "list", "prod").out


def test_another_run_on_the_instance_is_waited_for(fleet: Fleet) -> None:
    """A change needs the instance's lock, a list doesn't."""
    from provisioner.cli.composition import Composition  # noqa: PLC0415  heavy

    with Composition(fleet.cloud.configuration) as composition, composition.locks.hold("prod", "run-1"):
        assert fleet.register(fleet.ca()).code == 4
        assert len(fleet.listed()) == 1


def test_an_unknown_name_and_an_unknown_serial_number(fleet: Fleet) -> None:
    """The one is the configuration's (2), the other is refused (3); what there is stands beside both."""
    unknown = fleet.cloud.run("device-ca", "list", "nowhere", "--json")
    assert (unknown.code, "prod" in unknown.document["error"]["message"]) == (2, True)
    done = fleet.change("activate", "12ab")
    assert (done.code, str(fleet.listed()[0]["serial"]) in done.document["error"]["message"]) == (3, True)
