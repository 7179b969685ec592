"""Test what each command prints and writes, with one small run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

import tdlab
from tdlab.jobs import issue_counts
from tdlab.records import BusinessCluster
from tdlab.tools import counted
from tests.jobs import in_process, small_pool_file

Tdlab = Callable[..., tuple[int, str, str]]
TARGET = 12
ESCAPE = "\x1b[31m"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    pool = small_pool_file(folder.parent)
    tdlab.run(tdlab.RunConfig(target=TARGET, pool=str(pool)), out=folder, progress=False).close()
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tdlab:
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: in_process(monkeypatch, capsys, *words)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_run_ends_with_what_was_made_and_where_it_is(command: Tdlab, made: Path) -> None:
    status, out, _ = command("run", "--out", made, "--pool", made.parent / "pool.jsonl", "-n", TARGET)
    assert status == 0
    shown = flat(out)
    assert f"trajectories {TARGET} verified" in shown
    for row in ("H_dom", "H_mode tools", "H_mode signature", "H_mode trigrams", "mean CAC"):
        assert row in shown, f"the table has no row {row}"
    for name in ("dataset.jsonl", "dataset.parquet", "metrics.json", "diversity.png"):
        assert str(made / name) in shown
        assert (made / name).stat().st_size


def test_every_option_of_run_reaches_the_config(command: Tdlab, tmp_path: Path) -> None:
    pool = small_pool_file(tmp_path)
    (tmp_path / "base.yaml").write_text("target: 99\nseed: 7\nevolution: {window: 17}\n", encoding="utf-8")
    status, _, err = command(
        "run", "-o", tmp_path / "run", "-c", tmp_path / "base.yaml", "-p", pool, "-n", 3, "--strategy", "random",
        "--set", "evolution.batch=2", "--set", "blueprints.max_distractors=1",
    )  # fmt: skip
    assert status == 0, err
    config = tdlab.RunConfig.from_yaml(tmp_path / "run" / "config.yaml")
    assert (config.target, config.seed, config.pool) == (3, 7, str(pool)), (
        "an option wins over the file, the rest stays"
    )
    assert (config.evolution.strategy, config.evolution.batch, config.evolution.window) == ("random", 2, 17)
    assert config.blueprints.max_distractors == 1


def test_a_run_short_of_its_target_exits_with_1(command: Tdlab, tmp_path: Path) -> None:
    pool = small_pool_file(tmp_path)
    status, out, _ = command(
        "run", "-o", tmp_path / "run", "-p", pool, "-n", 200, "--set", "verify.near_duplicate=0.1",
        "--set", "evolution.dry=2", "--set", "evolution.batch=4",
    )  # fmt: skip
    assert status == 1
    assert "near_duplicate" in out


@pytest.mark.parametrize("noun", ["cluster", "blueprint", "trajectory"])
def test_show_finds_a_record_by_the_beginning_of_its_id(command: Tdlab, made: Path, noun: str) -> None:
    with tdlab.open_run(made) as run:
        name = run.trajectories()[noun].iloc[0]
    whole = command("show", noun, name, "--run", made)
    assert whole[0] == 0
    assert name in whole[1]
    assert command("show", noun, name[:10], "--run", made)[1] == whole[1]
    status, _, err = command("show", noun, "zz", "--run", made)
    assert (status, "Traceback" in err) == (2, False)


def test_show_says_the_whole_of_a_cluster_a_blueprint_and_a_trajectory(command: Tdlab, made: Path) -> None:
    with tdlab.open_run(made) as run:
        row = run.trajectories().iloc[0]
        cluster = run.cluster(row["cluster"])
        blueprint = run.blueprint(row["blueprint"])
        trajectory = run.trajectory(row["trajectory"])
    shown = flat(command("show", "cluster", cluster.id, "-r", made)[1])
    assert all(key in shown for key in cluster.tools)
    assert all(edge.evidence[0].kind in shown for edge in cluster.dependencies)
    shown = flat(command("show", "blueprint", blueprint.id, "-r", made)[1])
    assert all(f"{step.id} turn {step.turn} {step.kind}" in shown for step in blueprint.steps)
    assert all(call.tool in shown for _, _, call in blueprint.calls())
    shown = flat(command("show", "trajectory", trajectory.id, "-r", made)[1])
    assert all(f"{call.name}(" in shown for call in trajectory.calls())
    assert shown.count("calls ") >= len(list(trajectory.calls()))


def test_show_says_why_a_generation_drew_and_kept_what_it_did(command: Tdlab, made: Path) -> None:
    status, out, err = command("show", "generation", 0, "-r", made)
    assert status == 0, err
    shown = flat(out)
    with tdlab.open_run(made) as run:
        record = run.generation(0).record
        assert f"{record.tried} tried, {record.accepted} accepted, {record.total} in the dataset" in shown
        assert f"mean CAC {run.config.evolution.complexity_threshold:.3f} 1.000" in shown, "threshold and strength"
        for name, weight in record.operators.items():
            assert f"{name} {weight:.2f}" in shown
        for candidate in run.store.candidates(generation=0):
            gain = candidate.lineage.gain
            if gain is not None:
                assert f"{candidate.position} {gain['domain']:+.2f}, {gain['mode']:+.2f}, {gain['cac']:+.2f}" in shown
            if candidate.trajectory is not None and candidate.accepted:
                assert f"accepted: {candidate.trajectory.id}" in shown
    for words, said in ((("99",), "no generation 99"), ((), "which generation?"), (("x",), "'x' is not a number")):
        status, _, err = command("show", "generation", *words, "-r", made)
        assert (status, said in err) == (2, True), err


def test_show_says_where_a_trajectory_comes_from(command: Tdlab, made: Path) -> None:
    with tdlab.open_run(made) as run:
        row = run.trajectories().iloc[-1]
        line = run.lineage(row["trajectory"])
    status, out, err = command("show", "lineage", row["trajectory"][:12], "-r", made)
    assert status == 0, err
    assert command("show", "lineage", row["blueprint"], "-r", made)[1] == out
    shown = flat(out)
    assert shown.count("gauges: H_dom / ceiling") == len(line)
    for candidate in line:
        assert f"generation {candidate.generation}, offspring {candidate.position}" in shown
        merits = [draft.merit for draft in candidate.lineage.drafts]
        if len(merits) > 1:
            assert ", ".join("-" if merit is None else f"{merit:.3f}" for merit in merits) in shown.replace("│ ", "")
    status, _, err = command("show", "lineage", "-r", made)
    assert (status, f"`tdlab show lineage latest --run {made}`" in flat(err)) == (2, True)


def test_show_takes_the_latest_record(command: Tdlab, made: Path) -> None:
    with tdlab.open_run(made) as run:
        row = run.trajectories().iloc[-1]
    for noun in ("cluster", "blueprint", "trajectory", "generation", "lineage"):
        name = row["trajectory" if noun == "lineage" else noun]
        assert command("show", noun, "latest", "-r", made) == command("show", noun, name, "-r", made)


def test_show_run_needs_no_name_and_takes_a_folder(command: Tdlab, made: Path) -> None:
    assert command("show", "run", made)[1] == command("show", "--run", made)[1]
    status, _, err = command("show", made)
    assert (status, f"`tdlab show run {made}`" in " ".join(err.split())) == (2, True), err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "clutser"), "did you mean 'cluster'?"),
        (("show", "trajectory"), "which trajectory?"),
        (("show", "linage"), "did you mean 'lineage'?"),
        (("ablate", "--arms", "evolvd,random"), "unknown evolvd"),
        (("export", "out.csv"), "a name that ends in .jsonl or .parquet"),
        (("run", "--set", "evolution.batch"), "key=value"),
        (("lab", "--folder", "nowhere"), "no such folder"),
    ],
)
def test_a_slip_is_explained(command: Tdlab, made: Path, words: tuple[str, ...], said: str) -> None:
    more = ("--run", made) if words[0] in ("show", "export") else ()
    status, _, err = command(*words, *more)
    assert status == 2
    assert said in flat(err)


def test_mine_writes_its_clusters(command: Tdlab, tmp_path: Path) -> None:
    pool = small_pool_file(tmp_path)
    status, out, _ = command("mine", "-p", pool, "-o", tmp_path / "clusters.jsonl", "--show", 2)
    assert status == 0
    lines = (tmp_path / "clusters.jsonl").read_text(encoding="utf-8").splitlines()
    clusters = [BusinessCluster.model_validate_json(line) for line in lines]
    assert {cluster.id for cluster in clusters} == {c.id for c in tdlab.mine(tdlab.ToolPool.load(pool)).clusters}
    assert len(re.findall(r"^[0-9a-f]{16} ", out, flags=re.MULTILINE)) == 2
    assert f"and {len(clusters) - 2} more" in out


def test_mine_says_what_was_skipped_fixed_and_noted_as_run_does(command: Tdlab, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "notes.txt").write_text("no tools")
    one, two = tmp_path / "one.json", folder / "two.json"
    schema = {"type": "object", "properties": {"orchard_id": {"type": "str"}}}
    one.write_text(json.dumps({"server": "a", "tools": [{"name": "get_orchard", "inputSchema": schema}, {"name": ""}]}))
    two.write_text(json.dumps({"server": "b", "tools": [{"name": "list_orchards", "inputSchema": {"type": "object"}}]}))
    status, out, _ = command("mine", "-p", one, "--pool", folder)
    assert status == 0
    shown = re.findall(r"^(skipped|fixed|note): (\w+) +(\d+)", out, flags=re.MULTILINE)
    assert {("skipped", "no_name", "1"), ("fixed", "input_schema_fixed", "1"), ("note", "skipped_file", "1")} < set(
        shown
    )
    pool = tdlab.ToolPool.load([one, folder])
    assert set(shown) == {
        ("skipped" if kind.severity == "error" else kind.severity, kind.code, str(kind.count))
        for kind in issue_counts(pool)
    }
    assert "2 services" in out


def test_a_cluster_of_a_mined_file_is_shown(command: Tdlab, tmp_path: Path) -> None:
    pool, file = small_pool_file(tmp_path), tmp_path / "clusters.jsonl"
    assert command("mine", "-p", pool, "-o", file)[0] == 0
    cluster = tdlab.mine(tdlab.ToolPool.load(pool)).clusters[0]
    status, out, _ = command("show", "cluster", cluster.id[:9], "--clusters", file, "-p", pool)
    assert status == 0
    tools = tdlab.ToolPool.load(pool).tools
    assert all(key in out and tools[key].description[:30] in flat(out) for key in cluster.tools)
    assert all(edge.evidence[0].detail[:20] in flat(out) for edge in cluster.dependencies[:1])
    for wanted, said in (("zz", "0 clusters begin with 'zz'"), ("", "which cluster")):
        status, _, err = command("show", "cluster", wanted, "--clusters", file)
        assert (status, said in flat(err)) == (2, True)
    status, _, err = command("show", "trajectory", "x", "--clusters", file)
    assert (status, "expected: a cluster" in err) == (2, True)
    file.write_text("{}\n", encoding="utf-8")
    status, _, err = command("show", "cluster", "x", "--clusters", file)
    assert (status, "clusters.jsonl:1: not a cluster" in flat(err)) == (2, True)


def test_profile_measures_a_run_and_a_file_alike(command: Tdlab, made: Path) -> None:
    status, out, err = command("profile", made, made / "dataset.jsonl", "--json")
    assert status == 0, err
    whole, file = json.loads(out).values()
    assert whole == file
    assert whole["trajectories"] == TARGET
    assert "H_dom" in command("profile", made)[1]


def test_quality_measures_a_run_and_a_file_alike_and_the_receipts_of_a_run_alone(command: Tdlab, made: Path) -> None:
    status, out, err = command("quality", made, made / "dataset.jsonl", "--json")
    assert status == 0, err
    whole, file = json.loads(out).values()
    assert whole["trajectories"] == file["trajectories"] == TARGET
    receipts = whole["measures"].pop("guessed_results"), file["measures"].pop("guessed_results")
    assert receipts[1]["value"] is None
    for name, measure in whole["measures"].items():  # examples may name arguments in another order
        assert measure | {"examples": []} == file["measures"][name] | {"examples": []}
    table = command("quality", made, made / "dataset.jsonl", "--examples")[1]
    assert "contradictory worlds" in table
    assert max(map(len, table.splitlines()[: 2 + len(file["measures"])])) <= 80
    assert all(example["trajectory"] in table for example in whole["measures"]["values_behind_label"]["examples"])


def test_profile_finds_the_numbers_that_the_run_tells(command: Tdlab, made: Path) -> None:
    """All of them agree, including the ceiling of H_dom: the taxonomy's 36 domains and "other", for any pool."""
    told = json.loads((made / "metrics.json").read_text(encoding="utf-8"))["diversity"]
    found = json.loads(command("profile", made, "--json")[1])[str(made)]
    assert told["domain"]["categories"] == found["domain"]["categories"] == 37
    for metric in ("domain", "tool_sequence", "signature", "trigrams"):
        for field in ("value", "n", "k", "ceiling", "normalised", "miller_madow", "chao_shen", "low", "high"):
            assert told[metric][field] == found[metric][field], (metric, field)


