"""What a hostile server can do to the LLM teacher, for every kind in `tests.teacher.hostile_server`.

A call ends in time, with a reply or one of three errors; what was answered is saved; the key goes nowhere; the budget
and the memory are kept; messages are one printable line. The kinds run in batches, since most of them wait.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import ssl
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tdlab.config import TeacherConfig
from tdlab.errors import BudgetSpent, TdlabError, TeacherError
from tdlab.rollout.llm import MOCK_MODEL, ChatReply, ChatRequest, LiveBackend, MockServer, RequestedCall, RequestRefused
from tdlab.store import ReplyJournal
from tests.clock import slower
from tests.jobs import in_process, small_pool_file
from tests.teacher.hostile_server import KINDS, MB, SMUGGLED, VALUES, Hostile, hostile_server, names
from tests.teacher.parts import request

REQUESTS = 4
LIMITS: dict[str, Any] = {"timeout_s": 1.0, "connect_timeout_s": 1.0, "tries": 3, "patience_s": 4.0, "concurrency": 8}
BUDGET = 150_000
ENDS_WITHIN = LIMITS["patience_s"] + LIMITS["timeout_s"] + 3.0
LONGEST_MESSAGE = 1000
MOST_MEMORY = 150 * MB
BATCH = 60
AT_ONCE = 20
SLOW = re.compile(
    r"error_\w+_429|body_\w+_500|html_(?!200|502)\d+|redirect_(?!301|307)\d+_\w+|status_(?!204|206|304|402|404|451)\d+|"
    r"retry_after_(?!years|nan|far_date|negative|garbage)\w+|retry_after_\w+_503|key_at_(?!200|500|1000)\d+|"
    r"tool_\w+|filled_\w+|role_(?!system|int)\w+|finish_(?!null|int|long|escapes)\w+|deep_\d+_\w+|"
    r"retry_after_ms_(?!years)\w+|choices_(of|message)_\w+|calls_(of|arguments)_(?!nan|digits|surrogate|int)\w+|"
    r"usage_(2_to_62|floats|strings|cached_negative)|redirect_\d+_itself|error_(list|nested|bool|message_null)|"
    r"refusal_(?!text|forged)\w+|header_(?!1mb|with_nul)\w+|zstd_nonsense|usage_(list|text|nested|nulls|details_wrong)"
)
"""Kinds that differ little from others."""
QUICK_BIG = ("huge_with_length", "gzip_bomb", "huge_json_of_small_things")
CORE = [name for name in names(big=False) if not SLOW.fullmatch(name)][::3]
"""Kinds of every family: the default tests take these, the marker `battery` all others."""
SMALL = [*CORE, *(name for name in names(big=False) if name not in CORE)]
BIG = list(names(big=True))
BATCHES = [
    tuple(some[place : place + BATCH]) for some in (CORE, SMALL[len(CORE) :]) for place in range(0, len(some), BATCH)
]
BATCH_OF = {name: batch for batch in BATCHES for name in batch} | {name: (name,) for name in BIG}


def key_of(name: str) -> str:
    return f"sk-test-0123456789abcdef-{name}"


@dataclass
class Outcome:
    """What became of one kind."""

    name: str
    folder: Path
    found: list[ChatReply | BaseException] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    entry: BaseException | None = None
    broken: str = ""
    again: list[ChatReply | BaseException] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    calls_again: int = 0
    paid: list[tuple[int, int, int]] = field(default_factory=list)
    left_over: ChatReply | BaseException | None = None
    calls_left_over: int = 0
    kept: int = 0
    leaks: list[str] = field(default_factory=list)
    growth: int = 0

    @property
    def replies(self) -> list[ChatReply]:
        return [found for found in self.found if isinstance(found, ChatReply)]

    @property
    def errors(self) -> list[BaseException]:
        every = [self.entry, self.left_over, *self.found, *self.again]
        return [found for found in every if isinstance(found, BaseException)]


class Watch(logging.Handler):
    """Keep every log record as text, also those of threads."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[tuple[str, int, str]] = []
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record) if record.exc_info or record.stack_info else record.getMessage()
        self.lines.append((record.name, record.levelno, text))


