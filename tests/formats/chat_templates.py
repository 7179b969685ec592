"""Chat templates of current families in miniature, a renderer as in transformers, and a parser for each family.

The templates are our own. Each writes and reads calls, results and tools as the real one does, and refuses what the
real one refuses; prompts are cut. ``{% generation %}`` marks what an assistant-only loss is computed on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

START, END = "\ue000", "\ue001"
"""Marks of the assistant's turns in rendered text."""

Call = tuple[str, Any]


class Generation(Extension):
    """``{% generation %}``, which transformers uses to find the assistant's tokens."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it this way

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller: Callable[[], str]) -> str:
        return START + caller() + END


def render(template: str, row: Mapping[str, Any], **variables: Any) -> str:
    """Render a row of a TRL dataset as transformers does; raises jinja2's TemplateError where a template refuses it."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )

    def refuse(text: str) -> None:
        raise TemplateError(text)

    def to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)

    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda text: "26 Jul 2024"
    tools = json.loads(row["tools"]) or None
    return environment.from_string(template).render(
        messages=row["messages"], tools=tools, bos_token="<s>", eos_token="</s>", **variables
    )


def assistant_text(rendered: str) -> list[str]:
    """Return what the assistant wrote, turn by turn."""
    return re.findall(f"{START}(.*?){END}", rendered, re.DOTALL)


@dataclass(frozen=True)
class Family:
    """A template, how to read the calls of one assistant turn, and what it cannot render.

    ``typed``: string arguments stand without quotes, so the tool's schema says which of them are JSON.
    ``drops_text``: text beside calls is not rendered. ``one_call``: it refuses parallel calls.
    ``offers``: it lists the tools.
    """

    template: str
    parse: Callable[[str, Mapping[str, Any]], list[Call]]
    typed: bool = False
    drops_text: bool = False
    one_call: bool = False
    offers: bool = True


def _tagged(text: str, tools: Mapping[str, Any]) -> list[Call]:
    found = [json.loads(body) for body in re.findall(r"<tool_call>\n(.*?)\n</tool_call>", text, re.DOTALL)]
    return [(call["name"], call["arguments"]) for call in found]


