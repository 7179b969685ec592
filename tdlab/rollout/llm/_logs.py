"""The API key kept out of the logs of the HTTP libraries, which show a server's headers at the level DEBUG."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["hidden_in_logs"]

_LIBRARIES = ("anyio", "asyncio", "h11", "httpcore2", "httpx2", "openai")
_LATER = ("connection", "http11", "http2", "proxy", "socks")  # httpcore2 imports some of these at the first call
_MARK = "[key]"


class _WithoutSecret(logging.Filter):
    """Replace a secret in every record, in its exception too."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self._secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # the handler reports it
            return True
        if self._secret in message:
            record.msg, record.args = message.replace(self._secret, _MARK), None
        if record.exc_info and record.exc_info[1] is not None:
            shown = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
            if self._secret in shown:
                record.exc_info, record.exc_text = None, shown.replace(self._secret, _MARK)
        return True


@contextmanager
def hidden_in_logs(secret: str) -> Iterator[None]:
    """Replace a secret by ``[key]`` in what the HTTP libraries log; levels and handlers stay as they are.

    A filter of a logger does not see the records of the loggers below it, so each logger gets one.

    Args:
        secret: The API key; an empty string changes nothing.

    Example:
        >>> with hidden_in_logs("sk-0123456789"):
        ...     record = logging.LogRecord("", 10, "", 1, "header %s", ("sk-0123456789",), None)
        ...     logging.getLogger("httpcore2.http11").filter(record) and record.getMessage()
        'header [key]'
    """
    if not secret:
        yield
        return
    names = {*logging.root.manager.loggerDict, *_LIBRARIES, *(f"httpcore2.{name}" for name in _LATER)}
    loggers = [logging.getLogger(name) for name in sorted(names) if name.partition(".")[0] in _LIBRARIES]
    hiding = _WithoutSecret(secret)
    for logger in loggers:
        logger.addFilter(hiding)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(hiding)