def ask(backend: LiveBackend, asked: ChatRequest) -> ChatReply | BaseException:
    try:
        return backend.ask(asked)
    except BaseException as error:  # noqa: BLE001 - `problems` fails on every type but the three allowed
        return error


def within(seconds: float, work: Callable[[], None]) -> bool:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def requests_of(name: str) -> list[ChatRequest]:
    return [request(f"{name} question {place}") for place in range(REQUESTS)]


def drive(server: Hostile, outcome: Outcome) -> None:
    """Ask at once, then the same again, then once more if the budget is spent."""
    name = outcome.name
    settings = TeacherConfig.model_validate(
        {"model": "m", "base_url": server.base_url(name), "budget_tokens": BUDGET, **LIMITS, **KINDS[name].config}
    )
    asked = requests_of(name)
    outcome.folder.mkdir(parents=True)
    path = outcome.folder / "replies.sqlite"

    def timed(backend: LiveBackend, one: ChatRequest, place: int) -> None:
        start = time.monotonic()
        outcome.found[place] = ask(backend, one)
        outcome.seconds[place] = time.monotonic() - start

    with ReplyJournal(path) as journal:
        try:
            with LiveBackend(settings, journal=journal, owner="x", api_key=key_of(name)) as backend:
                outcome.found, outcome.seconds = [RuntimeError("no end")] * REQUESTS, [9e9] * REQUESTS
                threads = [
                    threading.Thread(target=timed, args=(backend, one, place), daemon=True)
                    for place, one in enumerate(asked)
                ]
                for thread in threads:
                    thread.start()
                    if KINDS[name].pause_s:
                        thread.join(ENDS_WITHIN * slower())
                        time.sleep(KINDS[name].pause_s)
                for thread in threads:
                    thread.join(ENDS_WITHIN * slower() + 10)
                backend.cancel()
        except Exception as error:  # noqa: BLE001 - `problems` fails on every type but the three allowed
            outcome.entry = error
        outcome.kept = len(journal)
        outcome.leaks += leaks(outcome.folder, key_of(name))
    outcome.calls = server.counts(name)
    with ReplyJournal(path) as journal:
        outcome.paid = [(paid.calls, paid.input_tokens, paid.output_tokens) for paid in journal.paid("x")]
        answered = [place for place, found in enumerate(outcome.found) if isinstance(found, ChatReply)]
        if answered:
            with LiveBackend(settings, journal=journal, owner="x", api_key=key_of(name)) as backend:
                outcome.again = [ask(backend, asked[place]) for place in answered]
        after = server.counts(name)
        outcome.calls_again = after["POST"] + after["GET"] - outcome.calls["POST"] - outcome.calls["GET"]
        if spent(outcome) >= BUDGET:
            try:
                with LiveBackend(settings, journal=journal, owner="x", api_key=key_of(name)) as backend:
                    outcome.left_over = ask(backend, request("one more"))
            except Exception as error:  # noqa: BLE001 - `problems` fails on every type but the three allowed
                outcome.left_over = error
            outcome.calls_left_over = server.counts(name)["POST"] - after["POST"]
    outcome.leaks += leaks(outcome.folder, key_of(name))


def spent(outcome: Outcome) -> int:
    return sum(paid[1] + paid[2] for paid in outcome.paid)


