"""The secrets of a server's entry, taken out of everything that is shown, logged or stored."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from tdlab.pool.live.config import ServerSpec
from tdlab.records import Json
from tdlab.tools import printable

__all__ = ["REDACTED", "Redactor"]

REDACTED = "[redacted]"
"""What stands in place of a secret."""

_SECRET_NAME = re.compile(
    r"key|token|secret|passw|pwd|auth|credential|cookie|session|signature|private|pat$", re.IGNORECASE
)
_LAUNCHERS = re.compile(
    r"npx|npm|pnpm|bunx?|yarn|node|deno|uvx?|pipx|python[\d.]*|ruby|java|docker|podman|go|dotnet|php"
)
_FILE = re.compile(r"[\w./\\@~ -]*\.(py|js|ts|mjs|cjs|jar|sh|json|jsonc|ya?ml|toml|db|sqlite3?|csv|txt|md|exe|rb|php)")
_PACKAGE = re.compile(r"@[\w.-]+/[\w.-]+(@[\w.^~-]+)?")
_PLAIN = re.compile(r"[+-]?\d+(\.\d+)?|[A-Za-z_./:, -]*|(/|\./|\.\./|~/|[A-Za-z]:\\).*|[\w.-]+:\d{1,5}", re.DOTALL)
_COMMON = {"true", "false", "null", "none", "application/json", "text/event-stream", "*/*"}
_ANYWHERE = 6
_SHORTEST = 4
_PATH_SECRET = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w~-]{16,}")
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


class Redactor:
    """Takes the secrets of one entry out of texts.

    Messages are for people and lose every value of ``env``, ``headers``, ``args`` and of the address's query and user
    info, except flags, packages and scripts, without which no message can be understood. What a server returns is data:
    a folder given to a server as an argument is rightly in its results. It loses what is a secret by its name
    (``TOKEN``, ``--api-key``, ``Authorization``) or its looks (not a word, number, path or address). Values of less
    than four letters are left, and those of less than six are taken out only as whole words.

    Args:
        spec: The server.
    """

    def __init__(self, spec: ServerSpec) -> None:
        everything, secrets = _values(spec)
        self._everything = _pattern(everything)
        self._secrets = _pattern(secrets)

    def message(self, text: str, *, most: int = 600) -> str:
        """Return a text as one printable line for people, without any value of the entry."""
        if self._everything is not None:
            text = self._everything.sub(REDACTED, text)
        return printable(" ".join(_ANSI.sub("", text).split()), most=most)

    def data(self, text: str) -> str:
        """Return a text of the server without the secrets of the entry."""
        return text if self._secrets is None else self._secrets.sub(REDACTED, text)

    def data_json(self, value: Json) -> Json:
        """Return a JSON value of the server without the secrets of the entry."""
        if self._secrets is None:
            return value
        if isinstance(value, str):
            return self.data(value)
        if isinstance(value, list):
            return [self.data_json(item) for item in value]
        if isinstance(value, dict):
            return {self.data(key): self.data_json(item) for key, item in value.items()}
        return value


def _values(spec: ServerSpec) -> tuple[set[str], set[str]]:
    """Return all values of an entry, and those of them that are secrets."""
    everything: set[str] = set(spec.secrets)
    secrets = {value for value in spec.secrets if not _PLAIN.fullmatch(value)}
    for name, value in (*spec.env.items(), *spec.headers.items()):
        parts = {value, *_credentials(value)}
        everything |= parts
        secrets |= {part for part in parts if _SECRET_NAME.search(name) or not _PLAIN.fullmatch(part)}
        inside = set(_in_address(value))
        everything |= inside
        secrets |= inside
    flag = ""
    first = True
    for arg in spec.args:
        name, sign, value = arg.partition("=")
        if not arg.startswith("-"):
            name, sign, value = flag, "", arg
        elif not sign:
            flag = arg
            continue
        flag = ""
        named = bool(_SECRET_NAME.search(name))
        inside = set(_in_address(value))
        everything |= inside
        secrets |= inside
        launched = first and not name and _LAUNCHERS.fullmatch(PurePath(spec.command).name) is not None
        first = first and bool(name)
        if named or not (launched or _FILE.fullmatch(value) or _PACKAGE.fullmatch(value)):
            everything.add(value)
            if named or not _PLAIN.fullmatch(value):
                secrets.add(value)
    inside = set(_in_address(spec.url))
    return everything | inside, secrets | inside


def _credentials(value: str) -> Iterator[str]:
    """Yield what a header holds behind its scheme: a token, or a user's name and password."""
    scheme, blank, token = value.strip().partition(" ")
    if not blank:
        return
    yield token.strip()
    if scheme.lower() == "basic":
        try:
            yield base64.b64decode(token, validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, ValueError):
            return


def _in_address(value: str) -> Iterator[str]:
    """Yield the secrets of an address: user info, query, fragment, and long mixed segments of its path."""
    if "://" not in value:
        return
    try:
        parts = urlsplit(value)
    except ValueError:
        return
    for part in (parts.username, parts.password):
        if part:
            yield part
            yield unquote(part)
    if parts.query:
        yield parts.query
        for _, content in parse_qsl(parts.query):
            yield content
    if parts.fragment:
        yield parts.fragment
    yield from (segment for segment in parts.path.split("/") if _PATH_SECRET.fullmatch(segment))


def _pattern(values: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern of the values in all spellings that messages have; None if there is nothing to find."""
    spellings: set[str] = set()
    for value in values:
        stripped = value.strip()
        if len(stripped) < _SHORTEST or stripped.lower() in _COMMON:
            continue
        for text in (value, stripped):
            spellings |= {text, quote(text), quote(text, safe=""), quote_plus(text)}
            spellings |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]}
        spellings |= {line for line in map(str.strip, stripped.splitlines()) if len(line) >= _ANYWHERE}
    if not spellings:
        return None
    ordered = sorted(spellings, key=lambda text: (-len(text), text))
    words = [
        re.escape(text) if len(text) >= _ANYWHERE else rf"(?<![A-Za-z0-9]){re.escape(text)}(?![A-Za-z0-9])"
        for text in ordered
    ]
    return re.compile("|".join(words))
