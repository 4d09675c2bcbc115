"""Certificates from files and from hosting, and mapped domains, on the fake clock."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.model.certificate import FilesSpecification, HostedSpecification, Leaf
from provisioner.model.desired import Mapped, RotationPolicy, Window
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


def hosted_already(stage: Stage, der: bytes = b"bought there", *, name: str | None = None) -> str:
    """Host a certificate that this tool did not upload, and return its identifier; for another name where one is given.

    It lasts 400 days.
    """
    leaf = stage.pki.stranger(der, days=400)
    if name is not None:
        leaf = stage.pki.known[der] = replace(leaf, dns_names=(name,))
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


def by_identifier(identifier: str) -> Mapped:
    """Return the mapped domain with a certificate that is hosted already."""
    return Mapped(DOMAIN, HostedSpecification("shop", identifier, timedelta(days=30)), "provisioner-shop-")


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


def test_a_domain_whose_identifier_nobody_has_is_refused(mapping: Stage) -> None:
    """There is nothing to map, and nothing is asked for; unattended, one that can't be rehearsed is refused too."""
    mapping.apply()
    mapping.desired = replace(mapping.desired, domains=(by_identifier("99-cn-hangzhou"),))
    assert reasons(mapping) == ["unknown-identifier"]
    mapping.desired = replace(mapping.desired, domains=(by_identifier(hosted_already(mapping, name=DOMAIN)),))
    assert "no-rehearsal" in reasons(mapping, Severity.WARNING)
    requests = len(mapping.world.requests)
    refused = mapping.rotate_unattended()
    assert [item.reason for item in refused.findings if item.severity is Severity.ALARM] == ["no-rehearsal"]
    assert len(mapping.world.requests) == requests
    assert (mapping.apply().outcome, mapping.world.mapping[DOMAIN]) == (Outcome.CONVERGED, b"bought there")


def test_a_domain_that_can_t_be_mapped_refuses_the_first_switch_too(mapping: Stage) -> None:
    """What would be refused after the switch is refused before anybody is disconnected."""
    mapping.desired = replace(mapping.desired, domains=(by_identifier("99-cn-hangzhou"),))
    assert (mapping.apply().outcome, mapping.world.requests) == (Outcome.REFUSED, [])


def test_a_domain_s_bought_certificate_that_is_due_raises_an_alarm(mapping: Stage) -> None:
    """Nobody here can renew it: it is told; and it does not keep the instance's own certificate from being renewed."""
    mapping.apply()
    mapping.desired = replace(mapping.desired, domains=(by_identifier(hosted_already(mapping, name=DOMAIN)),))
    assert mapping.apply().outcome is Outcome.CONVERGED
    mapping.clock.sleep(timedelta(days=380).total_seconds())
    due = mapping.rotate_unattended()
    assert (due.outcome, [item.reason for item in due.findings if item.severity is Severity.ALARM]) == (
        Outcome.REFUSED,
        ["due-unchanged"],
    )
    mapping.clock.sleep(timedelta(days=65).total_seconds())
    before = mapping.leaf()
    assert (mapping.rotate_unattended().outcome, mapping.leaf() != before) == (Outcome.CONVERGED, True)


def test_another_machine_s_certificate_for_a_domain_is_left_to_a_person(mapping: Stage) -> None:
    """It is made and hosted once, and the second machine waits for what the first one is about to do."""
    mapping.apply()
    window = Window("0 2 1 * *", timedelta(hours=3))
    policy = RotationPolicy(unattended=True, by_sni=True, window=window)
    mapping.desired = replace(mapping.desired, domains=(mapped(DOMAIN, "b.example.com"),), rotation=policy)
    mapping.clock.sleep(timedelta(days=3).total_seconds())
    other = mapping.twin()
    other.rotating = mapping.rotating
    assert mapping.rotate_unattended().findings[-1].reason == "waits-for-window"
    refused = other.rotate_unattended()
    assert ([item.reason for item in refused.findings if item.severity is Severity.ALARM]) == ["unknown-hosted"]
    assert len(mapping.hosting.uploads) == 3


def test_a_bad_certificate_of_a_domain_is_not_tried_again_and_the_default_stays_good(mapping: Stage) -> None:
    """What the endpoint was taken back from is the new leaf of the domain alone."""
    mapping.apply()
    mapping.desired = replace(mapping.desired, domains=(mapped(DOMAIN, "b.example.com"),))
    mapping.world.effects = ["devices_refused"]
    assert mapping.rotate_unattended().outcome is Outcome.ROLLED_BACK
    new = next(der for name, der in reversed(mapping.pki.issued) if name == "other")
    leaves = mapping.records.leaves
    assert (leaves.distrusted(mapping.pki.known[new].sha256), leaves.distrusted(mapping.leaf())) == (True, False)


def test_the_window_is_chosen_by_the_certificate_that_expires_first(mapping: Stage) -> None:
    """A domain's certificate that would expire before any window is an alarm at once, whatever the own one does."""
    short = specified(name="other", dns_names=(DOMAIN,), valid_for=timedelta(days=90), renew_before=timedelta(days=30))
    mapping.desired = replace(mapping.desired, domains=(Mapped(DOMAIN, short, "provisioner-other-"),))
    mapping.apply()
    yearly = RotationPolicy(unattended=True, by_sni=True, window=Window("0 2 1 1 *", timedelta(hours=3)))
    mapping.desired = replace(mapping.desired, rotation=yearly)
    mapping.clock.sleep(timedelta(days=61).total_seconds())
    refused = mapping.rotate_unattended()
    assert [item.reason for item in refused.findings if item.severity is Severity.ALARM] == ["no-window-in-time"]


def remove_hosted(stage: Stage, name: str) -> None:
    """Let a person have deleted the hosted copies of a certificate in the console."""
    stage.hosting.kept[:] = [item for item in stage.hosting.kept if f"-{name}-" not in item.name]


@pytest.mark.parametrize(("gone", "changed"), [("other", "iot"), ("iot", "other")])
def test_what_stays_is_hosted_again_where_its_copy_is_gone(mapping: Stage, gone: str, changed: str) -> None:
    """The mapping is replaced as a whole: a certificate that was deleted in the console must not fall out of it."""
    mapping.apply()
    remove_hosted(mapping, gone)
    if changed == "iot":
        mapping.respecify(dns_names=("*.mqtt.aliyuncs.com", "mqtt.example.com"))
    else:
        mapping.desired = replace(mapping.desired, domains=(mapped(DOMAIN, "b.example.com"),))
    assert (mapping.rotate_unattended().outcome, served(mapping)) == (Outcome.CONVERGED, ("iot", "other"))
    last = mapping.world.requests[-1]
    assert (bool(last.identifier), [bool(item.identifier) for item in last.domains]) == (True, [True])


def test_a_domain_whose_certificate_can_t_be_hosted_again_is_refused(mapping: Stage) -> None:
    """Without its key it would fall out of the mapping, so nothing is asked for."""
    mapping.apply()
    remove_hosted(mapping, "other")
    mapping.respecify(dns_names=("*.mqtt.aliyuncs.com", "mqtt.example.com"))
    other = mapping.twin()
    other.rotating = mapping.rotating
    requests = len(mapping.world.requests)
    refused = other.rotate_unattended()
    assert [item.reason for item in refused.findings if item.severity is Severity.ALARM] == ["domain-not-hosted"]
    assert len(mapping.world.requests) == requests


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
