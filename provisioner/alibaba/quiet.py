"""The SDK's own logging, kept quiet.

Measured: without any configuration the credentials package writes to stderr why a refresh failed, with the URL, and in
it the OIDC token; with ``DEBUG=sdk`` in the environment darabonba-core writes every request line and header. What went
wrong is told by the call's error, in words of our own.
"""

import logging

# By the names that the packages use: alibabacloud-credentials, darabonba-core, alibabacloud-tea.
_LOGGERS = ("credentials", "darabonba-core", "alibabacloud-tea")


def quieten() -> None:
    """Let the SDK's loggers write nothing; it does not matter whether the SDK was imported before."""
    for name in _LOGGERS:
        logging.getLogger(name).disabled = True
