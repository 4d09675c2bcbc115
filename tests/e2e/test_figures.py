"""The figures that don't depend on the machine: imports, and calls to the cloud."""

import pytest

from tests.benchmarks.figures import Figure, Verdict, document, missed, table
from tests.benchmarks.running import bench, call_figures, counted
from tests.benchmarks.starting import heavy, import_figures


def test_version_and_help_import_nothing_heavy() -> None:
    """Neither SDK nor SQLAlchemy nor pydantic nor cryptography is imported before anything is asked for."""
    assert [(figure.got, figure.note) for figure in import_figures()] == [(0, ""), (0, "")]


def test_a_first_switch_and_a_converged_apply_keep_to_their_calls() -> None:
    """At most 14 calls for a first switch, polls while waiting apart, and 6 for an apply that only reads."""
    with bench() as one:
        assert missed(call_figures(one)) == []
        actions = one.actions()
        writes = {one.sandbox.settings.mutual_action, "UploadUserCertificate"}
    assert sorted(action for action in actions if action in writes) == sorted(writes)


def test_heavy_packages_are_recognised() -> None:
    """A module counts by its package, whatever its depth; ours and the standard library's don't."""
    modules = ("json.decoder", "provisioner.pki.pem", "cryptography.x509.base", "pydantic_core", "alibabacloud_x.y")
    assert heavy(modules) == ["alibabacloud_x", "cryptography", "pydantic_core"]


def test_polls_are_those_after_the_request() -> None:
    """The directory's calls before the switch count; what else comes after it counts too."""
    assert counted(["ListInstances", "Upload", "Switch", "ListInstances", "ListInstances", "Other"], "Switch") == (4, 2)


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (Figure("count", 6, "calls", 6), Verdict.MET),
        (Figure("count", 7, "calls", 6), Verdict.MISSED),
        (Figure("time", 3.1, "s", 3, noise=2), Verdict.NOISE),
        (Figure("time", 6.1, "s", 3, noise=2), Verdict.MISSED),
        (Figure("ratio", 5, "times", 5, at_least=True, noise=2), Verdict.MET),
        (Figure("ratio", 4, "times", 5, at_least=True, noise=2), Verdict.NOISE),
        (Figure("ratio", 2.4, "times", 5, at_least=True, noise=2), Verdict.MISSED),
        (Figure("polls", 9, "calls"), Verdict.TOLD),
    ],
)
def test_a_figure_is_missed_beyond_its_noise(figure: Figure, verdict: Verdict) -> None:
    """Counts have no noise; times and ratios are missed only beyond it, and the document says the same."""
    assert (figure.verdict, bool(missed([figure]))) == (verdict, verdict is Verdict.MISSED)
    assert (document([figure])["ok"], verdict.value in table([figure])) == (verdict is not Verdict.MISSED, True)
