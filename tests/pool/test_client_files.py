"""The files of real clients are read as they are: their shapes, their placeholders, one bad entry among good ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import PoolError
from tdlab.pool import ConfigInput, McpConfig, read_mcp_config
from tests.pool.test_server_config import write

GAUGE = {"command": "gauge", "args": ["--stdio"]}


def read(folder: Path, content: Any, *, name: str = "mcp.json", **options: Any) -> McpConfig:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_mcp_config(path, **options)


# ------------------------------------------------------------------------------------------------------------- shapes


@pytest.mark.parametrize(
    "content",
    [
        {"mcpServers": {"g": GAUGE}},
        {"servers": {"g": {"type": "stdio", **GAUGE}}, "inputs": []},
        {"mcp": {"servers": {"g": GAUGE}, "inputs": []}, "editor.fontSize": 12},
        {"mcp.servers": {"g": GAUGE}, "extensions": ["a.b"]},
        {"settings": {"mcp": {"servers": {"g": GAUGE}}}, "folders": [{"path": "."}]},
        {"customizations": {"vscode": {"mcp": {"servers": {"g": GAUGE}}}}, "image": "x"},
        {"context_servers": {"g": {"source": "custom", **GAUGE, "env": None}}},
        {"context_servers": {"g": {"command": {"path": "gauge", "args": ["--stdio"], "env": None}, "settings": {}}}},
        {"mcp": {"g": {"type": "local", "command": ["gauge", "--stdio"], "enabled": True}}, "$schema": "x"},
        {"mcp": {"allowed": ["g"]}, "mcpServers": {"g": {**GAUGE, "trust": True, "timeout": 3000}}},
        {"mcpServers": {"g": {**GAUGE, "disabled": False, "alwaysAllow": ["read"]}}},
        {"mcpServers": [{"name": "g", **GAUGE}]},
        {"amp.mcpServers": {"g": GAUGE}},
        {"g": GAUGE},
        {"projects": {"/a": {"mcpServers": {"g": GAUGE}}, "/b": {"mcpServers": {"g": GAUGE}}}, "mcpServers": {}},
    ],
    ids=lambda content: "+".join(content),
)
def test_every_clients_shape_is_read(content: Any, tmp_path: Path) -> None:
    config = read(tmp_path, content)
    assert list(config) == ["g"], config
    assert (config["g"].command, config["g"].args) == ("gauge", ("--stdio",))
    assert config.failures == {}


@pytest.mark.parametrize(
    "entry",
    [
        {"url": "https://h/mcp"},
        {"serverUrl": "https://h/mcp"},
        {"httpUrl": "https://h/mcp", "url": "https://h/sse"},
        {"type": "streamableHttp", "url": "https://h/mcp"},
        {"type": "remote", "url": "https://h/mcp", "enabled": True},
    ],
)
def test_every_clients_word_for_an_address_is_read(entry: Any, tmp_path: Path) -> None:
    spec = read(tmp_path, {"mcpServers": {"g": {**entry, "headers": {"X-Level": 3}}}})["g"]
    assert (spec.transport, spec.url, spec.headers) == ("http", "https://h/mcp", {"X-Level": "3"})


@pytest.mark.parametrize(
    "text",
    [
        '{"mcpServers": {"g": {"command": "gauge", "args": ["--stdio",],},},}',
        '// ours\n{"mcpServers": {/* one */ "g": {"command": "gauge", "args": ["--stdio"]}}} // end\n',
        '\ufeff{\r\n\t"mcpServers": {\r\n\t"g": {"command": "gauge", // it\'s "here"\r\n"args": ["--stdio"]}}}',
        '{"mcpServers": {"g": {"command": "gauge", "args": ["--stdio"], "env": {"U": "http://h//x /* no */"}}},}',
    ],
)
def test_comments_and_trailing_commas_are_accepted(text: str, tmp_path: Path) -> None:
    spec = read(tmp_path, text)["g"]
    assert (spec.command, spec.args) == ("gauge", ("--stdio",))
    assert spec.env in ({}, {"U": "http://h//x /* no */"}), "a comment inside a string is text"


def test_codex_toml(tmp_path: Path) -> None:
    text = """
