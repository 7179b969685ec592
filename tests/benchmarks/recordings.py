"""Conversations of seeded words as each format of trajectory files writes them, for the benchmark of reading.

Each function returns one record of its format: a line of a file, or the events of a session. A conversation has five
calls with their results; texts, arguments and results have the lengths that recorded ones have.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["DOCUMENTS", "LINES", "SESSIONS"]

WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu".split()
CALLS = 5
TOOL = {
    "name": "get_order",
    "description": "Read an order of a customer, with its lines and its state.",
    "parameters": {"type": "object", "properties": {"order": {"type": "integer"}, "note": {"type": "string"}}},
}
FUNCTION = {"type": "function", "function": TOOL}
TIME = "2026-01-01T00:00:00.000Z"

Record = dict[str, Any]


def text(rng: random.Random, count: int) -> str:
    """Return ``count`` words."""
    return " ".join(rng.choices(WORDS, k=count))


def steps(rng: random.Random) -> Iterator[tuple[str, str, Record, str]]:
    """Yield the id, the text, the arguments and the result of each call of a conversation."""
    for number in range(CALLS):
        arguments = {"order": rng.randrange(10**6), "note": text(rng, 3)}
        yield f"c{number}", text(rng, 15), arguments, json.dumps({"state": text(rng, 60), "lines": [1, 2, 3.5]})


def _called(call_id: str, arguments: Record) -> Record:
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": "get_order", "arguments": json.dumps(arguments)},
    }


# --------------------------------------------------------------------------------------------------------- chat APIs


def openai(rng: random.Random) -> Record:
    """Return a conversation with ``tool_calls``."""
    messages: list[Record] = [
        {"role": "system", "content": text(rng, 120)},
        {"role": "user", "content": text(rng, 40)},
    ]
    for call_id, said, arguments, result in steps(rng):
        messages.append({"role": "assistant", "content": said, "tool_calls": [_called(call_id, arguments)]})
        messages.append({"role": "tool", "tool_call_id": call_id, "content": result})
    return {"messages": [*messages, {"role": "assistant", "content": text(rng, 50)}], "tools": [FUNCTION]}


def anthropic(rng: random.Random) -> Record:
    """Return a conversation of content blocks."""
    messages: list[Record] = [{"role": "user", "content": text(rng, 40)}]
    for call_id, said, arguments, result in steps(rng):
        use = {"type": "tool_use", "id": call_id, "name": "get_order", "input": arguments}
        messages.append({"role": "assistant", "content": [{"type": "text", "text": said}, use]})
        messages.append(
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call_id, "content": result}]}
        )
    tool = {"name": TOOL["name"], "input_schema": TOOL["parameters"]}
    return {"system": text(rng, 120), "messages": messages, "tools": [tool]}


def vercel(rng: random.Random) -> Record:
    """Return a conversation of the AI SDK's parts."""
    messages: list[Record] = [{"id": "u", "role": "user", "parts": [{"type": "text", "text": text(rng, 40)}]}]
    parts: list[Record] = []
    for call_id, said, arguments, result in steps(rng):
        call = {"type": "tool-get_order", "toolCallId": call_id, "state": "output-available", "input": arguments}
        parts += [
            {"type": "step-start"},
            {"type": "text", "text": said, "state": "done"},
            {**call, "output": json.loads(result)},
        ]
    messages.append({"id": "a", "role": "assistant", "parts": parts})
    return {"messages": messages}


def langchain(rng: random.Random) -> Record:
    """Return a conversation as LangChain dumps its messages."""

    def dumped(name: str, **kwargs: Any) -> Record:
        return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", name], "kwargs": kwargs}

    messages = [
        dumped("SystemMessage", content=text(rng, 120), type="system"),
        dumped("HumanMessage", content=text(rng, 40), type="human"),
    ]
    for call_id, said, arguments, result in steps(rng):
        call = {"name": "get_order", "args": arguments, "id": call_id, "type": "tool_call"}
        beside = {"tool_calls": [_called(call_id, arguments)]}
        messages.append(
            dumped(
                "AIMessage", content=said, type="ai", tool_calls=[call], additional_kwargs=beside, response_metadata={}
            )
        )
        messages.append(dumped("ToolMessage", content=result, tool_call_id=call_id, type="tool", status="success"))
    return {"messages": [*messages, dumped("AIMessage", content=text(rng, 50), type="ai", tool_calls=[])]}