def leaks(folder: Path, key: str) -> list[str]:
    found = [str(path) for path in folder.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    return found + [str(path) for path in folder.rglob("*") if key in str(path)]


class Results:
    """The outcome of every kind; a batch runs when the first of its kinds is looked at."""

    def __init__(self, server: Hostile, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.outcomes: dict[str, Outcome] = {}
        self.lines: dict[str, list[tuple[str, int, str]]] = {}
        self._run(("sane",))

    def __getitem__(self, name: str) -> Outcome:
        if name not in self.outcomes:
            self._run(BATCH_OF[name])
        return self.outcomes[name]

    def _run(self, batch: tuple[str, ...]) -> None:
        new = [Outcome(name, self.folder / name) for name in batch if name not in self.outcomes]
        watch, root = Watch(), logging.getLogger()
        level, handlers = root.level, root.handlers
        root.handlers = [watch]  # pytest would keep and show all of it
        root.setLevel(logging.DEBUG)
        hook, threading.excepthook = threading.excepthook, lambda args: watch.lines.append(
            ("thread", logging.ERROR, "".join(traceback.format_exception(args.exc_value)))
        )  # fmt: skip
        before = memory()
        try:
            with ThreadPoolExecutor(min(len(new), AT_ONCE)) as pool:
                for outcome in pool.map(self._one, new):
                    self.outcomes[outcome.name] = outcome
        finally:
            root.handlers = handlers
            root.setLevel(level)
            threading.excepthook = hook
        for outcome in new:
            outcome.growth = memory(peak=True) - before
            self.lines[outcome.name] = watch.lines

    def _one(self, outcome: Outcome) -> Outcome:
        def work() -> None:
            try:
                drive(self.server, outcome)
                if outcome.entry is not None and not outcome.found and not outcome.name.startswith("models_"):
                    outcome.entry, outcome.folder = None, outcome.folder / "again"  # a busy machine
                    drive(self.server, outcome)
            except BaseException:  # noqa: BLE001 - a thread's exception is kept here, and fails the test
                outcome.broken = traceback.format_exc()

        if not within(ENDS_WITHIN * 3 * slower() + 30, work):
            outcome.broken = "the backend did not end"
        return outcome


def memory(*, peak: bool = False) -> int:
    """Return this process's resident memory; the peak since then is counted from here."""
    if not peak:
        Path("/proc/self/clear_refs").write_text("5")
    found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[Hostile]:
    with hostile_server() as server:
        yield server


@pytest.fixture(scope="module")
def results(server: Hostile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    with pytest.MonkeyPatch.context() as patch:
        # Only http:// here; making a context takes half the time of a test.
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        patch.delenv("OPENAI_API_KEY", raising=False)
        patch.delenv("OPENAI_BASE_URL", raising=False)
        yield Results(server, tmp_path_factory.mktemp("hostile"))


def wrong_message(error: BaseException) -> str:
    """Say why an error's sentences are not each one printable line of bounded length; empty if they are."""
    texts = [error.found, error.expected, error.do] if isinstance(error, TdlabError) else [str(error)]
    texts += [] if isinstance(error, TdlabError) else [a for a in error.args if isinstance(a, str)]
    for text in texts:
        if not text.isprintable():
            return f"not printable: {text[:300]!r}"
        if len(text) > LONGEST_MESSAGE:
            return f"{len(text)} characters: {text[:100]!r}"
    return "" if texts[0].strip() else "nothing said"


def everything(value: Any) -> Iterator[str]:
    """Yield every text of a reply, also those of the JSON in its texts."""
    if isinstance(value, str):
        yield value
        try:
            inner = json.loads(value)
        except (ValueError, RecursionError):
            return
        if not isinstance(inner, str):
            yield from everything(inner)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from everything(part)
    elif isinstance(value, list | tuple):
        for part in value:
            try:
                yield from everything(part)
            except RecursionError:
                return


def unseen(lines: list[tuple[str, int, str]]) -> list[str]:
    """Return errors that no caller sees: tasks whose exception no code reads, threads that die."""
    return [text for name, level, text in lines if level >= logging.ERROR or name == "thread"]


def problems(outcome: Outcome, lines: list[tuple[str, int, str]], outside: Counter[str]) -> list[str]:
    """Return everything that is wrong with what became of a kind, in words."""
    name, key = outcome.name, key_of(outcome.name)
    if outcome.broken:
        return [f"the backend itself failed: {outcome.broken[-1500:]}"]
    wrong: list[str] = []
    # It ends in time, with a reply or with one of three errors.
    for error in outcome.errors:
        if not isinstance(error, RequestRefused | TeacherError | BudgetSpent):
            wrong.append(
                f"another exception, {type(error).__name__}: {error}, {traceback.extract_tb(error.__traceback__)[-1]}"
            )
    slow = max(outcome.seconds, default=0.0)
    if slow > ENDS_WITHIN * slower():
        wrong.append(f"took {slow:.1f} s, not {ENDS_WITHIN:.0f}")
    if name.startswith("models_") and outcome.entry is not None:
        assert not outcome.found or isinstance(outcome.entry, TdlabError)
    elif outcome.entry is not None and not outcome.found:
        wrong.append(f"the check on entry failed, though its answer was proper: {outcome.entry!r}")
    # The outcome is the right one, and every reply well formed.
    expect = KINDS[name].expect
    if expect == "error" and outcome.replies:
        wrong.append(f"a reply, not an error: {str(outcome.replies[0])[:200]}")
    if expect == "echo" and len(outcome.replies) < REQUESTS:
        wrong.append(f"no reply: {[f for f in outcome.found if not isinstance(f, ChatReply)][:1] or outcome.entry!r}")
    for asked, found in zip(requests_of(name), outcome.found, strict=False):
        if isinstance(found, ChatReply):
            wrong += wrong_reply(found, key)
            if expect == "echo" and found.text != asked.messages[-1]["content"].upper():
                wrong.append(f"another question's reply: {found.text[:80]!r}")
            if any(word in found.text for word in (SMUGGLED, "FROM ELSEWHERE")):
                wrong.append(f"a reply that was never one: {found.text[:80]!r}")
    texts = Counter(reply.text for reply in outcome.replies if " QUESTION " in reply.text)
    wrong += [f"one reply for two questions: {text!r}" for text, times in texts.items() if times > 1]
    # What was answered is saved, and serves again.
    if outcome.again != outcome.replies:
        wrong.append(f"other replies from the journal: {str(outcome.again)[:300]} for {str(outcome.replies)[:300]}")
    if outcome.replies and outcome.calls_again:
        wrong.append(f"{outcome.calls_again} new calls for saved replies")
    if outcome.kept != len(outcome.replies):
        wrong.append(f"{outcome.kept} replies kept, {len(outcome.replies)} given")
    # The key is nowhere.
    wrong += [f"the key is in {leak}" for leak in dict.fromkeys(outcome.leaks)]
    for error in outcome.errors:
        if key in "".join(traceback.format_exception(error)) or key in repr(error) or key in str(vars(error)):
            wrong.append(f"the key is in an exception (or what it comes from): {error!r:.200}")
    shown = {name: text for name, _, text in lines if key in text}
    wrong += [f"the key is in the log of {logger}: {text[:200]}" for logger, text in shown.items()]
    if name == BATCH_OF[name][0]:
        wrong += [f"an error in the log of its batch: {text[:600]}" for text in unseen(lines)]
    # The budget is kept.
    if any(number < 0 for paid in outcome.paid for number in paid):
        wrong.append(f"negative charges: {outcome.paid}")
    if sum(paid[0] for paid in outcome.paid) < len(outcome.replies):
        wrong.append(f"calls that were not charged: {outcome.paid} for {len(outcome.replies)} replies")
    if outcome.replies and "zero" not in name and not spent(outcome):
        wrong.append(f"{len(outcome.replies)} replies for nothing: {outcome.paid}")
    if spent(outcome) >= BUDGET and (outcome.calls_left_over or not isinstance(outcome.left_over, BudgetSpent)):
        wrong.append(f"spent, yet another call: {outcome.calls_left_over}, {outcome.left_over!r:.200}")
    most = REQUESTS * LIMITS["tries"]
    if outcome.calls["POST"] > most:
        wrong.append(f"{outcome.calls['POST']} calls, not at most {most}")
    # Nothing else is sent, and to no other server.
    wrong += [f"{word}: {outcome.calls[word]}" for word in ("followed", "cookies", "compressed") if outcome.calls[word]]
    if outside:
        wrong.append(f"somebody called elsewhere (any kind of this process): {dict(outside)}")
    # The messages can be shown.
    shown_wrong = dict.fromkeys(filter(None, map(wrong_message, outcome.errors)))
    wrong += [f"a message that is {why}" for why in shown_wrong]
    return list(dict.fromkeys(wrong))


def wrong_reply(reply: ChatReply, key: str) -> list[str]:
    wrong = []
    types = (str, tuple, str, str, int, int, bool, str, int, int, str)
    if any(type(value) is not kind for value, kind in zip(reply, types, strict=True)) or not all(
        type(call) is RequestedCall and type(call.name) is str and type(call.arguments) is str for call in reply.calls
    ):
        wrong.append(f"wrong types in a reply: {reply!r:.300}")
    if reply.input_tokens < 0 or reply.output_tokens < 0:
        wrong.append(f"negative tokens in a reply: {reply!r:.200}")
    if any(key in text for text in everything(list(reply))):
        wrong.append(f"the key is in a reply: {reply!r:.300}")
    return wrong


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in CORE else pytest.mark.battery) for name in SMALL]
)
def test_a_hostile_reply_does_no_harm(name: str, results: Results) -> None:
    outcome = results[name]
    assert problems(outcome, results.lines[name], results.server.outside()) == []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK_BIG else pytest.mark.battery) for name in BIG]
)
def test_a_reply_without_end_does_no_harm_and_takes_no_memory(name: str, results: Results) -> None:
    outcome = results[name]
    wrong = problems(outcome, results.lines[name], results.server.outside())
    if outcome.growth > MOST_MEMORY:
        wrong.append(f"{outcome.growth / MB:.0f} MB more memory")
    assert wrong == []


