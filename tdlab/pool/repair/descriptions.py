"""Repair of descriptions: the traces of web pages and wrong encodings, each repair with a stable code.

A repair is made only where the text stays true: page furniture goes, meaning stays. ``clean_prose`` repairs one text:

- ``encoding``: UTF-8 that was decoded as Windows-1252 (``CafÃ©``) is decoded again; control and zero-width characters
  are removed, special spaces become spaces;
- ``whitespace``: line ends, the indentation of a docstring, trailing blanks, several empty lines in a row;
- ``html_entity``: ``&#124;`` becomes its character;
- ``html_tag``: ``<a href="URL">words</a>`` becomes ``words (URL)``; a service's description also loses the tags that
  format it;
- ``markdown_link``: ``[words](URL)`` becomes ``words (URL)``, or ``words`` in a service's description; badges are
  removed.

HTML, entities and links may be the tool's subject: a format that it expects. Whether they are is said in words, so
these repairs are made only where the words can be read: in texts that are plainly English and speak of no format or
escaping. In a text of any language, what is quoted is an example, and an entity beside the bare character it stands for
(*write & as &amp;*) is meant as it is. What is left is reported by a note.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from html.entities import html5

from tdlab.pool.repair.language import is_plainly_english

__all__ = ["clean_prose", "page_header"]

_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff]|\x1b\\[[0-9;]*m")
_SPACES = re.compile("[\u00a0\u2007\u202f]")
_MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u20ac\u201a-\u203a\u0152-\u0192\u02c6\u02dc\u2122]")
_ENTITY = re.compile(r"&(?:#\d{2,6}|#[xX][0-9a-fA-F]{2,6}|[A-Za-z][A-Za-z0-9]{1,20});")
_ESCAPING = re.compile(
    r"\b(?:un)?escap|\bentit|html|xml|svg|markup|\bencod|\bdecod|url[- ]?encod|\bampersand|\bangle|\bsymbol"
    r"|\b(?:special )?character|\bquot(?:e|ation)s?\b|\breplac|\bconvert|\binstead of\b|\bwritten\b|\bwrit(?:e|ing) ",
    re.IGNORECASE,
)
_SAID_AS = re.compile(r"(?:\b(?:as|to|into|with|by|like|is|are|use|uses|using|write)|[=:→>])\s*$", re.IGNORECASE)
_QUOTES = "\"'`“”‘’«»‹›「」『』„"
_ANCHOR = re.compile(
    r"""<a\s[^<>]{0,400}?href=["'](https?://[^"'<>\s]+)["'][^<>]{0,400}>(.*?)</a>""", re.DOTALL | re.IGNORECASE
)
_CLOSING = re.compile(r"</([a-z][a-z0-9]*)\s*>", re.IGNORECASE)
_OPENED = re.compile(r"<([a-z][a-z0-9]*)[\s>]", re.IGNORECASE)
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
_ABOUT_LINKS = re.compile(
    r"markdown|\bformat|\[text\]|\bsyntax|href|html|\btags?\b|citation|\bcite\b|\bstyled?\b|\brender|```", re.IGNORECASE
)
_EXAMPLE_ADDRESS = re.compile(r"//(?:[\w.-]*\bexample\b|your|my-|domain\b|url\b|link\b|\.\.\.|[{<$])", re.IGNORECASE)
_OPENING = re.compile(r"[:：{(\[（【「『《]$")
_FENCE = re.compile(r"```|~~~")
_BLANK_ENDS = re.compile(r"[ \t]+$", re.MULTILINE)
_EMPTY_LINES = re.compile(r"\n{3,}")
_TRIGGER = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f\u00a0\u00ad\u2007\u200b\u202f\u2060\ufeff&<\u00c2-\u00f4]|\\]\\(http|\n[ \t]|["
    " \t](?:\n|$)|^\\s|\n\n\n"
)


def clean_prose(text: str, *, service: bool = False) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the repaired text, the codes of the repairs made, and the codes of defects that were left.

    Args:
        text: A description or title.
        service: Whether it describes a service, for people to read, so that it cannot specify a format.
    """
    if not _TRIGGER.search(text):
        return text, (), ()
    fixed: list[str] = []
    noted: list[str] = []

    def apply(code: str, new: str) -> None:
        nonlocal text
        if new != text:
            text = new
            if code not in fixed:
                fixed.append(code)

    english = is_plainly_english(_ENTITY.sub(" ", text))
    if _MOJIBAKE.search(text):
        decoded = None if any(_is_quoted(text, m) for m in _MOJIBAKE.finditer(text)) else _decode_again(text)
        if decoded is None and (text.count("\ufffd") or _decode_again(text) is not None):
            noted.append("encoding")
        elif decoded is not None:
            apply("encoding", decoded)
    apply("encoding", _SPACES.sub(_unless_quoted(text, " "), _INVISIBLE.sub(_unless_quoted(text, ""), text)))
    if "&" in text and any(_is_entity(entity) for entity in _ENTITY.findall(text)):
        if not english or _speaks_of_entities(text):
            noted.append("html_entity")
        else:
            apply("html_entity", _ENTITY.sub(lambda m: html.unescape(m[0]) if _is_entity(m[0]) else m[0], text))
    if "<" in text:
        if service or (english and not _ABOUT_LINKS.search(_ANCHOR.sub("", text))):
            links = _ANCHOR.sub(lambda m: m[0] if _is_example(text, m, m[1]) else _plain_link(m, service), text)
            apply("html_tag", links)
        if service:
            apply("html_tag", _without_page_tags(text))
        if _TAG.search(text):
            noted.append("html_tag")
    if "](http" in text:
        apply("markdown_link", _BADGE_LINK.sub(lambda m: "" if service or _BADGE.search(m[1]) else m[0], text))
        apply("markdown_link", _IMAGE.sub(lambda m: "" if service or _BADGE.search(m[0]) else m[0], text))
        if service or (english and not _ABOUT_LINKS.search(text)):
            links = _LINK.sub(lambda m: m[0] if _is_example(text, m, m[2]) else _linked(m[1], m[2], service), text)
            apply("markdown_link", links)
        if _LINK.search(text):
            noted.append("markdown_link")
    apply("whitespace", _tidy(text))
    return text, tuple(fixed), tuple(noted)