def gemini(rng: random.Random) -> Record:
    """Return a conversation of Gemini's contents."""
    contents: list[Record] = [{"role": "user", "parts": [{"text": text(rng, 40)}]}]
    for _, said, arguments, result in steps(rng):
        contents.append(
            {"role": "model", "parts": [{"text": said}, {"functionCall": {"name": "get_order", "args": arguments}}]}
        )
        answer = {"name": "get_order", "response": json.loads(result)}
        contents.append({"role": "user", "parts": [{"functionResponse": answer}]})
    return {"contents": contents, "tools": [{"functionDeclarations": [TOOL]}]}


def _items(rng: random.Random) -> Iterator[Record]:
    for call_id, said, arguments, result in steps(rng):
        yield {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": said}]}
        yield {"type": "function_call", "call_id": call_id, "name": "get_order", "arguments": json.dumps(arguments)}
        yield {"type": "function_call_output", "call_id": call_id, "output": result}


def responses(rng: random.Random) -> Record:
    """Return a record of the Responses API."""
    items: list[Record] = [{"role": "user", "content": [{"type": "input_text", "text": text(rng, 40)}]}, *_items(rng)]
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text(rng, 50)}]}]
    return {"input": items, "output": output, "tools": [{"type": "function", **TOOL}]}


def exchange(rng: random.Random) -> Record:
    """Return a request and its response, as a gateway logs them."""
    record = openai(rng)
    *asked, answer = record["messages"]
    request = {"model": "m", "messages": asked, "tools": record["tools"]}
    choice = {"index": 0, "finish_reason": "stop", "message": answer}
    response = {"id": "r", "object": "chat.completion", "choices": [choice], "usage": {"total_tokens": 9}}
    return {"request": request, "response": response, "latency_ms": 12}


# --------------------------------------------------------------------------------------------------------- training


def hermes(rng: random.Random) -> Record:
    """Return a conversation with calls in tags."""
    turns = [
        {"from": "system", "value": f"{text(rng, 120)}<tools>{json.dumps(TOOL)}</tools>"},
        {"from": "human", "value": text(rng, 40)},
    ]
    for _, said, arguments, result in steps(rng):
        call = json.dumps({"name": "get_order", "arguments": arguments})
        turns.append({"from": "gpt", "value": f"{said}\n<tool_call>\n{call}\n</tool_call>"})
        turns.append({"from": "tool", "value": f"<tool_response>\n{result}\n</tool_response>"})
    return {"conversations": [*turns, {"from": "gpt", "value": text(rng, 50)}]}


def sharegpt(rng: random.Random) -> Record:
    """Return a conversation with turns that are calls."""
    turns = [{"from": "human", "value": text(rng, 40)}]
    for _, _, arguments, result in steps(rng):
        turns.append({"from": "function_call", "value": json.dumps({"name": "get_order", "arguments": arguments})})
        turns.append({"from": "observation", "value": result})
    turns.append({"from": "gpt", "value": text(rng, 50)})
    return {"conversations": turns, "system": text(rng, 120), "tools": json.dumps([TOOL])}


def chatml(rng: random.Random) -> Record:
    """Return a conversation as one text of ChatML."""
    names = {"system": "system", "human": "user", "gpt": "assistant", "tool": "user"}
    turns = hermes(rng)["conversations"]
    return {"text": "".join(f"<|im_start|>{names[turn['from']]}\n{turn['value']}<|im_end|>\n" for turn in turns)}


def trl(rng: random.Random) -> Record:
    """Return a conversation as a prompt and its completion."""
    record = openai(rng)
    *asked, answer = record["messages"]
    return {"prompt": asked, "completion": [answer], "tools": record["tools"]}


def toucan(rng: random.Random) -> Record:
    """Return a row of Toucan, whose messages are a JSON text."""
    messages: list[Record] = [{"role": "user", "content": text(rng, 40)}]
    for _, said, arguments, result in steps(rng):
        call = {"name": "shop-get_order", "arguments": json.dumps(arguments)}
        messages.append({"role": "assistant", "content": said, "function_call": call})
        messages.append({"role": "function", "name": "shop-get_order", "content": result})
    messages.append({"role": "assistant", "content": text(rng, 50)})
    tools = [{"type": "function", "function": {**TOOL, "name": "shop-get_order"}}]
    return {
        "subset_name": "single-turn-original",
        "target_tools": "get_order",
        "messages": json.dumps(messages),
        "available_tools": json.dumps(tools),
        "metadata": json.dumps({"mcp_servers": [{"server_name": "Shop"}]}),
    }


