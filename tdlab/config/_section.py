"""What every section of the configuration shares: strict validation, and its settings one by one."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from tdlab.registry import did_you_mean

__all__ = ["Name", "Section", "Setting", "Share", "flattened", "suggestion", "unknown_key"]

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
"""The name of an entry in a registry. It is checked where it is used, by the registry of the package concerned."""


class Setting(NamedTuple):
    """One setting: its full name, default, the values that it takes in words, and its description."""

    name: str
    default: Any
    values: str
    description: str


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, values: Any) -> Any:
        if isinstance(values, dict):
            unknown = [str(key) for key in values if key not in cls.model_fields]
            if unknown:
                raise PydanticCustomError(
                    "unknown_key",
                    "{message}",
                    {"unknown": unknown, "message": "; ".join(unknown_key(name, cls) for name in unknown)},
                )
        return values

    @classmethod
    def sections(cls, name: str = "") -> Iterator[tuple[str, type[Section]]]:
        """Yield this section and those in it, each with its full name."""
        yield name, cls
        for key, field in cls.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
                yield from field.annotation.sections(f"{name}.{key}" if name else key)

    @classmethod
    def settings(cls) -> Iterator[Setting]:
        """Yield every setting of this section and of those in it, with its name from here."""
        for name, section in cls.sections():
            for key, field in section.model_fields.items():
                if not (isinstance(field.annotation, type) and issubclass(field.annotation, Section)):
                    default = field.get_default(call_default_factory=True)
                    full = f"{name}.{key}" if name else key
                    yield Setting(full, default, _values(field), field.description or "")

    def values(self) -> Iterator[tuple[str, Any]]:
        """Yield the value of every setting, with its name from here, in the order of `settings`."""
        for setting in type(self).settings():
            value: Any = self
            for key in setting.name.split("."):
                value = getattr(value, key)
            yield setting.name, value


def unknown_key(name: str, section: type[Section]) -> str:
    """Say that a section has no such setting, and which one may be meant."""
    advice = suggestion(name, section)
    return f"unknown key {name!r}" + (f": {advice}" if advice else "")


def suggestion(name: str, section: type[Section]) -> str:
    """Ask which setting may be meant; empty if none is close.

    A setting of the same name in another section comes first: ``window`` is ``evolution.window``.
    """
    known = [setting.name for setting in section.settings()]
    known += [other for other, _ in section.sections() if other]
    last = name.rpartition(".")[2]
    same = [other for other in known if other.rpartition(".")[2] == last]
    if same:
        return "did you mean " + " or ".join(map(repr, same[:3])) + "?"
    return did_you_mean(name, known)


def flattened(values: Mapping[str, Any], names: Iterable[str], prefix: tuple[str, ...]) -> Iterator[str]:
    """Yield the full names of some keys of a mapping; of a key that holds a mapping, those inside."""
    for name in names:
        inside = values.get(name)
        path = (*prefix, name)
        if isinstance(inside, Mapping) and inside:
            yield from flattened(inside, map(str, inside), path)
        else:
            yield ".".join(path)


def _values(field: FieldInfo) -> str:
    """Say in words which values a field takes."""
    kind: Any = field.annotation
    optional = get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind)
    if optional:
        kinds = [part for part in get_args(kind) if part is not type(None)]
        if len(kinds) > 1:  # an address, or several
            return "text or a list, or null"
        kind = kinds[0]
    if get_origin(kind) is Literal:
        words = ", ".join(map(str, get_args(kind)))
    elif kind is bool:
        words = "true or false"
    elif kind in (int, float):
        words = _range(field)
    elif get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        words = "a list" + (f" of {', '.join(get_args(inner))}" if get_origin(inner) is Literal else " of names")
    elif get_origin(kind) is dict:
        words = "a mapping"
    else:
        words = "a name" if any(getattr(item, "min_length", 0) for item in field.metadata) else "text"
    return f"{words}, or null" if optional else words


def _range(field: FieldInfo) -> str:
    bounds: dict[str, float] = {}
    for item in field.metadata:
        for bound in ("ge", "gt", "le"):
            if getattr(item, bound, None) is not None:
                bounds[bound] = getattr(item, bound)
    number = {name: f"{value:,}" if isinstance(value, int) else f"{value:,.10g}" for name, value in bounds.items()}
    low = f"above {number['gt']}" if "gt" in number else number["ge"]
    if "le" not in number:
        return low if "gt" in number else f"{low} or more"
    return f"{low}, up to {number['le']}" if "gt" in number else f"{low} to {number['le']}"