def page_header(description: str, *, service: str, tools: frozenset[str]) -> tuple[bool, str]:
    """Return whether ``description`` is only the header of a tool's page on a registry, and the service's title in it.

    The header reads ``Deploy Server TITLE [Claim Server] ID [Try in Playground] [TOOL]``. ID is the service's own name;
    where it is missing, the playground's words must follow. The end is empty or the name of one of the service's
    ``tools``.
    """
    if not description.startswith("Deploy Server "):
        return False, ""
    head, playground, tail = description.partition("Try in Playground")
    tail = tail.strip()
    if playground:
        if tail and tail not in tools:
            return False, ""
    else:
        last_tool = next((name for name in tools if head.endswith(f" {name}")), None)
        if last_tool is None or service not in head:
            return False, ""
        head = head[: -len(last_tool)]
    head = head.removeprefix("Deploy Server ").strip()
    if head.endswith(service):
        head = head[: -len(service)].strip()
    elif len(head.split()) > 12:
        return False, ""
    return True, head.removesuffix("Claim Server").strip()


def _is_quoted(text: str, match: re.Match[str]) -> bool:
    """Return whether a match is between quotation marks, which makes it an example."""
    before, after = text[: match.start()][-1:], text[match.end() :][:1]
    return bool(before) and bool(after) and before in _QUOTES and after in _QUOTES


def _unless_quoted(text: str, replacement: str) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        return match[0] if _is_quoted(match.string, match) else replacement

    return replace


def _is_example(text: str, match: re.Match[str], address: str) -> bool:
    return _is_quoted(text, match) or _EXAMPLE_ADDRESS.search(address) is not None


def _speaks_of_entities(text: str) -> bool:
    """Return whether entities are what the text is about: by its words, or by the bare character beside its entity."""
    words = _ENTITY.sub("", text)
    if _ESCAPING.search(words):
        return True
    return any(
        _is_quoted(text, match)
        or _SAID_AS.search(text, 0, match.start()) is not None
        or (match[0] not in ("&nbsp;", "&#160;") and html.unescape(match[0]) in words.replace("\n", " "))
        for match in _ENTITY.finditer(text)
        if _is_entity(match[0])
    )


def _plain_link(match: re.Match[str], service: bool) -> str:
    return _linked(_PAGE_TAG.sub("", match[2]), match[1], service)


def _without_page_tags(text: str) -> str:
    """Remove the tags that format a page: with attributes, in pairs, or at the edge of a line.

    ``<br>`` in the middle of a sentence is what the sentence is about: *turns <br> into a line break*.
    """
    closed = {match[1].lower() for match in _CLOSING.finditer(text)}
    opened = {match[1].lower() for match in _OPENED.finditer(text)}

    def replace(match: re.Match[str]) -> str:
        tag = match[0]
        if _is_quoted(text, match):
            return tag
        name = re.sub(r"[^a-z0-9]", "", tag.lower().split()[0])
        line_edge = text[: match.start()][-1:] in ("", "\n", ">") or text[match.end() :][:1] in ("", "\n", "\r", "<")
        return "" if "=" in tag or (name in closed and name in opened) or line_edge else tag

    return _PAGE_TAG.sub(replace, text)


def _decode_again(text: str) -> str | None:
    """Return the text whose UTF-8 bytes were decoded as Windows-1252; None where that did not happen."""
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
    """Normalise line ends, common indentation after the first line, blanks and empty lines.

    The indentation stays where the first line opens a block (ends in a colon or a bracket of any script).
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.strip()
    if "\n" in text:
        first, *rest = text.split("\n")
        indents = [len(line) - len(line.lstrip(" \t")) for line in rest if line.strip()]
        common = min(indents, default=0)
        if common and not _OPENING.search(first.rstrip()):
            text = "\n".join([first, *(line[common:] for line in rest)])
        if not _FENCE.search(text):  # the blanks of a quoted program or file are its own
            text = _EMPTY_LINES.sub("\n\n", _BLANK_ENDS.sub("", text))
    return text
