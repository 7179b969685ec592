"""Compare pools and clients' files of ``tests/cases`` with their right values (see the README there)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tdlab.errors import TdlabError
from tdlab.pool import ToolPool, read_mcp_config
from tdlab.records import Tool

__all__ = ["config_differences", "pool_differences"]

Services = dict[str, dict[str, Tool]]


def pool_differences(folder: Path, case: Mapping[str, Any]) -> list[str]:
    """Return each way in which a pool is not read right."""
    expect = case["expect"]
    files = tuple(str(folder / name) for name in expect.get("files", [case["file"]]))
    try:
        pool = ToolPool.named(files)
    except TdlabError as error:
        empty = expect.get("n_tools") == 0 or expect.get("services") == {} or expect.get("accept_reported")
        words = expect.get("report_contains_any", [""])
        return [] if empty and any(word.lower() in str(error).lower() for word in words) else [str(error)]
    services = {service.name: {tool.name: tool for tool in service.tools} for service in pool.services}
    reported = " ".join(str((issue.severity, issue.code, issue.tool, issue.found)) for issue in pool.issues)
    return [*_services(expect, services), *_tools(expect, services), *_issues(expect, pool, reported)]


def _services(expect: Mapping[str, Any], services: Services) -> Iterator[str]:
    wanted = expect.get("services")
    if wanted is None:
        return
    if "*" not in wanted and sorted(services) != sorted(wanted):
        yield f"services {sorted(services)}, not {sorted(wanted)}"
    everything = {name: tool for tools in services.values() for name, tool in tools.items()}
    for service, tools in wanted.items():
        have = everything if service == "*" else services.get(service, {})
        if "*" not in tools and sorted(have) != sorted(tools):
            yield f"{service} has the tools {sorted(have)}, not {sorted(tools)}"
        for name, want in tools.items():
            if name in have:
                yield from (f"{service}/{name} {difference}" for difference in _tool(want, have[name]))


def _tool(want: Mapping[str, Any], tool: Tool) -> Iterator[str]:
    if "properties" in want and sorted(tool.parameters) != sorted(want["properties"]):
        yield f"has the parameters {sorted(tool.parameters)}, not {sorted(want['properties'])}"
    if "required" in want and sorted(tool.required) != sorted(want["required"]):
        yield f"requires {tool.required}, not {want['required']}"
    for parameter, right in want.get("types", {}).items():
        schema = tool.parameters.get(parameter, {})
        branches = [
            branch for word in ("anyOf", "oneOf") for branch in schema.get(word, ()) if isinstance(branch, dict)
        ]
        kinds = {kind for entry in (schema, *branches) for kind in _listed(entry.get("type"))}
        if not set(_listed(right)) <= kinds:
            yield f"has {parameter} of the type {schema.get('type')}, not {right}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _tools(expect: Mapping[str, Any], services: Services) -> Iterator[str]:
    tools = [tool for own in services.values() for tool in own.values()]
    names = [tool.name for tool in tools]
    for key, value in (("n_services", len(services)), ("n_tools", len(tools))):
        if expect.get(key, value) != value:
            yield f"{key} is {value}, not {expect[key]}"
    missing = set(expect.get("tools_include", ())) - set(names)
    phantoms = set(expect.get("not_tools", ())) & set(names)
    unnamed = set(expect.get("services_names_include", ())) - set(services)
    if missing or phantoms or unnamed:
        yield f"missing {missing}, no tools {phantoms}, services that are missing {unnamed}"
    shapes = [(sorted(tool.parameters), sorted(tool.required)) for tool in tools]
    for want in expect.get("tool_shapes", ()):
        if (sorted(want.get("properties", ())), sorted(want.get("required", ()))) not in shapes:
            yield f"no tool has the shape {want}"
    for name, text in expect.get("descriptions", {}).items():
        if text not in [tool.description for tool in tools if tool.name == name]:
            yield f"{name} does not say {text!r}"


def _issues(expect: Mapping[str, Any], pool: ToolPool, reported: str) -> Iterator[str]:
    if expect.get("issues") == "some" and not pool.issues:
        yield "nothing was reported"
    faults = [issue for issue in pool.issues if issue.severity != "note"]
    if expect.get("issues") == "none" and faults:
        yield f"reported though nothing is wrong: {faults[:3]}"
    for word in expect.get("set_aside_contains", ()):
        if word.lower() not in reported.lower():
            yield f"{word} was not set aside: {reported[:300]}"


def config_differences(folder: Path, case: Mapping[str, Any]) -> list[str]:
    """Return each way in which a client's file is not read right."""
    expect = case["expect"]
    try:
        config = read_mcp_config(folder / case["file"], environ=expect.get("environ", {}))
    except TdlabError as error:
        shown, servers = str(error), {}
    else:
        shown, servers = f"{config.failures} {config.disabled}", dict(config)
    differences = []
    for name, want in expect.get("servers", {}).items():
        if name not in servers:
            if name not in shown:
                differences.append(f"{name} is neither read nor reported: {shown[:300]}")
            continue
        for key, right in want.items():
            value = getattr(servers[name], key)
            value = {inner: value.get(inner) for inner in right} if isinstance(right, dict) else value
            value = list(value) if isinstance(value, tuple) else value
            loose = (key == "args" and expect.get("loose_args")) or key == "transport"  # SSE is not supported
            if value != right and not loose:
                differences.append(f"{name}.{key} is {value!r}, not {right!r}")
    differences += [f"{name} was read" for name in expect.get("bad", ()) if name in servers]
    differences += [
        f"{name} is not reported: {shown[:300]}" for name in expect.get("bad", ()) if name != "*" and name not in shown
    ]
    printed = f"{shown} {servers!r}"
    differences += [f"the secret {text} is shown" for text in expect.get("secrets", ()) if text in printed]
    for text in expect.get("never_reaches", ()):
        if any(text in json.dumps(server.model_dump(mode="json")) for server in servers.values()):
            differences.append(f"{text} reaches a server")
    return differences
