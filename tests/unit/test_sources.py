"""Certificates from files and from hosting, and mapped domains, on the fake clock."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.model.certificate import FilesSpecification, HostedSpecification, Leaf
from provisioner.model.desired import Mapped, RotationPolicy
from provisioner.model.finding import Severity
from provisioner.model.instance import EndpointState, MappedState, Mode, NameRecord
from provisioner.model.outcome import Outcome
from provisioner.model.plan import StepKind
from tests.fakes.stage import NAME, Stage, specified, wanted
from tests.fakes.world import ALIBABA

DOMAIN = "a.example.com"


def from_files(*, unattended: bool = False) -> Stage:
    """Return an instance whose certificate lies in files."""
    stage = Stage(wanted(specification=FilesSpecification("iot"), rotation=RotationPolicy(unattended=unattended)))
    put(stage, b"bought first")
    return stage


def put(stage: Stage, der: bytes) -> Leaf:
    """Put a purchased certificate into the files."""
    stage.pki.in_files = der
    return stage.pki.stranger(der)


def reasons(stage: Stage, severity: Severity = Severity.REFUSAL) -> list[str]:
    """Return the reasons of the findings of a plan."""
    return [item.reason for item in stage.plan().findings if item.severity is severity]


def test_files_are_taken_in_hosted_and_switched_to() -> None:
    """The leaf of the files is the specification; the same files again change nothing."""
    stage = from_files()
    assert [step.kind for step in stage.plan().steps] == [StepKind.IMPORT, StepKind.HOST, StepKind.SWITCH]
    result = stage.apply()
    assert (result.outcome, stage.world.shown.der) == (Outcome.CONVERGED, b"bought first")
    assert stage.apply().outcome is Outcome.UNCHANGED


def test_changed_files_rotate_and_unchanged_ones_that_are_due_alarm() -> None:
    """Due files with nothing newer in them need a person; a renewed certificate in them is rotated to."""
    stage = from_files(unattended=True)
    assert stage.apply().outcome is Outcome.CONVERGED
    stage.clock.sleep(timedelta(days=200).total_seconds())
    due = stage.rotate_unattended()
    assert (due.outcome, [item.reason for item in due.findings if item.severity is Severity.ALARM]) == (
        Outcome.REFUSED,
        ["due-unchanged"],
    )
    put(stage, b"bought again")
    assert (stage.rotate_unattended().outcome, stage.world.shown.der) == (Outcome.CONVERGED, b"bought again")


def test_files_of_another_root_are_foreign_to_what_is_served() -> None:
    """Clients trust the root of the served certificate; another one needs the word of a person, and --yes is not it."""
    stage = Stage()
    assert stage.apply().outcome is Outcome.CONVERGED
    stage.desired = replace(stage.desired, specification=FilesSpecification("iot"))
    put(stage, b"bought first")
    assert "foreign-certificate" in reasons(stage)
    assert stage.apply(unsafe_replace_foreign=True).outcome is Outcome.CONVERGED


def hosted_already(stage: Stage, der: bytes = b"bought there") -> str:
    """Host a certificate that this tool did not upload, and return its identifier."""
    leaf = stage.pki.stranger(der)
    return stage.hosting.put("somebody-else", leaf)


def test_a_hosted_certificate_is_switched_to_by_its_identifier() -> None:
    """Nothing is made or uploaded; its key isn't here, so the rehearsal is missing and that is said."""
    stage = Stage()
    identifier = hosted_already(stage)
    stage.desired = replace(stage.desired, specification=HostedSpecification("iot", identifier))
    plan = stage.plan()
    assert ([step.kind for step in plan.steps], reasons(stage, Severity.WARNING)) == (
        [StepKind.SWITCH],
        ["no-rehearsal"],
    )
    result = stage.apply()
    assert (result.outcome, result.hosted_identifier, stage.hosting.uploads) == (Outcome.CONVERGED, identifier, [])
    assert stage.apply().outcome is Outcome.UNCHANGED


def test_another_identifier_is_another_specification() -> None:
    """A verified hosted certificate is replaced by the one that is named now; unattended that refuses."""
    stage = Stage(wanted(rotation=RotationPolicy(unattended=True)))
    first, second = hosted_already(stage), hosted_already(stage, b"bought later")
    stage.desired = replace(stage.desired, specification=HostedSpecification("iot", first))
    stage.apply()
    stage.desired = replace(stage.desired, specification=HostedSpecification("iot", second))
    alarms = [item.reason for item in stage.rotate_unattended().findings if item.severity is Severity.ALARM]
    assert alarms == ["no-rehearsal"]
    assert (stage.apply().outcome, stage.world.shown.der) == (Outcome.CONVERGED, b"bought later")


