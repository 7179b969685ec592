"""Frames between the supervisor and tdlab: one letter, four bytes of length, a payload."""

from __future__ import annotations

import json
import os


class Channel:
    """Sends and receives frames."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self.incoming, self.outgoing = incoming, outgoing

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            data = os.read(self.incoming, min(size, 1 << 20))
            if not data:
                os._exit(0)
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def receive(self) -> tuple[bytes, bytes]:
        head = self._read(5)
        return head[:1], self._read(int.from_bytes(head[1:], "big"))

    def send(self, kind: bytes, payload: bytes) -> None:
        view = memoryview(kind + len(payload).to_bytes(4, "big") + payload)
        while view:
            try:
                view = view[os.write(self.outgoing, view) :]
            except OSError:
                os._exit(0)

    def send_parts(self, kind: bytes, head: object, blob: bytes = b"") -> None:
        text = json.dumps(head).encode()
        self.send(kind, len(text).to_bytes(4, "big") + text + blob)
