"""The addresses and the API key of a run's servers, and texts of a server without the key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import get_args

from tdlab.config import TeacherConfig, TeacherRole, address_problem
from tdlab.errors import ConfigError
from tdlab.tools import shorten

__all__ = ["Key", "role_addresses"]

_MAX_SHOWN = 300  # characters of a server's message that are quoted in an error
_MAX_READ = 20_000  # characters of it that are looked at, once the key is out: a body may have a million
_SECRET = re.compile(r"\b(?:sk|pk|key)-[A-Za-z0-9_*.\-]{6,}")
_NO_KEY = "none"  # sent to a server that needs no key
_MIN_SECRET = 8  # characters; a shorter key ("EMPTY", "none", "1") is a word that replies may contain by chance


class Key:
    """An API key: ``api_key``, or ``OPENAI_API_KEY`` by default; empty if there is none.

    Raises:
        ConfigError: If the key cannot be sent in a header; the error does not show it.
    """

    def __init__(self, api_key: str | None = None) -> None:
        key = (api_key if api_key is not None else os.environ.get("OPENAI_API_KEY", "")).strip()
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ConfigError(
                "the key for the teacher's server contains a space, a line break or another invalid character",
                expected="the key alone, without quotation marks or a second line",
                do="correct OPENAI_API_KEY or the argument `api_key`",
            )
        self._key = key

    def __bool__(self) -> bool:
        return bool(self._key)

    @property
    def sent(self) -> str:
        """What is sent as the key."""
        return self._key or _NO_KEY

    @property
    def secret(self) -> str:
        """The key if it is long enough to be a secret; else empty."""
        return self._key if len(self._key) >= _MIN_SECRET else ""

    @property
    def headers(self) -> Mapping[str, str]:
        """The header with the key."""
        return {"Authorization": f"Bearer {self.sent}"}

    def clean(self, text: str) -> str:
        """Return a server's message as one short line without the key."""
        if self.secret:
            text = text.replace(self._key, "[key]")
        elif self._key:
            text = re.sub(rf"(?<!\w){re.escape(self._key)}(?!\w)", "[key]", text)
        text = text[:_MAX_READ]
        shown = shorten(" ".join(_SECRET.sub("[key]", text).split()), _MAX_SHOWN)
        return "".join(c if c.isprintable() else "\ufffd" for c in shown) or "(no message)"


def role_addresses(config: TeacherConfig) -> dict[TeacherRole, tuple[str, ...]]:
    """Return the addresses of every role: from the config, the environment, or OpenAI's.

    Raises:
        ConfigError: If the environment's address is invalid or contains a secret; the error does not show it.
    """
    roles: tuple[TeacherRole, ...] = get_args(TeacherRole)
    addresses = {role: config.addresses(role) for role in roles}
    if all(addresses.values()):
        return addresses
    address = os.environ.get("OPENAI_BASE_URL", "").strip()
    problem = address_problem(address) if address else ""
    if problem:
        raise ConfigError(
            f"OPENAI_BASE_URL {problem}",
            expected="an address such as http://127.0.0.1:8000/v1",
            do="correct OPENAI_BASE_URL, or set teacher.base_url",
        )
    default = (address.rstrip("/") or "https://api.openai.com/v1",)
    return {role: own or default for role, own in addresses.items()}
