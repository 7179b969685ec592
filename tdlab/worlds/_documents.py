"""YAML documents with the line of every part, so that an error in a pack names the line it is about."""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

from tdlab.errors import PackError

__all__ = ["Document", "read_document"]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there
_KINDS = frozenset("str int float bool null seq map timestamp".split())

Path = tuple[str | int, ...]


class Document(NamedTuple):
    """A YAML mapping as plain data; ``lines`` has the line in which the value at each path starts."""

    data: dict[str, Any]
    lines: dict[Path, int]
    file: str

    def line(self, *path: str | int) -> int:
        """Return the line of the value at a path, or of the nearest part above it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def read_document(text: str, *, file: str) -> Document:
    """Read a YAML mapping.

    Args:
        text: The document. Aliases, tags and repeated keys are refused.
        file: Its name, for errors.

    Returns:
        The data with its lines.

    Raises:
        PackError: It is not YAML, no mapping, or uses what is refused.
    """
    lines: dict[Path, int] = {}
    try:
        root = yaml.compose(text, Loader=_LOADER)
        data = _value(root, (), lines, file, set()) if root is not None else {}
    except RecursionError:
        raise PackError("the document is nested too deeply", file=file, expected="a YAML mapping") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        if "nesting depth" in str(error):
            raise PackError("the document is nested too deeply", file=file, expected="a YAML mapping") from None
        raise PackError(
            f"not YAML: {getattr(error, 'problem', None) or error}", file=file, line=mark.line + 1 if mark else 0,
            expected="a YAML mapping",
        ) from None  # fmt: skip
    if not isinstance(data, dict):
        raise PackError("the document is no mapping", file=file, line=1, expected="keys such as lists: and frames:")
    return Document(data, lines, file)


def _value(node: yaml.Node, path: Path, lines: dict[Path, int], file: str, above: set[int]) -> Any:
    lines[path] = node.start_mark.line + 1
    if id(node) in above:
        raise PackError("an alias", file=file, line=lines[path], expected="the value written out")
    above.add(id(node))
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if kind not in _KINDS:
        raise PackError(f"the tag {node.tag}", file=file, line=lines[path], expected="plain values, lists and mappings")
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in mapping:
                raise PackError(f"the key {key!r} twice", file=file, line=key_node.start_mark.line + 1)
            mapping[key] = _value(value_node, (*path, key), lines, file, above)
            lines[*path, key] = key_node.start_mark.line + 1
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_value(part, (*path, place), lines, file, above) for place, part in enumerate(node.value)]
    if kind == "timestamp":
        return node.value
    try:
        return yaml.SafeLoader("").construct_object(node, deep=True)
    except ValueError as error:
        raise PackError(f"a value that cannot be read: {error}", file=file, line=lines[path]) from None