RUNS = {
    "injection": "", "forged_terminal": "assistant", "lone_surrogates": "assistant", "nul_bytes": "assistant",
    "silent": "", "huge_chunked": "", "key_in_text": "assistant", "key_in_json_in_text": "proposer",
    "key_in_arguments_escaped": "assistant", "key_as_tool_name": "assistant", "calls_10000": "assistant",
    "calls_name_forged": "assistant", "calls_arguments_digits": "assistant", "deep_arguments": "assistant",
    "deep_text": "proposer", "forbidden_after_successes": "", "usage_10_to_30": "", "forged_terminal_in_400": "",
    "forged_terminal_in_401": "", "smuggled_after_keep_alive": "", "retry_after_years": "", "calls_arguments_nan": "",
    "calls_arguments_surrogate": "assistant", "calls_name_1mb": "assistant", "text_1mb": "assistant",
    "text_of_combining_marks": "user", "models_forged": "", "models_key_in_401": "", "charset_idna": "",
    "redirect_307_elsewhere": "", "finish_escapes": "assistant", "refusal_forged": "assistant",
    "calls_arguments_dict_nan": "assistant", "key_in_arguments_as_a_name": "assistant",
    "deep_arguments_object": "assistant",
    "deep_120_arguments": "assistant", "deep_300_arguments": "assistant", "deep_300_lists": "assistant",
    "deep_900_arguments": "assistant", "deep_300_text": "proposer", "deep_900_text": "user",
    "committee_deep": "committee", "proposer_deep": "proposer", "environment_deep": "environment",
    "environment_key": "environment", "committee_forged": "committee", "proposer_digits": "proposer",
    **{f"tool_{name}": "assistant" for name in (*VALUES, "key", "deep", "many")},
    **{f"filled_{name}": "" for name in (*VALUES, "key")},
    **{f"user_{name}": "user" for name in VALUES}, **{f"proposer_{name}": "proposer" for name in VALUES},
    **{f"committee_{name}": "committee" for name in ("surrogate", "nul", "nan", "int")},
}  # fmt: skip
"""Whole runs: the kind of reply, and the only role that a model plays; empty for the usual roles."""
OF_ROLES = {"environment_deep": "deep_900_text", "committee_deep": "deep_900_text", "proposer_deep": "deep_900_text",
            "environment_key": "key_in_json_in_text",
            "committee_forged": "forged_terminal", "proposer_digits": "digits_in_text",
            **{f"{role}_{name}": f"filled_{name}" for name in VALUES for role in ("user", "proposer", "committee")
               if f"{role}_{name}" != "committee_forged"}}  # fmt: skip
