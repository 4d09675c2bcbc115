"""The Alibaba Cloud default credential chain, without waiting for a metadata service that isn't there."""

import contextlib
import os
from pathlib import Path
from typing import Any

from provisioner.alibaba.quiet import quieten
from provisioner.errors import CredentialsError

_DMI = Path("/sys/class/dmi/id")
_ROLE = "ALIBABA_CLOUD_ECS_METADATA"


def default_credentials(dmi: Path = _DMI) -> Any:  # noqa: ANN401  the SDK ships no types
    """Return the default chain after it has given credentials once.

    Asking the metadata service of a machine that is none of Alibaba's costs 2 s a call (measured), so it is asked only
    on such a machine, or when its role is named in the environment.

    Raises:
        CredentialsError: the chain found nothing.
    """
    from alibabacloud_credentials.client import Client  # noqa: PLC0415  200 ms
    from alibabacloud_credentials.utils import auth_util  # noqa: PLC0415

    if not on_alibaba(dmi) and not os.environ.get(_ROLE):
        # The package read the environment when it was imported, which the SDK does: too late to set a variable.
        auth_util.environment_ecs_metadata_disabled = "true"
    quieten()
    try:
        client = Client()
        found = client.get_credential()
    except Exception:  # noqa: BLE001  whatever the SDK raises ends here; its text names files and variables
        found = None
    if found is None or not found.access_key_id:
        raise CredentialsError("no Alibaba Cloud credentials were found; nothing was changed")
    return client


def on_alibaba(dmi: Path = _DMI) -> bool:
    """Tell whether this machine is an Alibaba Cloud ECS instance, by what its firmware says."""
    for name in ("sys_vendor", "product_name"):
        with contextlib.suppress(OSError):
            if "Alibaba Cloud" in (dmi / name).read_text(encoding="ascii", errors="replace"):
                return True
    return False
