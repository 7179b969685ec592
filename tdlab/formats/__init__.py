"""Trajectory files: reading every known format into `Trajectory` records, and writing those that trainers read.

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

`export_trajectories` writes complete files, JSONL or Parquet, with the same bytes for the same trajectories, and notes
all that a format cannot hold. `Exporter` does the same one trajectory at a time. Other packages add an `ExportFormat`
in the entry-point group ``tdlab.export_formats``.

Modules: `base` (what readers build with), `read` (files), `_conversations` (detection), one module for each format
(`openai`, `chat`, `responses`, `gemini`, `exchange`, `claude_code`, `codex`, `swe_agent`, `openhands`, `xlam`, `atif`,
`bfcl`, `tau`, `mcp_bench`, `toolbench`), `messages` (lists of chat messages), `_parts`, `_roles`, `_thoughts`,
`_results`, `_written_calls`, `_written_results`, `_rendered`, `_services`, `_definitions`, `_literal`, `_json` and
`_array` (their pieces), `_spool` (values that wait on disk), `_values` (the values in files), `tasks` (files of tasks);
`export` (files), `_exporting` (what writers build with), `_export_messages`, `_export_tagged` and `_export_turns` (the
writers), `write` (OpenAI's shape) and `parquet`.
"""

from __future__ import annotations

from tdlab.formats._exporting import EXPORTS, NOTE_KINDS, ExportFormat, ExportNote, ExportSource, NoteTaker
from tdlab.formats._json import looks_like_error
from tdlab.formats._parts import RawCall, RawResult
from tdlab.formats.atif import atif_record
from tdlab.formats.base import ConversationBuilder, Format, Item, LineProblem, Note, Recording, Unreadable
from tdlab.formats.export import Exporter, ExportReport, NoteCount, export_trajectories
from tdlab.formats.read import (
    FORMATS,
    TrajectorySet,
    TrajectoryStream,
    iter_trajectories,
    read_trajectories,
    scan_trajectories,
)
from tdlab.formats.tasks import iter_tasks
from tdlab.formats.write import openai_message, openai_record

__all__ = [
    "EXPORTS",
    "FORMATS",
    "NOTE_KINDS",
    "ConversationBuilder",
    "ExportFormat",
    "ExportNote",
    "ExportReport",
    "ExportSource",
    "Exporter",
    "Format",
    "Item",
    "LineProblem",
    "Note",
    "NoteCount",
    "NoteTaker",
    "RawCall",
    "RawResult",
    "Recording",
    "TrajectorySet",
    "TrajectoryStream",
    "Unreadable",
    "atif_record",
    "export_trajectories",
    "iter_tasks",
    "iter_trajectories",
    "looks_like_error",
    "openai_message",
    "openai_record",
    "read_trajectories",
    "scan_trajectories",
]
