"""What one part of the configuration says of another, judged on the file as it was written.

So it can be told beside what is wrong with the parts themselves. Everything here is total: parts that are not what they
should be are told elsewhere, and passed over here.
"""

from collections.abc import Mapping


def reference_problems(raw: Mapping[str, object]) -> list[str]:
    """Return what instances name and the file does not have, one line each, with the key."""
    certificates = _table(raw.get("certificates"))
    switches = _table(raw.get("switches"))
    known = ", ".join(certificates) or "none"
    found = []
    for name, value in _table(raw.get("instances")).items():
        instance = _table(value)
        wanted = instance.get("certificate")
        if isinstance(wanted, str) and wanted not in certificates:
            found.append(f"instances.{name}.certificate: no [certificates.{wanted}]; there are: {known}")
        if instance.get("switch") == "openapi" and "openapi" not in switches:
            found.append(f'instances.{name}.switch: "openapi" needs the section [switches.openapi]')
    return found


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
