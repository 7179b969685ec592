"""Secrets and personal data in trajectories, found before a dataset is published.

Secrets are found by detect-secrets, without its detectors of mere entropy: identifiers in tool results look random,
too. Its last release is of 2024, so newer tokens are added below. Personal data are found by phonenumbers and
python-stdnum, which check digits and lengths. Presidio is not used: it needs a language model from the network. So
names of persons and postal addresses are not found; `SCAN_LIMITS` says so wherever results are shown.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from tdlab.records import Tool, Trajectory

__all__ = ["SCAN_LIMITS", "Finding", "Origin", "scan_text", "scan_tool", "scan_trajectory"]

SCAN_LIMITS = (
    "The scan finds secrets of known forms, e-mail addresses, international phone numbers, IBANs, payment cards, US "
    "social security numbers and public IPv4 addresses. It cannot find names of persons, postal addresses, or secrets "
    "without a known form or a telling name."
)
"""What a scan can and cannot find."""

Origin = Literal["world", "reserved", "unknown"]


@dataclass(frozen=True)
class Finding:
    """A secret or a personal datum in a text.

    Attributes:
        kind: ``secret`` or ``personal``.
        detector: What it looks like, such as ``GitHub Token`` or ``e-mail address``.
        trajectory: The trajectory's id; empty for a tool's definition.
        where: The message, call or tool.
        shown: The value with all but its first characters masked.
        origin: ``world`` if tdlab's simulation or one of its bundled services made the value, ``reserved`` if it is
            set aside for examples, else ``unknown``: it may be real.
    """

    kind: Literal["secret", "personal"]
    detector: str
    trajectory: str
    where: str
    shown: str
    origin: Origin

    def __str__(self) -> str:
        location = ", ".join(part for part in (self.trajectory, self.where) if part)
        return f"{self.kind}, {self.detector}: {self.shown} in {location} (origin: {self.origin})"


def scan_text(text: str) -> Iterator[tuple[Literal["secret", "personal"], str, str]]:
    """Yield (kind, detector, value) for each secret and personal datum in a text.

    Args:
        text: Any text; JSON in it is scanned as it stands.

    Yields:
        The kind, the name of the detector, and the value in full: mask it before showing it.

    Example:
        >>> [(kind, detector) for kind, detector, _ in scan_text("Mail ada@lovelace.org, key AKIAIOSFODNN7EXAMPLE")]
        [('secret', 'AWS Access Key'), ('personal', 'e-mail address')]
    """
    seen: set[tuple[str, str]] = set()
    for kind, finders in (("secret", _secrets), ("personal", _personal)):
        for detector, value in finders(text):
            if (detector, value) not in seen:
                seen.add((detector, value))
                yield kind, detector, value  # type: ignore[misc]  # mypy widens the literals of the tuple to str


def scan_trajectory(trajectory: Trajectory) -> Iterator[Finding]:
    """Yield the secrets and personal data of a trajectory's messages.

    Args:
        trajectory: A trajectory of a run, with its receipts, or of a file: then every origin but ``reserved`` is
            ``unknown``.

    Yields:
        Each finding once a message.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> said = Message(role="user", content="My mail is ada@example.com.")
        >>> [(f.detector, f.shown, f.origin) for f in scan_trajectory(Trajectory(id="t", messages=(said,)))]
        [('e-mail address', 'ada…(15 characters)', 'reserved')]
    """
    made_by = _makers(trajectory)
    for index, message in enumerate(trajectory.messages):
        texts = [message.content, message.reasoning]
        texts += [
            json.dumps(call.arguments, ensure_ascii=False) if call.malformed is None else call.malformed
            for call in message.tool_calls
        ]
        seen: set[tuple[str, str]] = set()
        for kind, detector, value in (found for text in texts if text for found in scan_text(text)):
            if (detector, value) in seen:
                continue
            seen.add((detector, value))
            origin: Origin = "reserved" if _is_reserved(value) else "world" if made_by(value) else "unknown"
            yield Finding(kind, detector, trajectory.id, f"message {index}, {message.role}", _masked(value), origin)


def scan_tool(tool: Tool, *, bundled: bool = False) -> Iterator[Finding]:
    """Yield the secrets and personal data in a tool's published definition.

    Args:
        tool: The tool.
        bundled: Whether its service ships with tdlab, so that its examples are invented.

    Yields:
        Each finding; a real service may well show its own mail address.

    Example:
        >>> from tdlab.records import Tool
        >>> tool = Tool(service="s", name="t", description="Ask ops@lovelace.org.", input_schema={"type": "object"})
        >>> [finding.where for finding in scan_tool(tool)]
        ['tool s/t']
    """
    for kind, detector, value in scan_text(f"{tool.description}\n{json.dumps(tool.input_schema, ensure_ascii=False)}"):
        origin: Origin = "reserved" if _is_reserved(value) else "world" if bundled else "unknown"
        yield Finding(kind, detector, "", f"tool {tool.key}", _masked(value), origin)


def _masked(value: str) -> str:
    """Return a value of which at most four characters, and at most a quarter, can be read."""
    return f"{value[: min(4, len(value) // 4)]}…({len(value)} characters)"


def _makers(trajectory: Trajectory) -> Callable[[str], bool]:
    """Return a function that says whether a value comes from tdlab's simulation.

    All values of a scripted rollout against simulated services do. Where a model wrote the words, those that a
    simulated result or the world's state holds do: the model may have put others in from what it was trained on.
    """
    receipts = trajectory.executions
    simulated = {receipt.call_id for receipt in receipts if receipt.executor.startswith("simulated:")}
    if receipts and len(simulated) == len(receipts) and trajectory.teacher == "scripted":
        return lambda value: True
    results = [message.content for message in trajectory.messages if message.tool_call_id in simulated]
    if trajectory.state and receipts and len(simulated) == len(receipts):
        results.append(json.dumps(trajectory.state, ensure_ascii=False))
    known = "\n".join(results)
    return lambda value: value in known


# ------------------------------------------------------------------------------------------------------------- secrets

_NEWER_TOKENS: Mapping[str, re.Pattern[str]] = {
    "Anthropic API key": re.compile(r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    "GitHub fine-grained token": re.compile(r"\bgithub_pat_[A-Za-z0-9_]{22,}"),
    "Google API key": re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b"),
    "Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{30,}\b"),
    "OpenAI project key": re.compile(r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}"),
}
"""Forms of tokens that detect-secrets 1.5 does not know."""


_BY_NAME = "Secret Keyword"
"""The detector of values beside a telling name, such as password."""


@cache
def _plugins() -> tuple[Any, ...]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    kinds: dict[str, Any] = get_mapping_from_secret_type_to_class()
    left_out = ("Hex High Entropy String", "Base64 High Entropy String", "Public IP (ipv4)")
    return tuple(kinds[name]() for name in sorted(kinds) if name not in left_out)


def _secrets(text: str) -> Iterator[tuple[str, str]]:
    for plugin in _plugins():
        # A plugin of patterns returns a group of its match: of a GitHub token "ghp", which says nothing of its origin.
        if plugin.secret_type != _BY_NAME:
            yield from ((plugin.secret_type, match.group()) for p in plugin.denylist for match in p.finditer(text))
            continue
        for secret in plugin.analyze_line(filename="trajectory.json", line=text, line_number=1):
            if secret.secret_value:
                yield secret.type, secret.secret_value
    for name, pattern in _NEWER_TOKENS.items():
        for match in pattern.finditer(text):
            yield name, match.group()


# ------------------------------------------------------------------------------------------------------- personal data

_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,5}[A-Za-z]{2,24}\b")
_DIGITS = re.compile(r"(?<![\w.+-])(?:\d[ -]?){12,18}\d(?![\w.-])")
_SSN = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_CARD_PREFIX = re.compile(r"(?:4|5[1-5]|2[2-7]|3[47]|6(?:011|5))")


def _personal(text: str) -> Iterator[tuple[str, str]]:
    from phonenumbers import PhoneNumberMatcher
    from stdnum import iban, luhn
    from stdnum.us import ssn

    for match in _MAIL.finditer(text):
        yield "e-mail address", match.group()
    if "+" in text:
        for number in PhoneNumberMatcher(text, None):
            yield "phone number", number.raw_string
    for match in _IBAN.finditer(text):
        if iban.is_valid(match.group()):
            yield "IBAN", match.group()
    for match in _DIGITS.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        if _CARD_PREFIX.match(digits) and luhn.is_valid(digits):
            yield "payment card", match.group()
    for match in _SSN.finditer(text):
        if ssn.is_valid(match.group()):
            yield "US social security number", match.group()
    for match in _IPV4.finditer(text):
        try:
            if ipaddress.ip_address(match.group()).is_global:
                yield "public IP address", match.group()
        except ValueError:  # 999.1.1.1, a version number
            continue


_RESERVED_MAIL = re.compile(
    r"@(?:[\w-]+\.)*(?:example(?:\.(?:com|org|net|edu))?|\w*\.?test|invalid|localhost)$", re.IGNORECASE
)
_RESERVED_PHONE = re.compile(r"^\+1\D*\d{3}\D*555\D*01\d\d$|^\+44\D*7700\D*900\D*\d{3}$")
_TEST_CARDS = {"4242424242424242", "4111111111111111", "5555555555554444", "378282246310005", "4012888888881881"}


def _is_reserved(value: str) -> bool:
    """Return whether a value is set aside for examples: by RFC 2606 and 6761, by numbering plans, by card networks."""
    return bool(
        _RESERVED_MAIL.search(value)
        or _RESERVED_PHONE.match(value)
        or re.sub(r"\D", "", value) in _TEST_CARDS
        or (value.startswith("AKIA") and value.endswith("EXAMPLE"))
    )
