"""Trajectory files: reading every known format into `Trajectory` records, and writing three formats.

`read_trajectories` detects the format by content, whether or not the file is compressed with gzip:

==================  ================================================================================================
``openai``          one ``{"id"?, "messages", "tools"?}`` per line, or a list of them; tools a list or JSON text
``hermes``          chats with tool use as text: ``<tools>``, ``<tool_call>``, ``<tool_response>`` (Hermes, Qwen)
``sharegpt``        ``{"conversations": [{"from", "value"}], "tools"?}``, also LLaMA-Factory's ``function_call``
``toucan``          Toucan's rows (``messages`` as JSON text) and its training form (``tool_call`` roles)
``trl``             ``{"prompt", "completion"}``, ``{"prompt", "chosen"}``, or ChatML ``{"text"}``, each with ``tools``
``responses``       OpenAI's Responses API: ``{"input", "output", "tools"?}``, a list of items, or one item per line
``gemini``          ``{"contents": [{"role", "parts"}], "tools"?}`` in camel or snake case; sessions of the Gemini CLI
``exchange``        a request and its response: LiteLLM, Helicone, Langfuse, mitmproxy, HAR, Bedrock, OpenTelemetry
``claude-code``     Claude Code's session logs and its ``stream-json`` output; subagents are conversations of their own
``codex``           Codex's rollout logs (with and without envelopes) and the events of ``codex exec --json``
``swe-agent``       ``.traj`` files: ``{"history", "trajectory": [{"action", "observation", "thought"}]}``
``mini-swe-agent``  ``{"trajectory_format", "messages", "info"}``, or its messages alone; calls of ``bash``
``openhands``       lists of actions and observations, ``output.jsonl`` of its evaluation, events of the newer SDK
``xlam``            ``{"query", "tools", "answers"}`` or ``{"question", "functions", "answer"}``; values or JSON texts
``atif``            Harbor's ``{"schema_version": "ATIF-v1.x", "agent", "steps"}``
``bfcl``            BFCL's answers of every category, ``{"id", "ground_truth"}``, and results of models
``tau-bench``       ``[{"task_id", "trial", "traj", ...}]``
``tau2-bench``      ``results.json``: ``{"info", "simulations", ...}``, flat calls with object arguments
``mcp-bench``       ``{"task_run_results": {model: [{"execution_results", "solution", ...}]}}``
``toolbench``       ``{query id: {"query", "available_tools", "answer": {"answer_details": tree}}}``
==================  ================================================================================================

TRL's conversational layout with ``tools`` is ``openai``. Broken lines and broken conversations become `LineProblem`
records and the rest is read; a file may mix formats. In each recording the ids of calls are made unique, results are
joined to their calls, and an error without a flag is recognised by its text. A tool's key is ``service/name``. The
service comes from the file (an environment's domain, a server, an API, the first part of ``service__name``) and is
empty where the file names none. Nothing here knows a taxonomy: pass ``classify`` to map services to business domains;
otherwise each service is its own domain.

Other packages add a `Format` in the entry-point group ``tdlab.trajectory_formats``; theirs are tried last.

`read_trajectories` keeps all conversations in memory. `scan_trajectories` returns the same ones for files larger than
memory, and `iter_trajectories` yields them one by one, without anything that they have in common.

`write_openai_jsonl`, `write_parquet` and `write_atif_jsonl` write complete files, with the same bytes for the same
trajectories.

Modules: `base` (what readers build with), `read` (files and detection), one module for each format (`openai`, `chat`,
`responses`, `gemini`, `exchange`, `claude_code`, `codex`, `swe_agent`, `openhands`, `xlam`, `atif`, `bfcl`, `tau`,
`mcp_bench`, `toolbench`), `messages` (lists of chat messages), `_tags`, `_literal`, `_json` and
`_array` (pieces of syntax), `write` and `parquet`.
"""

from __future__ import annotations

from tdlab.formats._json import looks_like_error
from tdlab.formats._parts import RawCall, RawResult
from tdlab.formats.atif import atif_record, write_atif_jsonl
from tdlab.formats.base import ConversationBuilder, Format, Item, LineProblem, Note, Recording, Unreadable
from tdlab.formats.parquet import write_parquet
from tdlab.formats.read import (
    FORMATS,
    TrajectorySet,
    TrajectoryStream,
    iter_trajectories,
    read_trajectories,
    scan_trajectories,
)
from tdlab.formats.tasks import iter_tasks
from tdlab.formats.write import openai_message, openai_record, write_openai_jsonl

__all__ = [
    "FORMATS",
    "ConversationBuilder",
    "Format",
    "Item",
    "LineProblem",
    "Note",
    "RawCall",
    "RawResult",
    "Recording",
    "TrajectorySet",
    "TrajectoryStream",
    "Unreadable",
    "atif_record",
    "iter_tasks",
    "iter_trajectories",
    "looks_like_error",
    "openai_message",
    "openai_record",
    "read_trajectories",
    "scan_trajectories",
    "write_atif_jsonl",
    "write_openai_jsonl",
    "write_parquet",
]
