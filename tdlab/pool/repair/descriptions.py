"""Descriptions put right: what a web page or an encoding left in them, each repair with a stable code.

A repair is made only where the text stays true: page furniture goes, meaning stays. ``clean_prose`` handles one text:

- ``encoding``: UTF-8 once read as Windows-1252 (``CafÃ©``) is read again; control and zero-width characters go, special
  spaces become spaces;
- ``whitespace``: line ends, the indentation of a docstring, blanks at line ends, more than one empty line in a row;
- ``html_entity``: ``&#124;`` becomes its character, unless the text speaks of escaping;
- ``html_tag``: ``<a href="URL">words</a>`` becomes ``words (URL)``; in a service's description page tags go as well;
- ``markdown_link``: ``[words](URL)`` becomes ``words (URL)``, in a service's description ``words``; badges go.

Where HTML, entities or links may be what the tool is about (a format it wants), the text is left and a note says so.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

__all__ = ["clean_prose", "page_header"]

_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff]|\x1b\\[[0-9;]*m")
_SPACES = re.compile("[\u00a0\u2007\u202f]")
_MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u20ac\u201a-\u203a\u0152-\u0192\u02c6\u02dc\u2122]")
_ENTITY = re.compile(r"&(?:#\d{2,6}|#[xX][0-9a-fA-F]{2,6}|[A-Za-z][A-Za-z0-9]{1,20});")
_ESCAPING = re.compile(r"\b(escap|entit|html|xml|url[- ]?encod)", re.IGNORECASE)
_ANCHOR = re.compile(
    r"""<a\s[^<>]{0,400}?href=["'](https?://[^"'<>\s]+)["'][^<>]{0,400}>(.*?)</a>""", re.DOTALL | re.IGNORECASE
)
_PAGE_TAG = re.compile(
    r"</?(?:a|p|br|b|i|em|strong|div|span|h[1-6]|center|picture|source|sub|sup|img|details|summary)"
    r"(?:\s[^<>]{0,600})?/?>",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?(?:p|br|b|i|a|div|span|strong|em|ul|li|h[1-6]|table|tr|td)(?:\s[^<>]{0,400})?/?>", re.IGNORECASE)
_IMAGE = re.compile(r"!\[[^\]\n]{0,200}\]\(https?://[^\s()]+(?:\([^\s()]*\)[^\s()]*)*\)")
_BADGE = re.compile(r"badge|shields\.io", re.IGNORECASE)
_BADGE_LINK = re.compile(r"\[\s*(!\[[^\]\n]{0,200}\]\(https?://[^\s()]+\))\s*\]\(https?://[^\s()]+\)")
_LINK = re.compile(r"(?<![!`\\])\[([^\[\]\n]{1,200})\]\((https?://[^\s()]+(?:\([^\s()]*\)[^\s()]*)*)\)(?!`)")
_ABOUT_LINKS = re.compile(r"markdown|\bformat|\[text\]|\bsyntax|href|citation|\bcite\b|```", re.IGNORECASE)
_BLANK_ENDS = re.compile(r"[ \t]+$", re.MULTILINE)
_EMPTY_LINES = re.compile(r"\n{3,}")
_TRIGGER = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f\u00a0\u00ad\u2007\u200b\u202f\u2060\ufeff&<\u00c2-\u00f4]|\\]\\(http|\n[ \t]|["
    " \t](?:\n|$)|^\\s|\n\n\n"
)


def clean_prose(text: str, *, service: bool = False) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The repaired text, the codes of the repairs made, and the codes of what was seen and left.

    ``service`` says that it is a service's description, read by people, where no format is specified.
    """
    if not _TRIGGER.search(text):
        return text, (), ()
    done: list[str] = []
    left: list[str] = []

    def step(code: str, new: str) -> None:
        nonlocal text
        if new != text:
            text = new
            if code not in done:
                done.append(code)

    if _MOJIBAKE.search(text):
        again = _decoded_again(text)
        if again is None and text.count("\ufffd"):
            left.append("encoding")
        elif again is not None:
            step("encoding", again)
    step("encoding", _SPACES.sub(" ", _INVISIBLE.sub("", text)))
    if "&" in text and (found := _ENTITY.findall(text)) and any(_is_entity(entity) for entity in found):
        if _ESCAPING.search(_ENTITY.sub("", text)):
            left.append("html_entity")
        else:
            step("html_entity", _ENTITY.sub(lambda m: html.unescape(m[0]) if _is_entity(m[0]) else m[0], text))
    if "<" in text:
        step("html_tag", _ANCHOR.sub(lambda m: _linked(_PAGE_TAG.sub("", m[2]), m[1], service), text))
        if service:
            step("html_tag", _PAGE_TAG.sub("", text))
        if _TAG.search(text):
            left.append("html_tag")
    if "](http" in text:
        step("markdown_link", _BADGE_LINK.sub(lambda m: "" if service or _BADGE.search(m[1]) else m[0], text))
        step("markdown_link", _IMAGE.sub(lambda m: "" if service or _BADGE.search(m[0]) else m[0], text))
        if service or not _ABOUT_LINKS.search(text):
            step("markdown_link", _LINK.sub(lambda m: _linked(m[1], m[2], service), text))
        elif _LINK.search(text):
            left.append("markdown_link")
    step("whitespace", _tidy(text))
    return text, tuple(done), tuple(left)


def page_header(description: str, *, service: str, tools: frozenset[str]) -> tuple[bool, str]:
    """Whether ``description`` is nothing but the head of a tool's page on a registry, and the service's title in it.

    The head: ``Deploy Server TITLE [Claim Server] ID [Try in Playground] [TOOL]``, with the service's own name as ID or
    the playground's words, and one of the service's ``tools`` or nothing at the end.
    """
    if not description.startswith("Deploy Server "):
        return False, ""
    head, play, tail = description.partition("Try in Playground")
    tail = tail.strip()
    if play:
        if tail and tail not in tools:
            return False, ""
    else:
        named = next((name for name in tools if head.endswith(f" {name}")), None)
        if named is None or service not in head:
            return False, ""
        head = head[: -len(named)]
    head = head.removeprefix("Deploy Server ").strip()
    if head.endswith(service):
        head = head[: -len(service)].strip()
    elif len(head.split()) > 12:
        return False, ""
    return True, head.removesuffix("Claim Server").strip()


def _decoded_again(text: str) -> str | None:
    """The text whose UTF-8 bytes were read as Windows-1252; None where they were not."""
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return None


def _is_entity(entity: str) -> bool:
    return entity[1] == "#" or entity[1:] in html5


def _linked(words: str, address: str, service: bool) -> str:
    words = words.strip()
    if service:
        return words
    return f"{words} ({address})" if words and words != address else address


def _tidy(text: str) -> str:
    """Line ends, indentation common to all lines after the first (unless that opens a block), blanks, empty lines."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.strip()
    if "\n" in text:
        first, *rest = text.split("\n")
        indents = [len(line) - len(line.lstrip(" \t")) for line in rest if line.strip()]
        common = min(indents, default=0)
        if common and not first.rstrip().endswith((":", "{", "(", "[")):
            text = "\n".join([first, *(line[common:] for line in rest)])
        text = _EMPTY_LINES.sub("\n\n", _BLANK_ENDS.sub("", text))
    return text