def xlam(rng: random.Random) -> Record:
    """Return a query and its calls."""
    answers = [{"name": "get_order", "arguments": arguments} for _, _, arguments, _ in steps(rng)]
    tools = [{**TOOL, "name": name} for name in ("get_order", "get_customer", "list_orders")]
    return {"query": text(rng, 40), "answers": json.dumps(answers), "tools": json.dumps(tools)}


def bfcl(rng: random.Random) -> Record:
    """Return an answer of several turns."""
    turns = [
        [f"cd(folder='{text(rng, 1)}')", f"echo(content='{text(rng, 12)}', file_name='a.txt')"] for _ in range(CALLS)
    ]
    return {"ground_truth": turns}


# --------------------------------------------------------------------------------------------------- agents, benchmarks


def swe_agent(rng: random.Random) -> Record:
    """Return a run of SWE-agent: its history, and its steps once more."""
    history: list[Record] = [
        {"role": "system", "content": text(rng, 120), "agent": "main", "message_type": "system_prompt"},
        {"role": "user", "content": text(rng, 40), "agent": "main", "message_type": "observation"},
    ]
    trajectory = []
    for call_id, said, arguments, result in steps(rng):
        action = f"get_order {arguments['order']}"
        act = {"role": "assistant", "content": said, "thought": said, "action": action, "agent": "main"}
        history.append({**act, "message_type": "action", "tool_calls": [_called(call_id, arguments)]})
        answer = {"role": "tool", "content": [{"type": "text", "text": f"OBSERVATION:\n{result}"}], "agent": "main"}
        history.append({**answer, "message_type": "observation", "tool_call_ids": [call_id]})
        trajectory.append({"action": action, "observation": result, "response": said, "thought": said, "state": {}})
    return {"environment": "swe_main", "trajectory": trajectory, "history": history, "info": {"exit_status": "done"}}


def mini_swe_agent(rng: random.Random) -> Record:
    """Return a run of mini-swe-agent with commands in blocks."""
    messages: list[Record] = [
        {"role": "system", "content": text(rng, 120)},
        {"role": "user", "content": text(rng, 40)},
    ]
    for _, said, arguments, result in steps(rng):
        command = f"grep -rn {arguments['order']} ."
        messages.append({"role": "assistant", "content": f"THOUGHT: {said}\n\n```bash\n{command}\n```"})
        messages.append(
            {"role": "user", "content": f"<returncode>0</returncode>\n<output>\n{result}\n</output>"},
        )
    return {"messages": messages, "info": {"mini_version": "1.9.0"}, "trajectory_format": "mini-swe-agent-1"}


def openhands(rng: random.Random) -> Record:
    """Return a row of OpenHands' evaluation."""
    said = {"action": "message", "args": {"content": text(rng, 40), "wait_for_response": False}}
    history: list[Record] = [{"id": 0, "source": "user", "message": "", **said}]
    for call_id, said, arguments, result in steps(rng):
        about = {"function_name": "execute_bash", "tool_call_id": call_id, "total_calls_in_response": 1}
        args = {"command": f"grep -rn {arguments['order']} .", "thought": said, "blocking": False}
        act = {"id": len(history), "source": "agent", "message": "Running", "action": "run", "args": args}
        history.append({**act, "tool_call_metadata": about})
        answer = {"id": len(history), "source": "agent", "observation": "run", "content": result}
        extras = {"command": args["command"], "metadata": {"exit_code": 0, "working_dir": "/w"}}
        history.append({**answer, "cause": len(history) - 1, "extras": extras, "tool_call_metadata": about})
    return {"instance_id": "weir", "instruction": text(rng, 60), "history": history, "metadata": {"agent": "x"}}


def atif(rng: random.Random) -> Record:
    """Return a document of Harbor's."""
    listed: list[Record] = [{"step_id": 1, "source": "user", "message": text(rng, 40)}]
    for call_id, said, arguments, result in steps(rng):
        call = {"tool_call_id": call_id, "function_name": "get_order", "arguments": arguments}
        answer = {"results": [{"source_call_id": call_id, "content": result}]}
        step = {"step_id": len(listed) + 1, "source": "agent", "message": said, "tool_calls": [call]}
        listed.append({**step, "observation": answer})
    agent = {"name": "a", "version": "1", "tool_definitions": [FUNCTION]}
    return {"schema_version": "ATIF-v1.7", "session_id": "s", "agent": agent, "steps": listed}


