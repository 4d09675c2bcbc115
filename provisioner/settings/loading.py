"""Loading the configuration: finding the file, reading it, and telling all its problems at once."""

import difflib
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from provisioner.errors import ConfigurationError, UsageError
from provisioner.settings.conversion import LoadedSettings
from provisioner.settings.durations import render_duration
from provisioner.settings.schema import LONGEST_HOSTED_NAME, IssuedCertificate, Settings

VARIABLE = "PROVISIONER_CONFIG"
PLACES = (Path("provisioner.toml"), Path("config/provisioner.toml"))


def find_configuration(flag: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the configuration's path: ``--config``, else PROVISIONER_CONFIG, else the usual places.

    Raises:
        UsageError: there is no such file; the message names where was looked.
    """
    named = flag or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    places = (named,) if named else PLACES
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        looked = " and ".join(str(path) for path in places)
        raise UsageError(
            f"no configuration: {looked} does not exist" if named else f"no configuration: looked for {looked}",
            hint="name it with --config, or begin with the example config/provisioner.toml",
        )
    return found


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
        raise ConfigurationError(str(path), sorted(set(problems))) from None
    problems = list(_cross_problems(settings, everything=sections is None))
    if problems:
        raise ConfigurationError(str(path), problems)
    return LoadedSettings(settings, path.resolve().parent)


def _parse(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(str(path), [f"not TOML: {error}"]) from None
    except UnicodeDecodeError:
        raise ConfigurationError(str(path), ["not TOML: it is not UTF-8 text"]) from None
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}", hint="name another with --config") from None


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
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{key}: {message[:1].lower()}{message[1:]}"


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
        if instance.certificate not in settings.certificates and everything:
            known = ", ".join(settings.certificates) or "none"
            yield f"instances.{name}.certificate: no [certificates.{instance.certificate}]; there are: {known}"
        if instance.switch == "openapi" and settings.switches.openapi is None and everything:
            yield f'instances.{name}.switch: "openapi" needs the section [switches.openapi]'
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