def test_names_of_files_may_hold_any_bytes_and_a_file_named_twice_counts_once(command: Tdlab, tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "half \ud800 name", "arguments": "{}"}}
    line = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "tool_calls": [call]}]}
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff.jsonl"))
    odd.write_text(json.dumps(line) + "\n", encoding="utf-8")
    status, out, err = command("profile", odd, odd, "--json", "--figure", tmp_path / "figure")
    assert status == 0, err
    assert [name.endswith("/odd\\xff.jsonl") for name in json.loads(out)] == [True]
    assert err.count("odd\\xff.jsonl: 1 trajectory, format openai") == 1
    assert err.count("given more than once, read once") == 1
    assert (tmp_path / "figure.png").stat().st_size
    status, out, err = command("map", odd, odd, "--figure", tmp_path / "map")
    assert status == 0, err
    assert (tmp_path / "map.png").stat().st_size


def test_the_table_tells_to_how_many_trajectories_it_rarefies(command: Tdlab, made: Path) -> None:
    assert f"rare: rarefied to {TARGET} trajectories\n" in command("profile", made)[1]
    assert "rare: rarefied to 5 trajectories\n" in command("profile", made, "--equal-n", 5)[1]


def test_one_is_no_plural(command: Tdlab, made: Path) -> None:
    assert " rejected, 1 generation " in command("show", "run", "-r", made)[1]
    assert (counted(1, "trajectory"), counted(2000, "trajectory"), counted(0, "generation")) == (
        "1 trajectory", "2,000 trajectories", "0 generations",
    )  # fmt: skip


