"""Every error of the product, with its exit code and the next step.

Belongs here: the classes, their exit codes and default hints. Does not: deciding which one to raise.

    ProvisionerError                1   never raised itself
    ├── UsageError                  2   wrong flags, no terminal to ask on
    │   ├── ConfigurationError      2   every problem at once, with file and key
    │   └── CredentialsError        2   no credentials were found
    ├── RefusedError                3   a check refused; nothing was changed
    │   └── UnresolvedError         3   the endpoint's name has no address
    ├── BusyError                   4   another run holds the instance
    ├── UnusableError               5   local certificate or key unreadable, malformed, locked, or not what it should be
    ├── ServiceError                6   the cloud answered, or failed to
    │   ├── RejectedError           6   it said no: nothing landed, repeating is useless
    │   │   ├── NameTakenError      6   a hosted certificate of that name exists
    │   │   ├── NotFoundError       6   the thing asked for does not exist
    │   │   ├── DeniedError         6   permission or edition does not allow the call
    │   │   └── IdentityError       6   access key, secret or clock is wrong
    │   ├── ThrottledError          6   it said "later": nothing landed, repeating is safe
    │   └── UnansweredError         6   no usable answer: a write may have landed, so look before repeating
    ├── StateError                  6   the state database can't be read or written
    │   └── UnrecordedError         8   likewise, with a request under way: a person is needed
    ├── OutputError                 6   the result can't be written to stdout
    └── InterruptedRunError       130   stopped on request; resumable

Wording of a message: ``<instance>: <fact, with numbers>; <what was left as it is>``, lower case inside, no full stop.
The hint, "Next: ...", is a command or a check; it is kept apart so that JSON output can carry both.
"""

from collections.abc import Sequence
from typing import ClassVar


class ProvisionerError(Exception):
    """A failure the product understands; ``cli.main`` turns it into one message and an exit code.

    Args:
        message: the fact and what was left as it is.
        hint: the next command or check; the class's own one when not given.
    """

    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str] = "run it again as provisioner -vv ..., and report what it prints"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint

    def __str__(self) -> str:
        return self.message


class UsageError(ProvisionerError):
    """The command line asks for something that cannot be."""

    exit_code = 2
    default_hint = "provisioner --help"


class ConfigurationError(UsageError):
    """The configuration has problems; all of them are told at once.

    Args:
        source: the file that was read.
        problems: one line each, ``<key>: <what is wrong>``.
    """

    default_hint = "correct the lines named above; the README's configuration reference lists every key"

    def __init__(self, source: str, problems: Sequence[str], *, hint: str | None = None) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        lines = "".join(f"\n  {line}" for line in problems)
        super().__init__(f"{source}: {count}; nothing was changed{lines}", hint=hint)
        self.source = source
        self.problems = tuple(problems)


class CredentialsError(UsageError):
    """No Alibaba Cloud credentials were found, or the ones named cannot be read."""

    default_hint = (
        "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, "
        "or account.credentials in the configuration"
    )


class RefusedError(ProvisionerError):
    """A check refused to go on; nothing was changed."""

    exit_code = 3
    default_hint = "provisioner check"


class UnresolvedError(RefusedError):
    """The endpoint's name has no address."""

    default_hint = "check the endpoint's name and this machine's DNS; connect_to (probe: --connect-to) is for split DNS"


class BusyError(ProvisionerError):
    """Another run holds the instance."""

    exit_code = 4
    default_hint = "wait for the other run to end, or take over with: provisioner rollback NAME"


class UnusableError(ProvisionerError):
    """Local certificate or key material is unreadable, malformed, locked, or not what it should be."""

    exit_code = 5
    default_hint = "check the file named above"


class ServiceError(ProvisionerError):
    """The cloud service refused or failed a call.

    Args:
        message: own text only; never the SDK's, which holds the URL.
        action: the API action, such as ``ListInstances``.
        code: the service's error code, empty when there was none.
        request_id: the service's request id for its support, empty when there was none.
    """

    exit_code = 6
    default_hint = "provisioner status"

    def __init__(
        self, message: str, *, action: str = "", code: str = "", request_id: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.action = action
        self.code = code
        self.request_id = request_id


class RejectedError(ServiceError):
    """The service said no: the call did not land and repeating it is useless."""


class NameTakenError(RejectedError):
    """A hosted certificate of that name exists already."""


class NotFoundError(RejectedError):
    """The service does not know what the call names."""


class DeniedError(RejectedError):
    """The account's permissions or the instance's edition do not allow the call."""

    default_hint = "compare the account's RAM policy with the README's list of actions"


class IdentityError(RejectedError):
    """The access key, its secret, or this machine's clock is wrong."""

    default_hint = "check the access key, its secret, and this machine's clock"


class ThrottledError(ServiceError):
    """The service said "later": the call did not land and repeating it is safe."""


class UnansweredError(ServiceError):
    """No usable answer came: a write may have landed, so its effect is looked for before anything is repeated."""

    default_hint = "check the network to the service, then: provisioner status"


class StateError(ProvisionerError):
    """The state database cannot be read or written."""

    exit_code = 6
    default_hint = "check the path in `state`, its permissions, and the free space"


class UnrecordedError(StateError):
    """The state failed while a request was under way: what became of it isn't recorded, nor rolled back."""

    exit_code = 8


class OutputError(ProvisionerError):
    """The result cannot be written to stdout; whatever the command did stands."""

    exit_code = 6
    default_hint = "check where stdout goes; provisioner status shows how things stand"


class InterruptedRunError(ProvisionerError):
    """The run was stopped on request; what it had asked for is recorded and the run can be resumed."""

    exit_code = 130
    default_hint = "provisioner resume"
