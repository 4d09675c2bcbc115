"""What the SDK would write by itself: nothing of it reaches stderr."""

import os
import subprocess
import sys
from pathlib import Path

from tests.fakes.hostile_api import HostileApi

NOBODY = "http://127.0.0.1:9"
ASKS_FOR_CREDENTIALS = """
from provisioner.alibaba.credentials import default_credentials
from provisioner.errors import CredentialsError
try:
    default_credentials()
except CredentialsError as error:
    print(error)
"""
UPLOADS = """
import sys
from provisioner.alibaba import AccessKey, AccountClients, AlibabaHostedCertificates, ApiEndpoints, Site
from provisioner.model.secret import Secret
clients = AccountClients(Site.CHINA, AccessKey(Secret("id"), Secret("secret")), ApiEndpoints(sys.argv[1], sys.argv[1]))
print(AlibabaHostedCertificates(clients, unsafe_key_in_query=True).upload("n", "chain", Secret("the key"), "t"))
"""


def _run(code: str, *arguments: str, **environ: str) -> tuple[str, str]:
    """Run code in a process of its own, since the SDK's handlers hold the stderr of their import."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ALIBABA_CLOUD_")}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=clean | environ, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, done.stderr


def test_a_token_that_can_not_be_exchanged_is_not_told(tmp_path: Path) -> None:
    """The credentials package logs the URL of a failed exchange, in which the workload's token stands."""
    token = tmp_path / "token"
    token.write_text("THE-WORKLOADS-TOKEN", encoding="ascii")
    got = _run(
        ASKS_FOR_CREDENTIALS,
        HOME=str(tmp_path),
        HTTPS_PROXY=NOBODY,
        ALIBABA_CLOUD_OIDC_TOKEN_FILE=str(token),
        ALIBABA_CLOUD_ROLE_ARN="acs:ram::1:role/r",
        ALIBABA_CLOUD_OIDC_PROVIDER_ARN="acs:ram::1:oidc-provider/p",
    )
    assert got == ("no Alibaba Cloud credentials were found; nothing was changed\n", "")


def test_the_sdks_debug_output_stays_off() -> None:
    """``DEBUG=sdk``, which other programs of the same shell may want, would print the key and what is signed."""
    with HostileApi(lambda _action: (200, {"CertId": 7})) as api:
        assert _run(UPLOADS, api.url, DEBUG="sdk") == ("7\n", "")