model = "m"
[mcp_servers.g]
command = "gauge"
args = ["--stdio"]
env_vars = ["LEVEL", "UNSET", {name = "ZONE", source = "local"}]
disabled_tools = ["drain"]
[mcp_servers.g.env]
DEBUG = true
[mcp_servers.web]
url = "https://h/mcp"
bearer_token_env_var = "WEB_TOKEN"
http_headers = { "X-Client" = "t" }
env_http_headers = { "X-Zone" = "ZONE" }
[mcp_servers.off]
command = "x"
enabled = false
[mcp_servers.poor]
url = "https://h/mcp"
bearer_token_env_var = "NO_SUCH_TOKEN"
"""
    config = read(tmp_path, text, name="config.toml", environ={"LEVEL": "4", "ZONE": "north", "WEB_TOKEN": "tok-9911"})
    assert list(config) == ["g", "web"]
    assert config["g"].env == {"LEVEL": "4", "ZONE": "north", "DEBUG": "true"}
    assert config["g"].without_tools == ("drain",)
    assert config["web"].headers == {"X-Client": "t", "X-Zone": "north", "Authorization": "Bearer tok-9911"}
    assert config.disabled == ("off",)
    assert config.failures == {"poor": "the environment variable NO_SUCH_TOKEN is not set"}


def test_goose_yaml(tmp_path: Path) -> None:
    text = """
GOOSE_MODEL: m
extensions:
  developer: {type: builtin, enabled: true, name: developer}
  g: {type: stdio, cmd: gauge, args: [--stdio], enabled: true, envs: {LEVEL: 4}, env_keys: [TOKEN]}
  web: {type: streamable_http, uri: "https://h/mcp", enabled: true, headers: {}}
"""
    config = read(tmp_path, text, name="config.yaml", environ={"TOKEN": "tok-9911"})
    assert {name: spec.transport for name, spec in config.items()} == {"g": "stdio", "web": "http"}
    assert config.failures == {"developer": "it is a part of the client, which alone can start it"}
    assert config["g"].env == {"TOKEN": "tok-9911", "LEVEL": "4"}


def test_continue_yaml(tmp_path: Path) -> None:
    text = """
name: mine
version: 1.0
mcpServers:
  - {name: on, command: gauge, env: {KEY: "${{ secrets.KEY }}", MODE: off}}
  - {name: unset, command: gauge, env: {KEY: "${{secrets.OTHER}}"}}
  - {name: web, type: streamable-http, url: "https://h/mcp"}
