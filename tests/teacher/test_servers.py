"""Several addresses: calls are shared, a server that is down is left out and comes back, the replies are the same."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import TeacherError
from tdlab.rollout.llm import ChatReply, LiveBackend, Misbehaviour, MockServer
from tdlab.store import ReplyJournal
from tests.clock import slower
from tests.teacher.parts import asked, config, echo, raw_server, request, run_on_mock, teacher

pytestmark = pytest.mark.usefixtures("no_figures")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_calls_are_shared_and_each_server_has_its_own_limit() -> None:
    how = Misbehaviour(latency_s=0.05)
    with MockServer(how, answer=echo) as one, MockServer(how, answer=echo) as two:
        settings = teacher([one.base_url, two.base_url], concurrency=4)
        replies, client = asked(settings, [request(f"{n}") for n in range(40)])
        assert all(isinstance(reply, ChatReply) for reply in replies)
        assert {one.counts["calls"], two.counts["calls"]} <= set(range(15, 26))
        assert (one.most_in_flight, two.most_in_flight) == (4, 4)
    assert client.traffic.limit == 8


def test_a_server_that_is_down_is_left_out_and_comes_back() -> None:
    port = free_port()
    down = f"http://127.0.0.1:{port}/v1"
    calls: list[Any] = []

    def reply(body: Any, key: str) -> tuple[int, Any]:
        calls.append(body)
        return 200, echo(body)

    with MockServer(answer=echo) as up, LiveBackend(teacher([down, up.base_url])) as backend:
        for n in range(10):
            assert backend.ask(request(f"a {n}")).text == f"A {n}"
        assert sum(backend.traffic.failures.values()) <= 2, "it is not tried for each call"
        with raw_server(reply, port=port):
            end = time.monotonic() + 20 * slower()
            while not calls and time.monotonic() < end:
                time.sleep(0.1)
                backend.ask(request(f"b {time.monotonic()}"))
    assert calls, "it does not come back"


@pytest.mark.parametrize("kind", ["rate_500", "rate_cut", "rate_429"])
def test_a_server_that_always_fails_does_not_take_the_calls_of_the_other(kind: str) -> None:
    """It fails at once, so it always has the fewest calls in flight."""
    broken = Misbehaviour.model_validate({kind: 1.0, "retry_after_s": 30.0})
    with MockServer(broken, answer=echo) as bad, MockServer(answer=echo) as good:
        began = time.monotonic()
        settings = teacher([bad.base_url, good.base_url], concurrency=2)
        replies, _ = asked(settings, [request(f"{n}") for n in range(30)])
        assert all(isinstance(reply, ChatReply) for reply in replies)
        assert bad.counts["calls"] <= 10
    assert time.monotonic() - began < 10 * slower()


def test_servers_that_are_all_down_are_an_error_within_seconds() -> None:
    addresses = [f"http://127.0.0.1:{free_port()}/v1" for _ in range(2)]
    began = time.monotonic()
    (reply,), _ = asked(teacher(addresses), [request()])
    assert isinstance(reply, TeacherError)
    assert "cannot be reached" in reply.found
    with pytest.raises(TeacherError, match="cannot be reached"), LiveBackend(teacher(addresses)):
        pass
    assert time.monotonic() - began < 10 * slower()


def test_each_role_has_its_own_servers(tmp_path: Path) -> None:
    """The runs make the same dataset, whichever server answers; the journal of one serves the other."""
    with MockServer() as one, MockServer() as two:
        run_on_mock(config(one.base_url), tmp_path / "one" / "run").close()
        plain = one.counts["calls"]
        by_role = {"assistant": {"base_url": two.base_url}}
        run_on_mock(config(one.base_url, teacher__by_role=by_role), tmp_path / "two" / "run").close()
        assert one.counts["calls"] + two.counts["calls"] == 2 * plain
        assert two.counts["calls"] > 0
        several = config([two.base_url, one.base_url])
        with ReplyJournal(tmp_path / "two" / "teacher-replies.sqlite") as journal:
            before = len(journal)
        run_on_mock(several, tmp_path / "two" / "again").close()
        with ReplyJournal(tmp_path / "two" / "teacher-replies.sqlite") as journal:
            assert len(journal) == before, "a request has another key on another server"
    data = {(tmp_path / name / "dataset.jsonl").read_bytes() for name in ("one/run", "two/run", "two/again")}
    assert len(data) == 1


def test_a_hanging_server_does_not_hold_the_check_of_the_others() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        hanging = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with MockServer(answer=echo) as up:
            settings = teacher([hanging, up.base_url], connect_timeout_s=0.5 * slower())
            began = time.monotonic()
            with LiveBackend(settings) as backend:
                assert backend.ask(request("x")).text == "X"
            assert time.monotonic() - began < 10 * slower()
    assert threading.active_count() < 50
