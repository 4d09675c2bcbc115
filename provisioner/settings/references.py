"""What one part of the configuration says of another, judged on the file as it was written.

So it can be told beside what is wrong with the parts themselves. Everything here is total: parts that are not what they
should be are told elsewhere, and passed over here.
"""

from collections.abc import Iterator, Mapping


def reference_problems(raw: Mapping[str, object]) -> list[str]:
    """Return what sections name and the file does not have, one line each, with the key."""
    certificates = _table(raw.get("certificates"))
    switches = _table(raw.get("switches"))
    found = []
    for name, value in _table(raw.get("instances")).items():
        instance = _table(value)
        for key, wanted in _certificates_of(instance):
            if wanted not in certificates:
                known = ", ".join(certificates) or "none"
                found.append(f"instances.{name}.{key}: no [certificates.{wanted}]; there are: {known}")
        if instance.get("switch") == "openapi" and "openapi" not in switches:
            found.append(f'instances.{name}.switch: "openapi" needs the section [switches.openapi]')
    issued = [name for name, value in certificates.items() if _table(value).get("source", "authority") == "authority"]
    if issued and "authority" not in raw:
        found.append(f"authority: missing; certificates.{issued[0]} is issued by it")
    return found


def _certificates_of(instance: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the names of certificates that an instance uses, with the key of each."""
    named = {"certificate": instance.get("certificate")}
    named |= {f"domains.{domain}": wanted for domain, wanted in _table(instance.get("domains")).items()}
    for key, wanted in named.items():
        if isinstance(wanted, str):
            yield key, wanted


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