QWEN_TOOLS = """
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{% endif %}
    {{- '# Tools\\n\\n<tools>' }}
    {%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{% endfor %}
    {{- '\\n</tools><|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
"""
QWEN_RESULTS = """
    {%- elif message.role == 'tool' %}
        {%- if loop.first or loop.previtem.role != 'tool' %}{{- '<|im_start|>user' }}{% endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or loop.nextitem.role != 'tool' %}{{- '<|im_end|>\\n' }}{% endif %}
    {%- endif %}
{%- endfor %}
"""
QWEN25 = (
    QWEN_TOOLS
    + """
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}
        {%- generation %}
        {%- if message.content %}{{- message.content }}{% endif %}
        {%- for call in message.tool_calls or [] %}
            {%- set call = call.function if call.function is defined else call %}
            {{- '\\n<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
            {{- call.arguments | tojson }}{{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>' }}
        {%- endgeneration %}
        {{- '\\n' }}
"""
    + QWEN_RESULTS
)
QWEN3 = (
    QWEN_TOOLS
    + """
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}
        {%- generation %}
        {%- if message.reasoning_content is string %}
            {{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- message.content }}
        {%- for call in message.tool_calls or [] %}
            {%- if call.function %}{% set call = call.function %}{% endif %}
            {{- '\\n<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
            {%- if call.arguments is string %}{{- call.arguments }}{% else %}{{- call.arguments | tojson }}{% endif %}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>' }}
        {%- endgeneration %}
        {{- '\\n' }}
"""
    + QWEN_RESULTS
)
QWEN3_CODER = (
    QWEN_TOOLS
    + """
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}
        {%- generation %}
        {{- message.content }}
        {%- for call in message.tool_calls or [] %}
            {%- if call.function is defined %}{% set call = call.function %}{% endif %}
            {{- '\\n<tool_call>\\n<function=' + call.name + '>\\n' }}
            {%- for name, value in call.arguments | items %}
                {{- '<parameter=' + name + '>\\n' }}
                {{- value if value is string else value | tojson }}
                {{- '\\n</parameter>\\n' }}
            {%- endfor %}
            {{- '</function>\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>' }}
        {%- endgeneration %}
        {{- '\\n' }}
"""
    + QWEN_RESULTS
)
HERMES = (
    QWEN_TOOLS
    + """
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}
        {%- generation %}
        {%- if message.content %}{{- message.content + '\\n' }}{% endif %}
        {%- for call in message.tool_calls or [] %}
            {{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
            {%- if not loop.last %}{{- '\\n' }}{% endif %}
        {%- endfor %}
        {{- '<|im_end|>' }}
        {%- endgeneration %}
        {{- '\\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.first or loop.previtem.role != 'tool' %}{{- '<|im_start|>tool\\n' }}{% endif %}
        {{- '<tool_response>\\n' + message.content + '\\n</tool_response>\\n' }}
        {%- if loop.last or loop.nextitem.role != 'tool' %}{{- '<|im_end|>\\n' }}{% endif %}
    {%- endif %}
{%- endfor %}
"""
)
DEEPSEEK = """
{{- bos_token }}
{%- for message in messages if message.role == 'system' %}{{- message.content }}{% endfor %}
{%- for tool in tools or [] %}{{- '\\n' }}{{- tool | tojson }}{% endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{{- '<｜User｜>' + message.content }}
    {%- elif message.role == 'assistant' and 'tool_calls' in message %}
        {{- '<｜Assistant｜>' }}
        {%- generation %}
        {%- if message.content is not none %}{{- message.content }}{% endif %}
        {{- '<｜tool▁calls▁begin｜>' }}
        {%- for call in message.tool_calls %}
            {{- '<｜tool▁call▁begin｜>' + call.type + '<｜tool▁sep｜>' + call.function.name + '\\n```json\\n' }}
            {{- call.function.arguments | tojson }}
            {{- '\\n```<｜tool▁call▁end｜>' }}
        {%- endfor %}
        {{- '<｜tool▁calls▁end｜><｜end▁of▁sentence｜>' }}
        {%- endgeneration %}
    {%- elif message.role == 'assistant' %}
        {{- '<｜Assistant｜>' }}
        {%- generation %}{{- message.content + '<｜end▁of▁sentence｜>' }}{% endgeneration %}
    {%- elif message.role == 'tool' %}
        {{- '<｜tool▁output▁begin｜>' + message.content + '<｜tool▁output▁end｜>' }}
    {%- endif %}
{%- endfor %}
"""
GLM = """
{{- '[gMASK]<sop>' }}
{%- if tools %}
    {{- '<|system|>\\n# Tools' }}
    {%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{% endfor %}
{%- endif %}
{%- for message in messages %}
    {%- if message.role in ('user', 'system') %}{{- '<|' + message.role + '|>\\n' + message.content }}
    {%- elif message.role == 'assistant' %}
        {{- '<|assistant|>' }}
        {%- generation %}
        {%- if message.reasoning_content is string %}
            {{- '\\n<think>' + message.reasoning_content.strip() + '</think>' }}
        {%- endif %}
        {%- if message.content.strip() %}{{- '\\n' + message.content.strip() }}{% endif %}
        {%- for call in message.tool_calls or [] %}
            {%- if call.function %}{% set call = call.function %}{% endif %}
            {{- '\\n<tool_call>' + call.name }}
            {%- for key, value in call.arguments.items() %}
                {{- '\\n<arg_key>' + key + '</arg_key>\\n<arg_value>' }}
                {{- value if value is string else value | tojson }}
                {{- '</arg_value>' }}
            {%- endfor %}
            {{- '\\n</tool_call>' }}
        {%- endfor %}
        {%- endgeneration %}
    {%- elif message.role == 'tool' %}
        {%- if loop.previtem.role != 'tool' %}{{- '<|observation|>' }}{% endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
    {%- endif %}
{%- endfor %}
"""
LLAMA = """
{{- bos_token }}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content | trim }}{% set messages = messages[1:] %}{% endif %}
{%- for tool in tools or [] %}{{- '\\n\\n' }}{{- tool | tojson(indent=4) }}{% endfor %}
{{- '<|eot_id|>' }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
        {%- if message.role == 'assistant' %}
            {%- generation %}{{- message.content | trim + '<|eot_id|>' }}{% endgeneration %}
        {%- else %}{{- message.content | trim + '<|eot_id|>' }}{% endif %}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}
            {{- raise_exception('This model only supports single tool-calls at once!') }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
        {%- generation %}
        {{- '{"name": "' + call.name + '", "parameters": ' }}{{- call.arguments | tojson }}{{- '}<|eot_id|>' }}
        {%- endgeneration %}
    {%- else %}
        {{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' }}
        {{- message.content | tojson if message.content is iterable else message.content }}
        {{- '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
"""
MISTRAL = """
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content %}{% set turns = messages[1:] %}
{%- else %}{% set turns = messages %}{% endif %}
{%- set state = namespace(index=0) %}
{%- for message in turns if not (message.role == 'tool' or message.tool_calls is defined) %}
    {%- if (message.role == 'user') != (state.index % 2 == 0) %}
        {{- raise_exception('conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- set state.index = state.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in turns %}
    {%- if message.role == 'user' %}
        {%- if tools is not none and loop.first %}
            {{- '[AVAILABLE_TOOLS]' }}{{- tools | tojson }}{{- '[/AVAILABLE_TOOLS]' }}
        {%- endif %}
        {{- '[INST]' + (system + '\\n\\n' if loop.last and system is defined else '') + message.content + '[/INST]' }}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {%- generation %}
        {{- '[TOOL_CALLS][' }}
        {%- for call in message.tool_calls %}
            {%- set out = call.function | tojson %}
            {{- out[:-1] }}
            {%- if call.id is not defined or call.id | length != 9 %}
                {{- raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}
            {%- endif %}
            {{- ', "id": "' + call.id + '"}' }}
            {%- if not loop.last %}{{- ', ' }}{% else %}{{- ']' + eos_token }}{% endif %}
        {%- endfor %}
        {%- endgeneration %}
    {%- elif message.role == 'assistant' %}
        {%- generation %}{{- message.content + eos_token }}{% endgeneration %}
    {%- elif message.role == 'tool' %}
        {%- if message.tool_call_id is not defined or message.tool_call_id | length != 9 %}
            {{- raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}
        {%- endif %}
        {{- '[TOOL_RESULTS]{"content": ' + message.content | tojson }}
        {{- ', "call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- endif %}
{%- endfor %}
"""


