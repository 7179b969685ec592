"""Trajectory files of every known format, read into `Trajectory` records, and the formats that tdlab writes.

`read_trajectories` finds the format out by content, whether the file is packed with gzip or not:

==============  ====================================================================================================
``openai``      one ``{"id"?, "messages", "tools"?}`` a line, or a list of them; tools a list or JSON text
``hermes``      chats whose tool use stands in texts: ``<tools>``, ``<tool_call>``, ``<tool_response>`` (Hermes, Qwen)
``sharegpt``    ``{"conversations": [{"from", "value"}], "tools"?}``, LLaMA-Factory's ``function_call`` included
``toucan``      Toucan's rows (``messages`` as JSON text, ``function_call``) and its training form (``tool_call`` roles)
``trl``         ``{"prompt", "completion"}``, ``{"prompt", "chosen"}``, or ChatML ``{"text"}``; ``tools`` beside them
``atif``        Harbor's ``{"schema_version": "ATIF-v1.x", "agent", "steps"}``
``bfcl``        BFCL multi-turn answers: ``{"id", "ground_truth": [["cd(folder='x')", ...], ...]}``; results of models
``tau-bench``   ``[{"task_id", "trial", "traj", ...}]``
``tau2-bench``  ``results.json``: ``{"info", "simulations", ...}``, flat calls with object arguments
``mcp-bench``   ``{"task_run_results": {model: [{"execution_results", "solution", ...}]}}``
``toolbench``   ``{query id: {"query", "available_tools", "answer": {"answer_details": tree}}}``
==============  ====================================================================================================

TRL's conversational layout with ``tools`` is ``openai``. Broken lines and broken conversations are reported as
`LineProblem` and the rest is read; a file may mix formats. In each recording the ids of calls are made unique, results
are joined to their calls, and an error that carries no flag is told by its text. A tool's key is ``service/name``: the
service comes from the file (an environment's domain, a server, an API, the front part of ``service__name``) and is
empty where the file names none. Nothing here knows a taxonomy: hand in ``classify`` to map services to business
domains, else a service is its own.

Other packages add a `Format` in the entry-point group ``tdlab.trajectory_formats``; theirs are tried last.

`read_trajectories` holds all conversations; `scan_trajectories` gives the same ones for files larger than memory, and
`iter_trajectories` one by one with nothing in common worked out.

`write_openai_jsonl`, `write_parquet` and `write_atif_jsonl` write whole files with the same bytes for the same
trajectories.
"""

from __future__ import annotations

from tdlab.formats._json import looks_like_error
from tdlab.formats.atif import atif_record, write_atif_jsonl
from tdlab.formats.base import ConversationBuilder, Format, Item, LineProblem, Recording, Unreadable
from tdlab.formats.parquet import write_parquet
from tdlab.formats.read import (
    FORMATS,
    TrajectorySet,
    TrajectoryStream,
    iter_trajectories,
    read_trajectories,
    scan_trajectories,
)
from tdlab.formats.write import openai_message, openai_record, write_openai_jsonl

__all__ = [
    "FORMATS",
    "ConversationBuilder",
    "Format",
    "Item",
    "LineProblem",
    "Recording",
    "TrajectorySet",
    "TrajectoryStream",
    "Unreadable",
    "atif_record",
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