def test_an_identifier_that_nobody_has() -> None:
    """An unknown identifier, and one whose fingerprint the service keeps to itself, refuse."""
    stage = Stage(wanted(specification=HostedSpecification("iot", "1-cn-hangzhou")))
    assert reasons(stage) == ["unknown-identifier"]
    identifier = hosted_already(stage)
    stage.hosting.kept[-1] = replace(stage.hosting.kept[-1], sha256=None)
    stage.desired = replace(stage.desired, specification=HostedSpecification("iot", identifier))
    assert reasons(stage) == ["no-fingerprint"]


def mapped(*names: str) -> Mapped:
    """Return the mapped domain with a certificate for these names."""
    return Mapped(DOMAIN, specified(name="other", dns_names=names), "provisioner-other-")


@pytest.fixture
def mapping() -> Stage:
    """Return an instance with a mapped domain that has a certificate of its own."""
    stage = Stage(wanted(domains=(mapped(DOMAIN),), rotation=RotationPolicy(unattended=True, by_sni=True)))
    stage.rotating = stage.world.alone()
    return stage


def served(stage: Stage) -> tuple[str, str]:
    """Return the names of the certificates that the endpoint and the domain serve."""
    names = {der: name for name, der in stage.pki.issued} | {ALIBABA: "alibaba"}
    return names[stage.world.shown.der], names[stage.world.mapping.get(DOMAIN, stage.world.shown.der)]


def test_domains_are_mapped_once_the_endpoint_is_mutual(mapping: Stage) -> None:
    """The switch comes first, then the mapping with the certificate of the domain, all in one run."""
    result = mapping.apply()
    assert (result.outcome, served(mapping), len(mapping.hosting.uploads)) == (Outcome.CONVERGED, ("iot", "other"), 2)
    assert [len(target.domains) for target in mapping.world.requests] == [0, 1]
    assert mapping.apply().outcome is Outcome.UNCHANGED


def test_a_domain_is_rotated_without_touching_the_default(mapping: Stage) -> None:
    """Only what differs is made; the default certificate goes on by its hosted copy."""
    mapping.apply()
    before = mapping.leaf()
    mapping.desired = replace(mapping.desired, domains=(mapped(DOMAIN, "b.example.com"),))
    result = mapping.rotate_unattended()
    assert (result.outcome, mapping.leaf(), len(mapping.hosting.uploads)) == (Outcome.CONVERGED, before, 3)


def test_a_mapping_that_does_not_come_is_noticed(mapping: Stage) -> None:
    """The domain is probed with its own SNI: a mapping without effect is not success."""
    mapping.apply()
    mapping.desired = replace(mapping.desired, domains=(mapped(DOMAIN, "b.example.com"),))
    mapping.world.effects = ["no_effect"]
    assert mapping.apply().outcome is Outcome.FAILED


def test_the_mapping_before_is_restored(mapping: Stage) -> None:
    """A rollback asks for the domains as they were, by their hosted copies."""
    mapping.apply()
    mapping.respecify(dns_names=("*.mqtt.aliyuncs.com", "mqtt.example.com"))
    mapping.world.effects = ["devices_refused"]
    assert mapping.apply().outcome is Outcome.ROLLED_BACK
    last = mapping.world.requests[-1]
    assert (last.mode, [item.domain for item in last.domains], served(mapping)) == (
        Mode.MUTUAL,
        [DOMAIN],
        ("iot", "other"),
    )
    assert NAME in mapping.records.holds.kept


def test_a_domain_outside_its_certificate_is_refused(mapping: Stage) -> None:
    """Names are checked for each domain."""
    mapping.apply()
    mapping.desired = replace(mapping.desired, domains=(mapped("b.example.com"),))
    assert "names-miss-endpoint" in reasons(mapping)


def test_domains_that_lead_elsewhere_warn(mapping: Stage) -> None:
    """The DNS tells aliases, and whether a domain leads to the endpoint."""
    mapping.apply()
    own = mapping.desired.endpoint.host
    mapping.world.names = {
        own: NameRecord(own, "", ("192.0.2.10",)),
        DOMAIN: NameRecord(DOMAIN, "elsewhere.example.com", ("192.0.2.99",)),
    }
    assert (reasons(mapping, Severity.WARNING), reasons(mapping, Severity.INFO)) == (["domain-elsewhere"], ["alias"])


def test_a_state_with_domains_is_a_value() -> None:
    """States with other domains are other states."""
    one = EndpointState(Mode.MUTUAL, "a", "1", (MappedState(DOMAIN, "b", "2"),))
    assert one != EndpointState(Mode.MUTUAL, "a", "1")