def tau(rng: random.Random) -> Record:
    """Return a conversation of tau-bench."""
    return {
        "task_id": rng.randrange(1000),
        "reward": 1.0,
        "info": {"task": {}},
        "traj": openai(rng)["messages"],
        "trial": 0,
    }


def _simulation(rng: random.Random) -> Record:
    messages: list[Record] = [{"role": "user", "content": text(rng, 40), "tool_calls": None, "turn_idx": 0}]
    for call_id, said, arguments, result in steps(rng):
        call = {"id": call_id, "name": "get_order", "arguments": arguments, "requestor": "assistant"}
        messages.append({"role": "assistant", "content": said, "tool_calls": [call], "turn_idx": len(messages)})
        answer = {"id": call_id, "role": "tool", "content": result, "requestor": "assistant", "error": False}
        messages.append({**answer, "turn_idx": len(messages)})
    return {"id": str(rng.random()), "task_id": "0", "reward_info": {"reward": 1.0}, "messages": messages}


def tau2(rng: random.Random) -> Record:
    """Return results of tau2-bench: a document of many simulations."""
    info = {"environment_info": {"domain_name": "shop", "policy": text(rng, 300)}}
    return {"timestamp": TIME, "info": info, "tasks": [], "simulations": [_simulation(rng) for _ in range(300)]}


def mcp_bench(rng: random.Random) -> Record:
    """Return results of mcp-bench: a document of many runs."""
    runs = []
    for number in range(300):
        results = [
            {
                "tool": "Shop__get_order", "server": "Shop", "parameters": arguments, "round": index, "success": True,
                "response": {"content": [{"type": "text", "text": result}], "isError": False},
            }
            for index, (_, _, arguments, result) in enumerate(steps(rng))
        ]  # fmt: skip
        runs.append({"task_id": f"t{number}", "execution_results": results, "solution": text(rng, 50)})
    return {"task_run_results": {"model": runs}}


def toolbench(rng: random.Random) -> Record:
    """Return answers of ToolBench: a document of many queries."""
    answers = {}
    for number in range(300):
        nodes: list[Record] = [{"role": "assistant", "message": text(rng, 50), "next": []}]
        for _, said, arguments, result in steps(rng):
            call = {"name": "get_order", "arguments": json.dumps(arguments), "response": result}
            nodes = [{"role": "tool", "message": call, "next": nodes}]
            nodes = [{"role": "assistant", "message": said, "next": nodes}]
        nodes = [{"role": "user", "message": "", "next": nodes}]
        answers[str(number)] = {
            "query": text(rng, 40),
            "available_tools": [TOOL],
            "answer": {"answer_details": [{"role": "system", "message": text(rng, 120), "next": nodes}]},
        }
    return answers


def task(rng: random.Random) -> Record:
    """Return a task of a benchmark in no known format."""
    return {
        "question": text(rng, 60),
        "difficulty": "hard",
        "answer": text(rng, 5),
        "tools": [TOOL, {**TOOL, "name": "b"}],
    }


# ----------------------------------------------------------------------------------------------------- logs of sessions


def claude_code(rng: random.Random) -> list[Record]:
    """Return a session of Claude Code."""
    session = f"{rng.getrandbits(64):x}"
    events: list[Record] = []

    def add(kind: str, message: Record) -> None:
        about = {"isSidechain": False, "userType": "external", "cwd": "/w", "sessionId": session, "version": "2.0.1"}
        link = {"uuid": f"{session}-{len(events)}", "parentUuid": f"{session}-{len(events) - 1}" if events else None}
        events.append({**link, **about, "type": kind, "timestamp": TIME, "message": message})

    for turn in range(20):
        add("user", {"role": "user", "content": text(rng, 40)})
        for call_id, said, arguments, result in steps(rng):
            about = {"id": f"m{turn}{call_id}", "type": "message", "role": "assistant", "model": "claude"}
            usage = {"usage": {"input_tokens": 10, "output_tokens": 20}}
            use = {"type": "tool_use", "id": f"{turn}{call_id}", "name": "Read", "input": arguments}
            add("assistant", {**about, "content": [{"type": "text", "text": said}], **usage})
            add("assistant", {**about, "content": [use], **usage})
            answer = {"type": "tool_result", "tool_use_id": f"{turn}{call_id}", "content": result}
            add("user", {"role": "user", "content": [answer]})
    return events