"""
    config = read(tmp_path, text, name="config.yaml", environ={"KEY": "tok-9911"})
    assert list(config) == ["on", "web"]
    assert config["on"].env == {"KEY": "tok-9911", "MODE": "off"}
    assert config.failures == {"unset": "the environment variable OTHER is not set"}


@pytest.mark.parametrize(
    ("entry", "only"),
    [
        ({"tools": ["*"]}, None),
        ({"tools": ["open"]}, ("open",)),
        ({"tools": [{"name": "open"}]}, None),
        ({"available_tools": []}, None),
        ({"enabled_tools": []}, ()),
    ],
)
def test_a_list_of_tools_to_let_through(entry: dict[str, Any], only: tuple[str, ...] | None, tmp_path: Path) -> None:
    assert read(tmp_path, [{"name": "g", **GAUGE, **entry}])["g"].only_tools == only


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"command": "npx -y gauge --key tok-9911"}, "its command holds arguments"),
        ({"command": "KEY=tok-9911 gauge"}, "its command holds arguments"),
        ({"type": "https://u:tok-9911@h/mcp"}, "its type is no word"),
        ({"type": "websocket", "url": "wss://h/tok-9911"}, "its type is 'websocket'"),
    ],
)
def test_no_secret_in_a_wrong_place_is_shown(entry: dict[str, Any], says: str, tmp_path: Path) -> None:
    config = read(tmp_path, {"mcpServers": {"bad": entry, "g": GAUGE, "spaced": {"command": "C:/My Files/g.exe"}}})
    assert list(config) == ["g", "spaced"]
    assert says in config.failures["bad"]
    assert "tok-9911" not in config.failures["bad"]


def test_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(json.dumps({"mcpServers": {"g": GAUGE}}).encode("utf-16"))
    assert list(read_mcp_config(path)) == ["g"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"packages": [{"env": "tok-9911"}], "name": "x"}, "an object with the keys packages, name"),
        ({"tools": [{"name": "a"}]}, "pass it as --pool"),
        (["tok-9911"], "a list of 1"),
    ],
)
def test_a_file_of_another_kind_is_described(content: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="lists no MCP servers") as caught:
        read(tmp_path, content)
    assert says in str(caught.value)
    assert "tok-9911" not in str(caught.value)


def test_projects_keep_servers_of_one_name_apart(tmp_path: Path) -> None:
    other = {"command": "other", "env": {"AT": "${workspaceFolder}"}}
    content = {
        "mcpServers": {"g": GAUGE},
        "projects": {
            "/a": {"mcpServers": {"g": GAUGE, "off": GAUGE}, "disabledMcpServers": ["off"]},
            "/b": {"mcpServers": {"g": other}},
            "/c": None,
        },
    }
    config = read(tmp_path, content, name=".claude.json")
    assert {name: spec.command for name, spec in config.items()} == {"g": "gauge", "g-2": "other"}
    assert config["g-2"].env == {"AT": "/b"}
    assert config.disabled == ("off",)


def test_switched_off_servers_are_named(tmp_path: Path) -> None:
    servers = {"a": GAUGE, "b": {**GAUGE, "disabled": True}, "c": {**GAUGE, "enabled": False}, "d": GAUGE}
    config = read(tmp_path, {"mcp": {"excluded": ["d"]}, "mcpServers": servers})
    assert list(config) == ["a"]
    assert config.disabled == ("b", "c", "d")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.toml", "mcp_servers = [\nkey = 's3cret'"),
        ("config.yaml", "extensions: [\n  s3cret"),
        ("mcp.json", '{"mcpServers": {"g": {"env": {"TOKEN": "s3cret" "x"}}}}'),
        ("mcp.json", '{"mcpServers": {"g": {"env": {"TOKEN": "s3cret'),
        ("mcp.json", "// s3cret\n"),
        ("mcp.json", ""),
        ("mcp.json", "[" * 500 + "// s3cret"),
    ],
)
def test_a_broken_file_is_an_error_that_shows_nothing_of_it(name: str, content: str, tmp_path: Path) -> None:
    with pytest.raises(PoolError) as caught:
        read(tmp_path, content, name=name)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__, "a traceback would show the file"


# ------------------------------------------------------------------------------------------------------- placeholders


def test_values_of_env_and_args_become_text(tmp_path: Path) -> None:
    entry = {
        "command": "gauge",
        "args": ["--port", 8080, True],
        "env": {"PORT": 8080, "DEBUG": True, "QUIET": False, "RATE": 1.5, "BIG": 12345678901234567890, "GONE": None},
    }
    spec = read(tmp_path, {"mcpServers": {"g": entry}})["g"]
    assert spec.args == ("--port", "8080", "true")
    assert spec.env == {
        "PORT": "8080", "DEBUG": "true", "QUIET": "false", "RATE": "1.5", "BIG": "12345678901234567890",
    }  # fmt: skip


def test_the_workspace_is_the_folder_of_the_file_or_the_project_above_a_clients_folder(tmp_path: Path) -> None:
    entry = {
        "command": "${workspaceFolder}/bin/gauge",
        "args": ["${workspaceFolderBasename}", "${userHome}", "a${pathSeparator}b${/}c", "${workspaceFolder:app}"],
        "cwd": "${workspaceRoot}",
    }
    for name in ("app/mcp.json", "app/.vscode/mcp.json", "app/.cursor/mcp.json"):
        spec = read(tmp_path, {"servers": {"g": entry}}, name=name, environ={"HOME": "/home/me"})["g"]
        assert spec.command == str(tmp_path / "app" / "bin" / "gauge"), name
        assert spec.args == ("app", "/home/me", "a/b/c", str(tmp_path / "app"))
        assert spec.cwd == str(tmp_path / "app")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$TOKEN", "tok-9911"),
        ("Bearer $TOKEN", "Bearer tok-9911"),
        ("--token=$TOKEN", "--token=tok-9911"),
        ("${env:TOKEN}", "tok-9911"),
        ("{env:TOKEN}", "tok-9911"),
        ("${NONE:-${TOKEN}}!", "tok-9911!"),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b}", "a:-b"),
        ("pa$sword", "pa$sword"),
        ("$5 and $", "$5 and $"),
        ("{TOKEN}", "{TOKEN}"),
    ],
)
def test_placeholders_with_a_value_are_replaced_and_what_is_none_is_left(text: str, value: str, tmp_path: Path) -> None:
    entry = {"command": "g", "env": {"X": text}, "args": [text]}
    spec = read(tmp_path, {"mcpServers": {"g": entry}}, environ={"TOKEN": "tok-9911"})["g"]
    assert (spec.env["X"], spec.args[0]) == (value, value)


@pytest.mark.parametrize(
    "text",
    [
        "${NONE}", "${env:NONE}", "{env:NONE}", "$NONE", "Bearer $NONE", "${NONE:?must be set}", "${input:none}",
        "${command:ext.pick}", "${config:a.b}", "${user_config.key}", "${TOKEN", "${file}", "${}", "${NONE:-${OTHER}}",
        "${workspaceFolder:elsewhere}", "{file:no-such-file}", "a ${TOKEN} ${NONE} b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["env", "args", "headers", "url"])
def test_a_placeholder_without_a_value_fails_its_server_alone(text: str, field: str, tmp_path: Path) -> None:
    entry: dict[str, Any] = {
        "env": {"command": "g", "env": {"X": text}},
        "args": {"command": "g", "args": [text]},
        "headers": {"url": "https://h/", "headers": {"X": text}},
        "url": {"url": f"https://h/?key={text}"},
    }[field]
    config = read(tmp_path, {"mcpServers": {"bad": entry, "good": GAUGE}}, environ={"TOKEN": "tok-9911"})
    assert list(config) == ["good"], "a placeholder must never reach a server"
    assert list(config.failures) == ["bad"]
    assert "tok-9911" not in config.failures["bad"]


def test_gemini_cli_replaces_dollar_names_anywhere(tmp_path: Path) -> None:
    entry = {"httpUrl": "https://$HOST/mcp/v1", "headers": {"X": "a-$KEY-b", "Y": "cost $5, $lower"}}
    environ = {"HOST": "example.com", "KEY": "key-9911"}
    config = read(
        tmp_path, {"mcpServers": {"g": entry, "bad": {**entry, "httpUrl": "https://$NO_HOST/"}}}, environ=environ
    )
    assert config["g"].url == "https://example.com/mcp/v1"
    assert config["g"].headers == {"X": "a-key-9911-b", "Y": "cost $5, $lower"}
    assert config.failures == {"bad": "the environment variable NO_HOST is not set"}


def test_a_script_for_a_shell_keeps_the_shells_own_variables(tmp_path: Path) -> None:
    entry = {"command": "/bin/sh", "args": ["-c", "exec gauge --key=$KEY"]}
    assert read(tmp_path, {"mcpServers": {"g": entry}}, environ={})["g"].args == ("-c", "exec gauge --key=$KEY")


def test_a_file_of_variables_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# ours\nTOKEN='tok-9911'\nexport LEVEL=4\nBOTH=file\n")
    entry = {**GAUGE, "envFile": "${workspaceFolder}/.env", "env": {"BOTH": "entry"}}
    spec = read(tmp_path, {"servers": {"g": entry}})["g"]
    assert spec.env == {"TOKEN": "tok-9911", "LEVEL": "4", "BOTH": "entry"}


# ------------------------------------------------------------------------------------------------------------- inputs

INPUTS = [
    {"id": "the-token", "type": "promptString", "description": "A token", "password": True},
    {
        "id": "zone",
        "type": "pickString",
        "options": ["north", {"label": "South", "value": "south"}],
        "default": "north",
    },
]


def with_inputs(folder: Path, **options: Any) -> McpConfig:
    entry = {**GAUGE, "env": {"T": "${input:the-token}", "Z": "${input:zone}"}}
    return read(folder, {"inputs": INPUTS, "servers": {"a": entry, "b": entry, "c": GAUGE}}, **options)


def test_inputs_come_from_their_variables_or_defaults(tmp_path: Path) -> None:
    config = with_inputs(tmp_path, environ={"TDLAB_INPUT_THE_TOKEN": "tok-9911"})
    assert config["a"].env == config["b"].env == {"T": "tok-9911", "Z": "north"}


def test_an_input_is_asked_for_once(tmp_path: Path) -> None:
    asked: list[ConfigInput] = []

    def ask(wanted: ConfigInput) -> str | None:
        asked.append(wanted)
        return "tok-9911" if wanted.password else "south"

    config = with_inputs(tmp_path, environ={}, ask=ask)
    assert config["b"].env == {"T": "tok-9911", "Z": "south"}
    assert [(wanted.id, wanted.password, wanted.options) for wanted in asked] == [
        ("the-token", True, ()), ("zone", False, ("north", "south")),
    ]  # fmt: skip


def test_an_input_without_a_value_is_reported_for_its_servers(tmp_path: Path) -> None:
    config = with_inputs(tmp_path, environ={})
    assert list(config) == ["c"]
    words = "the input 'the-token' has no value; set the environment variable TDLAB_INPUT_THE_TOKEN"
    assert config.failures == {"a": words, "b": words}
    refused = with_inputs(tmp_path, environ={"TDLAB_INPUT_THE_TOKEN": "t", "TDLAB_INPUT_ZONE": "s3cret"})
    assert refused.failures["a"] == "the value of the input 'zone' is not one of its 2 options"


def test_the_repr_of_a_config_shows_names_only(tmp_path: Path) -> None:
    path = write(
        tmp_path, {"mcpServers": {"g": {"command": "x", "env": {"K": "s3cret"}}, "b": {"env": {"K": "s3cret"}}}}
    )
    assert repr(read_mcp_config(path)) == "McpConfig(['g'], failures=['b'], disabled=[])"
