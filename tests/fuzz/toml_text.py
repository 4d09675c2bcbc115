"""Values as TOML writes them, and strategies for any of them."""

from datetime import date, datetime, time

from hypothesis import strategies as st

WORDS = st.text(max_size=12) | st.sampled_from(
    ["iot", "prod", "china", "openapi", "30s", "12m", "mqtt.example.com:8883"]
)
LEAVES = (
    WORDS | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.booleans() | st.dates() | st.times() | st.datetimes()
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))


def toml(value: object) -> str:
    """Return a value in TOML, tables in line."""
    if isinstance(value, str):
        return '"' + "".join(_character(item) for item in value) + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml(str(name))} = {toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return repr(value)


def document(values: dict[str, object]) -> str:
    """Return a whole file."""
    return "".join(f"{toml(name)} = {toml(value)}\n" for name, value in values.items())


def _character(item: str) -> str:
    return item if item.isascii() and item.isprintable() and item not in '"\\' else f"\\U{ord(item):08x}"
