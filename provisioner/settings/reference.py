"""The configuration reference of the README, made from the schema."""

import json
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from provisioner.settings import certificate_schema, instance_schema, schema
from provisioner.settings.durations import render_duration
from provisioner.settings.secrets import SecretReference
from provisioner.settings.section import Section

_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("top level", schema.Settings),
    ("[account]", schema.Account),
    ("[account.credentials]", schema.Credentials),
    ("[account.endpoints]", schema.Endpoints),
    ("[authority]", schema.AuthoritySettings),
    ("[certificates.NAME]", certificate_schema.IssuedCertificate),
    ("[certificates.NAME.subject]", certificate_schema.Subject),
    ('[certificates.NAME] with source = "files"', certificate_schema.FilesCertificate),
    ('[certificates.NAME] with source = "hosted"', certificate_schema.HostedCertificateSettings),
    ("[instances.NAME]", instance_schema.InstanceSettings),
    ("[instances.NAME.window]", instance_schema.WindowSettings),
    ("[instances.NAME.canary]", instance_schema.CanarySettings),
    ("[switches.openapi]", schema.OpenApiSettings),
    ("[switches.openapi.mutual] and [switches.openapi.one_way]", schema.ApiCall),
    ("[waiting]", schema.Waiting),
    ("[waiting.settle]", schema.Settle),
)


def configuration_reference() -> str:
    """Return a Markdown table for each section."""
    return "\n".join(line for title, model in _SECTIONS for line in _section(title, model))


def _section(title: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"**`{title}`**" if title.startswith("[") else f"**{title}**"
    yield ""
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        if not _is_section(field):
            yield f"| `{name}` | {_kind(field)} | {_default(field)} | {field.description} |"
    yield ""


def _is_section(field: FieldInfo) -> bool:
    return any(issubclass(item, Section) for item in _classes(field.annotation))


def _classes(annotation: object) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from _classes(argument)


def _kind(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) is Literal:
        return " \\| ".join(f'`"{item}"`' for item in get_args(annotation))
    found = [item for item in _classes(annotation) if item not in {NoneType, tuple}]
    kind = found[0] if found else str
    many = "list of " if get_origin(annotation) is tuple else ""
    if issubclass(kind, Enum):
        return many + " \\| ".join(f'`"{item.value}"`' for item in kind)
    if get_origin(annotation) is dict:
        return "table of texts"
    names = {
        SecretReference: "secret by reference",
        Path: "path",
        timedelta: "duration",
        bool: "`true` \\| `false`",
        int: "number",
        float: "number",
        str: "text",
    }
    return many + next((words for known, words in names.items() if issubclass(kind, known)), "text")


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None:
        return ""
    return f"`{_toml(field.default)}`"


def _toml(value: object) -> str:
    """Return a default as it would stand in the file."""
    if isinstance(value, timedelta):
        return f'"{render_duration(value)}"'
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value.value if isinstance(value, Enum) else str(value) if isinstance(value, Path) else value)
