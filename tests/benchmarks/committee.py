"""The committee calibrated: ``python -m tests.benchmarks.committee [--clean N]``.

The mock model's judge, which applies the rubric by rules to what a judge sees, sits on all three seats. It judges clean
conversations, the same with one fault each, and fifty of the design that worlds replaced. Two sets of faults were
written by somebody who had not seen the judge; it has since been made better with both in view, so that neither is a
test of it any more. Printed is the share of verdicts that agree with what is known of them.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from itertools import islice
from random import Random
from typing import Any

from tdlab.config import TeacherConfig
from tdlab.rollout.llm import ChatReply, ChatRequest
from tdlab.rollout.llm.committee import judge
from tdlab.rollout.llm.mock_judge import judged
from tdlab.rollout.llm.session import AgentSession
from tests.teacher.committee_faults import FAULTS, Case, clean_set, corrupted, old_design_set
from tests.teacher.committee_held_out import HELD_OUT
from tests.teacher.tasks import task


class RubricBackend:
    """Answer a judge's request by rules."""

    def ask(self, request: ChatRequest, *, attempt: int = 0) -> ChatReply:
        material = json.loads(str(request.messages[1]["content"]))
        return ChatReply(json.dumps(judged(material)), input_tokens=request.size, output_tokens=1)


def accepts(case: Case) -> bool:
    """Return whether the committee accepts a conversation."""
    session = AgentSession(RubricBackend(), TeacherConfig(model="m", roles=("committee",)), *task())
    return not judge(session, case.trajectory, case.intent, case.tools, case.policy).objection


def agreement(clean: int, *, seed: int = 11) -> dict[str, Any]:
    """Return the share of verdicts that agree, of each kind and of all; a fault counts once."""
    cases = clean_set(clean, seed)
    right, of = Counter(), Counter()
    for case in cases:
        right["clean"] += accepts(case)
        of["clean"] += 1
    for fault in FAULTS:
        for case in list(corrupted(fault.name, cases, seed))[:1]:
            right[f"fault: {fault.criterion}"] += not accepts(case)
            of[f"fault: {fault.criterion}"] += 1
    for fault in HELD_OUT:
        changed = (
            case._replace(trajectory=new) for case in cases if (new := fault.apply(case.trajectory, Random(seed)))
        )
        for case in list(islice(changed, 1)):
            right[f"held out: {fault.criterion}"] += not accepts(case)
            of[f"held out: {fault.criterion}"] += 1
    for case in old_design_set(50, 0):
        right["old design"] += not accepts(case)
        of["old design"] += 1
    shares = {kind: (right[kind] / of[kind], of[kind]) for kind in of}
    return {**shares, "all": (sum(right.values()) / sum(of.values()), sum(of.values()))}


def main() -> None:
    """Print the agreement."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clean", type=int, default=120)
    for kind, (share, number) in agreement(parser.parse_args().clean).items():
        print(f"{kind:<20} {share:.3f} of {number}")


if __name__ == "__main__":
    main()