QUICK = ("key_in_arguments_escaped", "deep_300_arguments")


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.battery) for name in RUNS]
)
def test_a_run_ends_in_time_and_goes_on_with_a_proper_server(
    name: str, server: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, key = OF_ROLES.get(name, name), key_of(name)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    settings = {
        "rollout.teacher": "llm", "rollout.guessed": "keep", "teacher.model": MOCK_MODEL, "evolution.batch": 4,
        "teacher.failing_window": 4, "teacher.budget_tokens": 3_000_000,
        **{f"teacher.{setting}": value for setting, value in {**LIMITS, **KINDS[kind].config}.items()},
    }  # fmt: skip
    if RUNS[name]:
        settings["teacher.roles"] = json.dumps([RUNS[name]])
    words = ["run", "--out", tmp_path / "run", "-n", 2, "--pool", small_pool_file(tmp_path), "--no-figure"]
    words += [word for pair in settings.items() for word in ("--set", f"{pair[0]}={pair[1]}")]
    start = time.monotonic()
    status, out, err = in_process(monkeypatch, capsys, *words, "--set", f"teacher.base_url={server.base_url(kind)}")
    seconds = time.monotonic() - start
    said = out + err
    wrong = []
    if seconds > (3 * LIMITS["patience_s"] + 15) * slower():
        wrong.append(f"took {seconds:.0f} s")
    if status not in (0, 1, 2):
        wrong.append(f"exit status {status}")
    if "Traceback" in said or (status == 2 and "to do:" not in said):
        wrong.append(f"no clear error: {said[-1500:]}")
    if any(not c.isprintable() and c != "\n" for c in said) or len(said) > 20_000:
        wrong.append(f"output that is not printable, or long ({len(said)}): {said[-1500:]!r}")
    if key in said or leaks(tmp_path, key):
        wrong.append(f"the key is in the output or in {leaks(tmp_path, key)}")
    shown = [in_process(monkeypatch, capsys, "show", tmp_path / "run") if (tmp_path / "run").exists() else (0, "", "")]
    for _, out, err in shown:
        if any(not c.isprintable() and c != "\n" for c in out + err) or "Traceback" in err or key in out + err:
            wrong.append(f"tdlab show prints what it should not: {(out + err)[-1500:]!r}")
    with MockServer() as proper:
        words += ["--set", f"teacher.base_url={proper.base_url}"]
        resumed = in_process(monkeypatch, capsys, *words)
        if resumed[0] != 0:
            wrong.append(f"not resumed, status {resumed[0]}: {(resumed[1] + resumed[2])[-1500:]}")
    if leaks(tmp_path, key) or key in resumed[1] + resumed[2]:
        wrong.append(f"the key is in the output after resuming, or in {leaks(tmp_path, key)}")
    if server.outside():
        wrong.append(f"somebody called elsewhere: {dict(server.outside())}")
    print(name, status, f"{seconds:.1f} s", said[-700:], resumed[1][-300:])  # noqa: T201 - shown if it fails
    assert wrong == []


def test_a_budget_spent_on_calls_without_a_reply_stops_them(server: Hostile, tmp_path: Path) -> None:
    changes = {"base_url": server.base_url("silent"), "budget_tokens": 3000, "concurrency": 1, "patience_s": 60.0}
    settings = TeacherConfig.model_validate({"model": "m", **LIMITS, **changes})
    before = server.counts("silent")["POST"]
    with ReplyJournal(tmp_path / "replies.sqlite") as journal:
        with LiveBackend(settings, journal=journal, owner="x", api_key=key_of("silent")) as backend:
            found = [ask(backend, request(f"budget {place}")) for place in range(3)]
        paid = sum(paid.input_tokens + paid.output_tokens for paid in journal.paid("x"))
    assert all(isinstance(error, BudgetSpent) for error in found), found
    assert 3000 <= paid < 3000 + 2100
    assert server.counts("silent")["POST"] - before == 2