def codex(rng: random.Random) -> list[Record]:
    """Return a session of Codex."""
    session = f"{rng.getrandbits(64):x}"

    def item(payload: Record) -> Record:
        return {"timestamp": TIME, "type": "response_item", "payload": payload}

    meta = {"id": session, "cwd": "/w", "originator": "codex_cli_rs", "instructions": text(rng, 120)}
    events: list[Record] = [{"timestamp": TIME, "type": "session_meta", "payload": meta}]
    for turn in range(20):
        said = [{"type": "input_text", "text": text(rng, 40)}]
        events.append(item({"type": "message", "role": "user", "content": said}))
        for entry in _items(rng):
            if "call_id" in entry:
                entry["call_id"] = f"{turn}{entry['call_id']}"
            if "output" in entry:
                entry["output"] = json.dumps({"output": entry["output"], "metadata": {"exit_code": 0}})
            events.append(item(entry))
        events.append({"timestamp": TIME, "type": "event_msg", "payload": {"type": "token_count", "info": {}}})
    return events


def openhands_events(rng: random.Random) -> list[Record]:
    """Return a session of OpenHands' SDK."""
    prompt = {"id": "e0", "source": "agent", "system_prompt": {"type": "text", "text": text(rng, 120)}, "tools": []}
    events: list[Record] = [{**prompt, "kind": "SystemPromptEvent"}]
    for turn in range(20):
        said: Any = {"role": "user", "content": [{"type": "text", "text": text(rng, 40)}]}
        events.append({"id": f"u{turn}", "source": "user", "llm_message": said, "kind": "MessageEvent"})
        for call_id, said, arguments, result in steps(rng):
            about = {"tool_name": "terminal", "tool_call_id": f"{turn}{call_id}"}
            call = {"id": f"{turn}{call_id}", "name": "terminal", "arguments": json.dumps(arguments)}
            act = {"id": f"a{turn}{call_id}", "source": "agent", "thought": [{"type": "text", "text": said}], **about}
            action = {**arguments, "kind": "TerminalAction"}
            events.append(
                {
                    **act,
                    "action": action,
                    "tool_call": call,
                    "llm_response_id": f"r{turn}{call_id}",
                    "kind": "ActionEvent",
                }
            )
            answer = {"content": [{"type": "text", "text": result}], "exit_code": 0, "kind": "TerminalObservation"}
            events.append({"id": f"o{turn}{call_id}", "source": "environment", **about, "observation": answer})
            events[-1]["kind"] = "ObservationEvent"
    return events


def items(rng: random.Random) -> list[Record]:
    """Return the items of a conversation of the Responses API, one a line."""
    return [
        {**item, **({"call_id": f"{turn}{item['call_id']}"} if "call_id" in item else {})}
        for turn in range(20)
        for item in _items(rng)
    ]


def calls(rng: random.Random) -> list[Record]:
    """Return the logged exchanges of a conversation that grows."""
    messages = openai(rng)["messages"]
    return [
        {
            "request": {"model": "m", "messages": messages[:end], "tools": [FUNCTION]},
            "response": {"choices": [{"index": 0, "message": messages[end]}]},
        }
        for end in range(2, len(messages), 2)
    ]


LINES: dict[str, Callable[[random.Random], Record]] = {
    "openai": openai, "anthropic": anthropic, "vercel": vercel, "langchain": langchain, "gemini": gemini,
    "responses": responses, "exchange": exchange, "hermes": hermes, "sharegpt": sharegpt, "chatml": chatml, "trl": trl,
    "toucan": toucan, "xlam": xlam, "bfcl": bfcl, "swe-agent": swe_agent, "mini-swe-agent": mini_swe_agent,
    "openhands": openhands, "atif": atif, "tau-bench": tau, "tasks": task,
}  # fmt: skip
"""Formats of one conversation a line."""

DOCUMENTS: dict[str, Callable[[random.Random], Record]] = {
    "tau2-bench": tau2, "mcp-bench": mcp_bench, "toolbench": toolbench,
}  # fmt: skip
"""Formats of documents of many conversations, one a file of about 1 MB."""

SESSIONS: dict[str, Callable[[random.Random], list[Record]]] = {
    "claude-code": claude_code, "codex": codex, "openhands-sdk": openhands_events, "responses-items": items,
    "exchange-log": calls,
}  # fmt: skip
"""Formats of one event a line."""
