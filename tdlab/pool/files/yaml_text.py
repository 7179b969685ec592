"""YAML as JSON values: YAML 1.2's plain types, any tag read as its plain value, aliases and depth bounded.

YAML is untrusted: nothing is constructed but JSON values. Before the text is read, its events are counted with every
alias expanded, so that a "billion laughs" file costs no memory. Types are those of YAML 1.2 (which OpenAPI prescribes):
``no``, ``on``, ``12:30`` and dates are strings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any, ClassVar

import yaml

from tdlab.records import Json

__all__ = ["YamlError", "read_yaml"]

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is there: eight times faster
_MOST_NODES = 5_000_000
_DEEPEST = 200
_LARGEST = 128 * 1024**2
_TYPES = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
     "-+.0123456789"),
)  # fmt: skip


class YamlError(ValueError):
    """Why a text is not YAML that can be read; ``reason`` completes a sentence, ``line`` counts from 1."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def read_yaml(text: str) -> tuple[list[Json], list[str]]:
    r"""Return the documents of a YAML text, and a sentence for each tag that was ignored.

    Args:
        text: The text; at most 128 MiB.

    Raises:
        YamlError: It is not YAML, or its aliases or its nesting are out of bounds.

    Example:
        >>> read_yaml("a: &x [no, 010]\nb: *x\nc: !thing {when: 2026-01-02}")
        ([{'a': ['no', 10], 'b': ['no', 10], 'c': {'when': '2026-01-02'}}], ['the tag !thing was ignored'])
    """
    if len(text) > _LARGEST:
        raise YamlError(f"is larger than {_LARGEST // 1024**2} MiB, too large for YAML; convert it to JSON")
    try:
        _check_bounds(text)
        loader = _Loader(text)
        try:
            documents = []
            while loader.check_data():
                documents.append(loader.get_data())
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise YamlError(f"is not YAML ({problem!s:.120})", None if mark is None else mark.line + 1) from None
    except YamlError:
        raise
    except RecursionError:
        raise YamlError("is nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits
        raise YamlError(f"is not readable YAML ({error!s:.80})") from None
    return documents, [f"the tag {tag:.80} was ignored" for tag in loader.ignored]


def _check_bounds(text: str) -> None:
    """Raise where the nodes with all aliases expanded, or the depth, are out of bounds."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=_BASE):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                line = _line(event)
                raise YamlError(
                    f"has an alias *{event.anchor:.40} that stands for what contains it, or for nothing", line
                )
            total += sizes[event.anchor]
        elif isinstance(event, yaml.NodeEvent):
            total += 1
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((event.anchor, total))
                sizes.pop(event.anchor or "", None)
                if len(open_nodes) > _DEEPEST:
                    raise YamlError("is nested too deeply", _line(event))
            elif event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = total - before + 1
        if total > _MOST_NODES:
            raise YamlError(f"has more than {_MOST_NODES:,} values with its aliases expanded", _line(event))


def _line(event: yaml.Event) -> int | None:
    return None if event.start_mark is None else event.start_mark.line + 1


class _Loader(_BASE):  # type: ignore[misc]  # the base is the C loader or the Python one
    """A safe loader whose values are JSON values; ``ignored`` lists the tags that it took no notice of."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.ignored: dict[str, None] = {}

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping with keys as text, as JSON has them."""
        self.flatten_mapping(node)
        return {
            key.value if isinstance(key, yaml.ScalarNode) else _words(key): self.construct_object(value, deep=True)
            for key, value in node.value
        }


def _words(node: Any) -> str:
    """Return a key that is no plain text as text."""
    parts = node.value if isinstance(node.value, list) else []
    return ", ".join(part.value for part in parts if isinstance(part, yaml.ScalarNode))


def _integer(text: str) -> Json:
    base = {"0x": 16, "0o": 8}.get(text[:2], 10)
    return int(text[2:] if base != 10 else text, base)


def _float(text: str) -> Json:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _any_tag(loader: _Loader, suffix: str, node: Any) -> Json:
    """Return the plain value of a node whose tag is not of JSON."""
    short = node.tag.replace("tag:yaml.org,2002:", "!!")
    loader.ignored[short] = None
    return _plain(loader, node)


def _plain(loader: _Loader, node: Any) -> Json:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return [loader.construct_object(inner, deep=True) for inner in node.value]
    return node.value


def _scalar(read: Callable[[str], Json]) -> Callable[[_Loader, Any], Json]:
    def construct(loader: _Loader, node: Any) -> Json:
        return read(node.value) if isinstance(node, yaml.ScalarNode) else _any_tag(loader, "", node)

    return construct


_PREFIX = "tag:yaml.org,2002:"
for _kind, _pattern, _first in _TYPES:
    _Loader.add_implicit_resolver(_PREFIX + _kind, re.compile(f"^(?:{_pattern})$"), [*_first.replace("\0", ""), ""])
_Loader.add_implicit_resolver(_PREFIX + "merge", re.compile("^<<$"), ["<"])
_Loader.yaml_constructors = {
    _PREFIX + "null": _scalar(lambda text: None),
    _PREFIX + "bool": _scalar(lambda text: text.lower() == "true"),
    _PREFIX + "int": _scalar(_integer),
    _PREFIX + "float": _scalar(_float),
    _PREFIX + "str": _scalar(str),
    _PREFIX + "seq": lambda loader, node: _plain(loader, node),
    _PREFIX + "map": lambda loader, node: _plain(loader, node),
}
_Loader.yaml_multi_constructors = {"": _any_tag}
