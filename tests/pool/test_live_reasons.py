"""The reason why a server fails is kept, and no secret of its entry is in any message, log, representation or file."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import HarvestError
from tdlab.pool import LiveServers, ServerSpec, harvest, harvest_sync, read_mcp_config, write_pool
from tdlab.pool.live.secrets import Redactor
from tests.jobs import in_process
from tests.pool.test_live import STUB, run, stubs
from tests.pool.test_live_bounds import spec, web

TEXT = {"content-type": "text/plain"}


def failure(specs: dict[str, ServerSpec]) -> str:
    """Return the reason why the only server of these fails."""
    with pytest.raises(HarvestError) as caught:
        asyncio.run(harvest(specs, timeout_s=15))
    return caught.value.found.removeprefix("no server has a usable tool; ")


@pytest.mark.parametrize(
    ("status", "headers", "body", "says"),
    [
        (401, {"WWW-Authenticate": 'Bearer realm="weirs", scope="read"'}, b"",
         ['HTTP 401 Unauthorized, WWW-Authenticate: Bearer realm="weirs", scope="read"',
          'add "headers": {"Authorization": "Bearer ${TOKEN}"} to its entry']),
        (403, TEXT, b"no seat left", ["HTTP 403 Forbidden (no seat left)", '"Authorization"']),
        (404, {}, b"", ["HTTP 404 Not Found", "check the path of its url"]),
        (429, {"Retry-After": "30"}, b"", ["HTTP 429 Too Many Requests", "try again later, in 30 s"]),
        (500, {"content-type": "application/json"}, b'{"detail": "disk full"}', ['HTTP 500', "disk full"]),
        (503, {"content-type": "text/html"}, b"<html>" * 1000, ["HTTP 503 Service Unavailable"]),
    ],
)  # fmt: skip
def test_an_http_error_keeps_its_status_challenge_and_words(
    status: int, headers: dict[str, str], body: bytes, says: list[str]
) -> None:
    with web({"*": (status, headers, body)}) as (url, _):
        reason = failure({"w": spec(url)})
    for words in says:
        assert words in reason
    assert "Server returned an error response" not in reason


def test_a_refused_token_is_named_as_such_and_not_shown() -> None:
    with web({"*": (401, TEXT, b"bad token tok-9911-s3cret")}) as (url, handler):
        reason = failure({"w": spec(url, headers={"Authorization": "Bearer tok-9911-s3cret"})})
    assert handler.seen[0][1]["authorization"] == "Bearer tok-9911-s3cret"
    assert "check the token" in reason
    assert "bad token [redacted]" in reason
    assert "s3cret" not in reason


def test_an_http_error_during_a_call_keeps_its_status() -> None:
    with web({"tools/call": (502, TEXT, b"upstream is away")}) as (url, _), LiveServers({"w": spec(url)}) as servers:
        result = servers.call("w", "read", {}, timeout_s=15)
    assert not result.ok
    assert "HTTP 502 Bad Gateway (upstream is away)" in result.text


def test_how_a_process_ended_is_kept() -> None:
    assert "its process ended with exit code 3; its last lines on stderr: cannot find the licence" in failure(
        stubs("dies")
    )
    assert "its process was ended by signal SIGKILL" in failure(stubs("killed"))


def test_last_words_on_stdout_are_kept_without_secrets() -> None:
    (server,) = stubs("says").values()
    reason = failure({"says": server.model_copy(update={"env": {"TOKEN": "tok-9911-s3cret"}})})
    assert "exit code 1" in reason
    assert "not MCP messages: starting | Error: set WEIR_KEY first, not [redacted]" in reason


def test_what_was_wrong_with_the_answer_is_kept() -> None:
    assert "it answered without a usable tool; a page's tools are a dict, expected a list" in failure(stubs("map"))


# ------------------------------------------------------------------------------------------------------------ secrets

SECRETS = (
    "env-s3cret-1",
    "arg-s3cret-2",
    "pw-s3cret-3",
    "named s3cret 4",
    "multi-s3cret-5",
    "from-s3cret-6",
    "Pa s3cret/7",
)
ENV = {
    "API_TOKEN": "env-s3cret-1",
    "DATABASE_URL": "postgres://me:pw-s3cret-3@db.example/levels",
    "PASSWORD": "named s3cret 4",
    "PEM": "-----BEGIN\nmulti-s3cret-5\n-----END",
    "OTHER": "${FROM_OUTSIDE}",
    "QUOTED": "Pa s3cret/7",
}
ARGS = ["--api-key", "arg-s3cret-2"]


def entries(mode: str) -> dict[str, Any]:
    return {"mcpServers": {"s": {"command": sys.executable, "args": ["-S", str(STUB), mode, *ARGS], "env": ENV}}}


@pytest.fixture(autouse=True)
def _from_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FROM_OUTSIDE", "from-s3cret-6")
    logger = logging.getLogger("tdlab")
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers  # the command adds one
    logger.setLevel(level)


def test_a_server_that_prints_its_secrets_reveals_none(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps(entries("leaks")))
    status, out, err = in_process(monkeypatch, capsys, "-v", "harvest", path, "--out", tmp_path / "pool.jsonl")
    assert status == 2
    assert "cannot start:" in err, "the server's words are kept"
    assert "exit code 7" in err
    assert "[redacted]" in err
    with pytest.raises(HarvestError) as caught:
        harvest_sync(path)
    with LiveServers(read_mcp_config(path)) as servers:
        result = servers.call("s", "echo", {"word": "x"})
    for where in (
        out,
        err,
        caplog.text,
        str(caught.value),
        repr(caught.value),
        result.text,
        repr(read_mcp_config(path)),
    ):
        assert "s3cret" not in where


def test_results_and_definitions_hold_no_secret_and_keep_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    content = entries("tells")
    content["mcpServers"]["s"]["env"] = {**ENV, "ROOT": "/srv/levels", "MODE": "production", "PORT": "8080"}
    path.write_text(json.dumps(content))
    with LiveServers(read_mcp_config(path)) as servers:
        text = servers.call("s", "echo", {"word": "x"}).text
    assert "s3cret" not in text
    for kept in ("/srv/levels", "production", "8080", str(STUB), "--api-key"):
        assert kept in text, "what is no secret is data"


def test_a_secret_in_an_address_is_sent_and_never_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with web() as (url, handler):
        secret = url.replace("http://", "http://me:pw-s3cret-3@") + "?key=q-s3cret-8"
        done = run({"w": spec(secret)}, timeout_s=15)
        write_pool(done.pool, tmp_path / "pool.jsonl")
        path, headers = handler.seen[-1]
        assert path == "/mcp?key=q-s3cret-8"
        assert headers["authorization"] == "Basic " + base64.b64encode(b"me:pw-s3cret-3").decode()
    refused = spec("http://me:pw-s3cret-3@127.0.0.1:9/mcp?key=q-s3cret-8")
    reason = failure({"w": refused})
    for where in (caplog.text, repr(done), (tmp_path / "pool.jsonl").read_text(), reason, repr(refused)):
        assert "s3cret" not in where


def test_halves_of_secrets_are_not_shown_where_a_message_is_shortened() -> None:
    secret = "tok-" + "abcdefgh1" * 40
    redactor = Redactor(ServerSpec(name="s", transport="stdio", command="x", env={"TOKEN": secret}))
    for before in range(0, 640, 7):
        assert "abcdefgh" not in redactor.message("x" * before + secret + " end")


@pytest.mark.parametrize("secret", ["pa$$w.rd+[1]", "ключ-секрет-9", 'quo"te\\d', "a%20b c&d", "h4x0r"])
def test_secrets_are_found_in_the_spellings_of_messages(secret: str) -> None:
    from urllib.parse import quote

    redactor = Redactor(ServerSpec(name="s", transport="stdio", command="x", env={"TOKEN": secret}))
    for spelling in (secret, quote(secret), json.dumps(secret), repr(secret)):
        shown = redactor.message(f"error: {spelling}!")
        assert "[redacted]" in shown, shown
        assert secret not in shown


def test_flags_scripts_and_packages_stay_readable() -> None:
    spec = ServerSpec(
        name="s", transport="stdio", command="npx", args=("-y", "@scope/server-x", "serve.py", "--port", "1")
    )
    message = "npm error 404 '@scope/server-x' is not here; serve.py: --port 1"
    assert Redactor(spec).message(message) == message


def test_what_a_server_writes_is_escaped() -> None:
    redactor = Redactor(ServerSpec(name="s", transport="stdio", command="x"))
    assert redactor.message("\x1b[31mred\x1b[0m\a \u202eback\nline") == "red\\x07 \\u202eback line"
