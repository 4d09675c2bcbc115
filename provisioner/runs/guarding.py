"""What becomes of an error or an interruption in the middle of a run: a result."""

from collections.abc import Callable
from typing import TypeVar

from provisioner.errors import ProvisionerError
from provisioner.model.desired import Desired
from provisioner.model.outcome import InstanceResult
from provisioner.runs import results

T = TypeVar("T")


def guarded(desired: Desired, call: Callable[[], T]) -> T | InstanceResult:
    """Return what a call returns, or the result that its error or an interruption amounts to."""
    try:
        return call()
    except ProvisionerError as error:
        return results.failed(desired, error)
    except KeyboardInterrupt:
        return results.interrupted(desired)