@pytest.mark.slow
def test_map_takes_a_run_with_its_generations(command: Tdlab, made: Path, tmp_path: Path) -> None:
    status, out, err = command("map", made, made / "dataset.jsonl", "--figure", tmp_path / "map", "--similarity", 0.9)
    assert status == 0, err
    assert f"dataset.jsonl: {TARGET} trajectories, format openai" in err
    assert (tmp_path / "map.png").stat().st_size
    assert "Collapses: " in out


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_export_writes_what_the_run_directory_holds(command: Tdlab, made: Path, tmp_path: Path, suffix: str) -> None:
    status, out, _ = command("export", tmp_path / f"set{suffix}", "-r", made)
    assert (status, f"Wrote {TARGET} trajectories" in out) == (0, True)
    assert (tmp_path / f"set{suffix}").read_bytes() == (made / f"dataset{suffix}").read_bytes()
    if suffix == ".parquet":
        assert len(pd.read_parquet(tmp_path / "set.parquet")) == TARGET


def test_export_converts_runs_and_files(command: Tdlab, made: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.jsonl").write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n{"x": 1}\n')
    status, out, err = command(
        "export", made, made, tmp_path / "talk.jsonl", "-f", "sharegpt", "-o", tmp_path / "all.jsonl",
        "--notes", tmp_path / "notes.jsonl",
    )  # fmt: skip
    assert (status, f"Wrote {2 * TARGET + 1} trajectories" in out) == (0, True)
    assert "line 2" in err, "what cannot be read is reported"
    assert "receipts, 24 times in 24 trajectories" in flat(err), "what cannot be held is counted"
    notes = [json.loads(line) for line in (tmp_path / "notes.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sum(note["kind"] == "receipts" for note in notes) == 2 * TARGET
    identities = [json.loads(line)["id"] for line in (tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(set(identities)) == 2 * TARGET + 1, "ids that repeat get a number"
    status, out, _ = command("export", tmp_path / "all.jsonl", "-f", "openai", "-o", tmp_path / "back.parquet")
    assert (status, f"Wrote {2 * TARGET + 1} trajectories" in out) == (0, True)


@pytest.mark.parametrize(
    "words",
    [
        ("verify", "talk.jsonl", "--out", "talk.jsonl"),
        ("verify", ".", "--out", "verdicts.jsonl"),
        ("contamination", "talk.jsonl", "--against", "tasks.txt", "--out", "tasks.txt"),
        ("contamination", ".", "--against", "tasks.txt", "--matches", "matches.jsonl"),
    ],
)
def test_no_command_writes_over_what_it_reads(
    command: Tdlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    content = {"talk.jsonl": '{"messages": [{"role": "user", "content": "Hi"}]}', "tasks.txt": "Open the weir."}
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    status, _, err = command(*words)
    assert (status, "would be read and written" in err) == (2, True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == content


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("talk.jsonl", "-f", "openai"), "no --out was given"),
        (("talk.jsonl", "-o", "talk.jsonl"), "would be read and written"),
        ((".", "-o", "all.jsonl"), "another folder after --out"),
        (("talk.jsonl", "-f", "sharegtp", "-o", "x.jsonl"), "did you mean 'sharegpt'?"),
        (("talk.jsonl", "-f", "atif", "-o", "x.parquet"), "ends in .jsonl"),
        (("nothing.jsonl", "-o", "x.jsonl"), "no such file"),
        (("a", "b"), "which file shall be written?"),
    ],
)
def test_slips_of_export_cost_no_file(
    command: Tdlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    talk = '{"messages": [{"role": "user", "content": "Hi"}]}\n'
    (tmp_path / "talk.jsonl").write_text(talk)
    status, _, err = command("export", *words)
    assert status == 2
    assert said in flat(err)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"talk.jsonl": talk}


def test_text_of_a_pool_never_steers_the_terminal(command: Tdlab, tmp_path: Path) -> None:
    """Every command shows control characters and markup in names and descriptions as text."""
    schema = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
    tools = [
        {"name": f"get_order[bold]{n}", "description": f"{ESCAPE}Returns [red]order[/red] {n}.", "inputSchema": schema}
        for n in range(3)
    ]
    line = {"server": f"shop{ESCAPE}[link=x]", "description": "Orders.", "tools": tools}
    (tmp_path / "pool.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    pool = ("-p", tmp_path / "pool.jsonl")
    status, out, err = command("mine", *pool)
    assert (status, "\x1b" in out + err) == (0, False)
    status, out, err = command("run", *pool, "-n", 1, "-o", tmp_path / "run")
    assert (status, "\x1b" in out + err) == (0, False)
    with tdlab.open_run(tmp_path / "run") as run:
        row = run.trajectories().iloc[0]
    for noun in ("cluster", "blueprint", "trajectory", "generation", "lineage"):
        name = {"generation": "0", "lineage": row["trajectory"]}.get(noun) or row[noun]
        status, out, err = command("show", noun, name, "-r", tmp_path / "run")
        assert (status, "\x1b" in out + err) == (0, False), f"show {noun}"
        assert noun not in ("cluster", "blueprint") or "[bold]" in out, f"show {noun} swallows markup"


@pytest.mark.parametrize("group", [(), ("sandbox",)], ids=["tdlab", "sandbox"])
def test_the_list_of_commands_shows_every_description_whole(
    group: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, listed, _ = in_process(monkeypatch, capsys, *group, "--help")
    for name, description in re.findall(
        r"^  ([a-z-]+) {2,}(.+)$", listed.partition("Commands:")[2], flags=re.MULTILINE
    ):
        assert description.endswith("."), f"{name} is cut: {description}"
        assert not description.endswith(".."), f"{name} is cut: {description}"
        assert len(description) <= 50, f"{name}: {description}"
        assert f"  {description}\n" in in_process(monkeypatch, capsys, *group, name, "--help")[1]


def test_version(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_process(monkeypatch, capsys, "--version") == (0, f"tdlab {version('tdlab')}\n", "")


def test_a_run_says_what_was_set_aside_in_the_pool_and_lists_each(command: Tdlab, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
    tools = [{"name": f"get_order_{n}", "description": "Returns an order.", "inputSchema": schema} for n in range(3)]
    tools += [{"name": "", "inputSchema": schema}, {"name": "bad", "inputSchema": {"$ref": "#/nowhere"}}]
    line = {"server": "shop", "description": "Orders.", "tools": tools}
    (tmp_path / "pool.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    status, out, err = command("run", "-p", tmp_path / "pool.jsonl", "-n", 1, "-o", tmp_path / "run")
    assert status == 0, err
    issues = [json.loads(text) for text in (tmp_path / "run" / "issues.jsonl").read_text(encoding="utf-8").splitlines()]
    aside = [issue for issue in issues if issue["severity"] == "error"]
    assert [issue["tool"] for issue in aside] == ["[3]", "bad"]
    assert all(issue["found"] and issue["where"] for issue in aside)
    assert flat(out).count("skipped: ") == len({issue["code"] for issue in aside})
    assert "5 tools read" in flat(out)