def _value(text: str, name: str, key: str, tools: Mapping[str, Any]) -> Any:
    """Return the value of an argument that is written without quotes if its schema says that it is a string."""
    properties = tools.get(name, {}).get("properties", {})
    if properties.get(key, {}).get("type") == "string":
        return text
    return _CONSTANTS[text] if text in _CONSTANTS else json.loads(text)


_CONSTANTS = {"True": True, "False": False, "None": None}
"""Qwen3.5's template writes them in Python."""


def _coder(text: str, tools: Mapping[str, Any]) -> list[Call]:
    calls = []
    for name, body in re.findall(r"<function=([^>]+)>\n(.*?)</function>", text, re.DOTALL):
        pairs = re.findall(r"<parameter=([^>]+)>\n(.*?)\n</parameter>\n", body, re.DOTALL)
        calls.append((name, {key: _value(value, name, key, tools) for key, value in pairs}))
    return calls


def _glm(text: str, tools: Mapping[str, Any]) -> list[Call]:
    calls = []
    for body in re.findall(r"<tool_call>(.*?)</tool_call>", text, re.DOTALL):
        name = body.split("\n")[0].strip()
        pairs = re.findall(r"<arg_key>(.*?)</arg_key>\n<arg_value>(.*?)</arg_value>", body, re.DOTALL)
        calls.append((name, {key: _value(value, name, key, tools) for key, value in pairs}))
    return calls


def _deepseek(text: str, tools: Mapping[str, Any]) -> list[Call]:
    found = re.findall(r"<｜tool▁sep｜>(.*?)\n```json\n(.*?)\n```<｜tool▁call▁end｜>", text, re.DOTALL)
    return [(name, json.loads(arguments)) for name, arguments in found]


def _llama(text: str, tools: Mapping[str, Any]) -> list[Call]:
    if not text.startswith('{"name": "'):
        return []
    call = json.loads(text.removesuffix("<|eot_id|>"))
    return [(call["name"], call["parameters"])]


def _mistral(text: str, tools: Mapping[str, Any]) -> list[Call]:
    if not text.startswith("[TOOL_CALLS]"):
        return []
    return [(call["name"], call["arguments"]) for call in json.loads(text[len("[TOOL_CALLS]") : -len("</s>")])]


FAMILIES = {
    "Qwen2.5": Family(QWEN25, _tagged),
    "Qwen3": Family(QWEN3, _tagged),
    "Qwen3-Coder": Family(QWEN3_CODER, _coder, typed=True),
    "DeepSeek-V3": Family(DEEPSEEK, _deepseek),
    "GLM-4": Family(GLM, _glm, typed=True),
    "Llama 3": Family(LLAMA, _llama, one_call=True, drops_text=True),
    "Hermes": Family(HERMES, _tagged),
    "Mistral": Family(MISTRAL, _mistral, drops_text=True),
}

SHIPPED = {
    "qwen2_5_training": "Qwen2.5",
    "qwen3_training": "Qwen3",
    "qwen3_instruct_2507_training": "Qwen3",
    "qwen3_vl_training": "Qwen3",
    "qwen3_5_nothink_training": "Qwen3-Coder",
    "qwen3_6_training": "Qwen3-Coder",
    "qwen3_8_training": "Qwen3-Coder",
    "deepseekv3_training": "DeepSeek-V3",
    "glm4moe_training": "GLM-4",
    "llama3_1": "Llama 3",
    "llama3_2": "Llama 3",
}
"""The templates of TRL's wheel that render calls, by the family whose parser reads them."""
