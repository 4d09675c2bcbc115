"""Loading the configuration: finding the file, reading it, and telling all its problems at once."""

import difflib
import stat
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from provisioner.errors import ConfigurationError, UsageError
from provisioner.model.certificate import DistinguishedName
from provisioner.settings.certificate_schema import IssuedCertificate, Subject
from provisioner.settings.conversion import LoadedSettings
from provisioner.settings.durations import render_duration
from provisioner.settings.references import reference_problems
from provisioner.settings.schema import LONGEST_HOSTED_NAME, Settings

VARIABLE = "PROVISIONER_CONFIG"
PLACES = (Path("provisioner.toml"), Path("config/provisioner.toml"))

_EXPECTED = {
    "dict_type": "a table",
    "model_attributes_type": "a table",
    "model_type": "a table",
    "path_type": "a path, as text",
    "string_type": "a text",
    "tuple_type": "a list",
}


def find_configuration(flag: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the configuration's path: ``--config``, else PROVISIONER_CONFIG, else the usual places.

    Raises:
        UsageError: there is no such file; the message names where was looked.
    """
    named = flag or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    problems = {path: _place_problem(path) for path in ((named,) if named else PLACES)}
    found = next((path for path, problem in problems.items() if not problem), None)
    if found is None:
        looked = " and ".join(f"{path} {problem}" for path, problem in problems.items())
        raise UsageError(
            f"no configuration: {looked}; nothing was changed",
            hint="name it with --config, or begin with the example config/provisioner.toml",
        )
    return found


def _place_problem(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "does not exist"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no path"
        return f"can't be read ({reason.lower()})"
    return "is a directory" if stat.S_ISDIR(mode) else ""


def load_settings(path: Path, sections: Collection[str] | None = None) -> LoadedSettings:
    """Return the configuration.

    Args:
        path: the TOML file; relative paths in it are relative to its directory.
        sections: the top-level keys that the command needs; the others are not looked at. All when not given.

    Raises:
        ConfigurationError: every problem at once, with its key.
    """
    raw = _parse(path)
    known = set(Settings.model_fields)
    chosen = {key: value for key, value in raw.items() if sections is None or key in sections or key not in known}
    try:
        settings = Settings.model_validate(chosen)
    except ValidationError as error:
        problems = [_problem(item) for item in error.errors(include_url=False, include_input=False)]
        more = reference_problems(raw) if sections is None else ()
        raise ConfigurationError(str(path), sorted({*problems, *more})) from None
    problems = list(_cross_problems(settings, everything=sections is None))
    if sections is None:
        problems += reference_problems(raw)
    if problems:
        raise ConfigurationError(str(path), problems)
    return LoadedSettings(settings, path.resolve().parent)


def load_subject(values: Mapping[str, str | None]) -> DistinguishedName:
    """Return a subject that was given by options named like its fields. Raises ``UsageError``."""
    try:
        found = Subject.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        item: Mapping[str, object] = dict(error.errors(include_url=False, include_input=False)[0])
        location = item["loc"]
        assert isinstance(location, tuple)
        option = "".join(f"--{name}: ".replace("_", "-") for name in location)
        raise UsageError(f"{option}{_words(item)}; nothing was changed", hint="provisioner ca create --help") from None
    return DistinguishedName(**found.model_dump())


def _parse(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(str(path), [f"not TOML: {error}"]) from None
    except UnicodeDecodeError:
        raise ConfigurationError(str(path), ["not TOML: it is not UTF-8 text"]) from None
    except ValueError:
        raise ConfigurationError(str(path), ["not TOML: it holds a number that is too long"]) from None
    except RecursionError:
        raise ConfigurationError(str(path), ["not TOML: it is nested too deeply"]) from None
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise UsageError(
            f"{path}: can't be read: {reason}; nothing was changed", hint="name another with --config"
        ) from None


def _problem(item: Mapping[str, object]) -> str:
    location = item["loc"]
    assert isinstance(location, tuple)
    # Names of union members and validators are no keys of the file.
    key = ".".join(str(part) for part in location if not (isinstance(part, str) and "[" in part)) or "configuration"
    if item["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), _siblings(location[:-1]), n=1)
        return f"{key}: unknown key" + (f"; did you mean {close[0]}?" if close else "")
    if item["type"] == "missing":
        return f"{key}: missing"
    return f"{key}: {_words(item)}"


def _words(item: Mapping[str, object]) -> str:
    """Return what is wrong in the words of the file: tables, texts, lists."""
    kind, context = str(item["type"]), item.get("ctx")
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}"
    if kind in {"enum", "literal_error"} and isinstance(context, dict):
        return f"expected {context['expected']}"
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}"


def _siblings(location: tuple[str | int, ...]) -> list[str]:
    model: type[BaseModel] | None = Settings
    for part in location:
        model = _model_at(model, part) if model else None
    return list(model.model_fields) if model else []


def _model_at(model: type[BaseModel], part: str | int) -> type[BaseModel] | None:
    field = model.model_fields.get(str(part))
    if field is None:
        return model
    return next(iter(_models(field.annotation)), None)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)


def _cross_problems(settings: Settings, *, everything: bool) -> Iterator[str]:
    seen: dict[tuple[str, str], str] = {}
    for name, instance in settings.instances.items():
        other = seen.setdefault((instance.region, instance.id), name)
        if other != name:
            yield f"instances.{name}.id: {instance.id} is instances.{other} already"
        for domain, certificate in instance.domains.items():
            if certificate not in settings.certificates and everything:
                yield f"instances.{name}.domains.{domain}: no [certificates.{certificate}]"
        yield from _window_problems(settings, name)
    issued = [name for name, item in settings.certificates.items() if isinstance(item, IssuedCertificate)]
    if everything and settings.authority is None and issued:
        yield f"authority: missing; certificates.{issued[0]} is issued by it"
    for name in settings.certificates:
        length = len(f"{settings.account.name_prefix}-{name}-") + 16
        if length > LONGEST_HOSTED_NAME:
            limit = LONGEST_HOSTED_NAME
            yield f"certificates.{name}: its hosted name would have {length} characters, at most {limit} fit"


def _window_problems(settings: Settings, name: str) -> Iterator[str]:
    window, needed = settings.instances[name].window, 2 * settings.waiting.deadline
    if window is not None and window.duration < needed:
        yield (
            f"instances.{name}.window.duration: {render_duration(window.duration)} is less than twice "
            f"waiting.deadline ({render_duration(needed)})"
        )
