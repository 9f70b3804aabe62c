"""Milvus 2.3.5 into another: the guide, collections of every kind, databases, interruptions, refusals; Milvus Lite.

Every row is compared.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import re
from typing import Any, Iterable, Iterator

import events
import pytest
from configs import backup_config
from gate import Gate
from pairwise import Combination
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, connections, db, utility
from rows import (
    DIM,
    PARTITIONS,
    Row,
    compare_partitions,
    connected,
    create_collection,
    dropped_after,
    make_row,
    read_by_partition,
    vectors_of,
)
from servers import MilvusLite, MilvusServer, MinioServer, NotInstalled
from test_matrix import ALL, AT_ONCE, FEW, LIMIT_S, TENANTS, Made, make
from tool import Finished, Tool, finish
from typed_rows import comparable, difference, make_readable, read

DATABASE = "matrix2x"
TEXT_KEYS = ["", '"', "\\", '\\"', "a\nb", "tab\t", "\x01", "\x7f", "it's", "é", "\u4e2d\u6587", "😀", "%_", "~~"]
# Milvus 2.3.5 counts a row with the key 2**63 - 1 and answers it to no query.
NUMBER_KEYS = [-(2**63), -(2**63) + 1, -(2**53) - 1, -1, 0, 1, 2**31, 2**53 + 1, 2**63 - 2]
# Requests to the target after which a run is killed; every other one still arrives.
KILLED_AFTER = [8, 14, 17, 20, 31]
MORE_KILLED_AFTER = range(5, 45, 2)
SMALL_ROWS = 600


def config(
    source: MilvusServer | MilvusLite,
    target: MilvusServer,
    *,
    collection: str = "",
    meta: str = "",
    database: str = "",
    rows: int = 500,
    target_port: int = 0,
    more: str = "",
) -> str:
    """The migration.yaml of the guide, with further lines for `meta` and `target.milvus2x`."""
    return f"""\
dumper:
  worker:
    workMode: milvus2x
    reader:
      bufferSize: {rows}

meta:
  mode: config
  version: 2.3.0
  collection: {collection}
{meta}
source:
  milvus2x:
    endpoint: {source.address}:{source.port}
    username: "{source.user}"
    password: "{source.password}"
    database: "{database}"

target:
  milvus2x:
    endpoint: {target.address}:{target_port or target.port}
    username: "{target.user}"
    password: "{target.password}"
    database: "{database}"
{more}
"""


def into(name: str, *lines: str) -> str:
    """A `meta.milvus` block."""
    return "  milvus:\n" + "".join(f"    {line}\n" for line in (f"collection: {name}", *lines))


def test_the_guide_step_by_step(
    migration: Tool,
    milvus_a: MilvusServer,
    milvus_b: MilvusServer,
    alias_a: str,
    alias_b: str,
    coll_rows: dict[str, dict[int, Row]],
) -> None:
    migration.write_config("migration.yaml", config(milvus_a, milvus_b, collection="coll"))
    with dropped_after(alias_b, "coll"):
        moved = migration.succeed("start", f"--config={migration.folder}/migration.yaml")
        for line in (
            r'\["\[Milvus23x\] Count\(\*\) ===>"\] .*\[Count=\d+\]',
            r'\["=================>JobProcess!"\] \[Percent=50\]',
            r'\["=================>JobProcess!"\] \[Percent=100\]',
            r'\["\[Starter\] migration Milvus2x to Milvus2x finish!!!"\] \[Cost=[\d.]+\]',
            r'\["\[Starter\] Migration Success!"\] \[Cost=[\d.]+\]',
            r"Migration Success! Job start\w{21} cost=\[[\d.]+\]",
        ):
            assert re.search(line, moved.stdout), f"{line} in {moved.stdout}"
        percents = [int(each) for each in re.findall(r"JobProcess!\"\] \[Percent=(\d+)\]", moved.stdout)]
        assert percents == sorted(percents) and percents.count(100) == 1
        assert not Collection("coll", using=alias_b).has_index()
        assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll")) is None
        assert Collection("coll", using=alias_b).schema == Collection("coll", using=alias_a).schema
        # A second time nothing is inserted twice.
        again = migration.succeed("start", "-c", "migration.yaml")
        assert "done before this run" in again.stdout and "left alone" in again.stderr
        assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll")) is None


def test_the_guides_further_options(
    migration: Tool, milvus_a: MilvusServer, milvus_b: MilvusServer, alias_b: str, coll_rows: dict[str, dict[int, Row]]
) -> None:
    meta = "  fields:\n    - name: pk\n    - name: vector\n    - name: title\n"
    meta += into("target_collection_name", "shardNum: 2", "closeDynamicField: true", "consistencyLevel: Customized")
    migration.write_config("migration.yaml", config(milvus_a, milvus_b, collection="coll", meta=meta))
    with dropped_after(alias_b, "target_collection_name"):
        result = migration.succeed("start", "--json", "--index")
        assert events.checked("migration_start", result.stdout)["collections"][0]["rows_compared"] > 30
        target = Collection("target_collection_name", using=alias_b)
        assert [each.name for each in target.schema.fields] == ["pk", "vector", "title"]
        assert not target.schema.enable_dynamic_field and target.num_shards == 2
        assert target.index().params["index_type"] == "IVF_FLAT"
        kept = ("pk", "vector", "title")
        expected = {
            partition: {key: {name: row[name] for name in kept} for key, row in rows.items()}
            for partition, rows in coll_rows.items()
        }
        assert compare_partitions(expected, read_by_partition(alias_b, "target_collection_name")) is None


@pytest.fixture(scope="module")
def databases(milvus_a: MilvusServer, milvus_b: MilvusServer) -> Iterator[tuple[str, str]]:
    """pymilvus connections to a database of this module's own in both servers; the program makes the second."""
    aliases = []
    for number, server in enumerate((milvus_a, milvus_b)):
        connections.connect(f"plain{number}", host=server.address, port=server.port)
        if number == 0:
            db.create_database(DATABASE, using="plain0")
        aliases.append(f"matrix2x{number}")
    connections.connect(aliases[0], host=milvus_a.address, port=milvus_a.port, db_name=DATABASE)
    yield aliases[0], aliases[1]
    for number in range(2):
        for name in utility.list_collections(using=aliases[number]):
            utility.drop_collection(name, using=aliases[number])
        connections.disconnect(aliases[number])
        db.drop_database(DATABASE, using=f"plain{number}")
        connections.disconnect(f"plain{number}")


def without_keys(rows: list[dict[str, Any]], kind: Combination) -> list[dict[str, Any]]:
    """Rows; those whose keys the target has made, with all the rest of them as the key."""
    if not kind["auto_id"]:
        return rows
    return [{**row, "pk": json.dumps({**row, "pk": 0}, sort_keys=True, default=repr)} for row in rows]


def check(made: Made, alias: str) -> None:
    """Compare schema, partitions, and every column of every row in the target."""
    moved = Collection(made.name, using=alias)
    assert moved.schema == made.collection.schema
    assert moved.num_shards == made.collection.num_shards
    assert {each.name for each in moved.partitions} == {each.name for each in made.collection.partitions}
    make_readable(moved)
    rows_in = {name or None: rows for name, rows in made.alive.items()}

    def compare(expected: list[dict[str, Any]], **query: Any) -> None:
        here = list(comparable(expected, moved.schema).values())
        there = list(comparable(read(moved, **query), moved.schema).values())
        assert len(there) == len(expected)
        by_key = [{row["pk"]: row for row in without_keys(rows, made.kind)} for rows in (here, there)]
        assert difference(*by_key) is None

    for partition, rows in rows_in.items():
        compare(rows, partition=partition)
    if made.kind["partition_key"] == "tenant_number":
        for tenant in range(TENANTS):
            expected = [row for row in made.rows if row["tenant_number"] == tenant]
            compare(expected, expression=f"tenant_number == {tenant}")
    moved.release()


def start_all(tool: Tool, alias: str) -> Finished:
    """Migrate every collection, doing what the program advises when Milvus 2.3.5 has lost rows from sight."""
    for _ in range(3):
        result = tool.run("start", "--all", "--load-source", "--json", timeout_s=LIMIT_S)
        lost = re.search(r"collection '\w+\.(\w+)': the source counts .* had lost rows from sight", result.stdout)
        if result.status == 0 or not lost:
            break
        print(result.stdout)
        collection = Collection(lost[1], using=alias)
        collection.release()
        collection.load()
    assert result.status == 0, result
    return result


def migrate_kinds(
    tool: Tool, servers: tuple[MilvusServer, MilvusServer], aliases: tuple[str, str], kinds: list[Combination]
) -> None:
    """Make a collection of each kind in the source, migrate all of them in one run, and compare."""
    source, target = aliases
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda item: make(source, f"kind_{item[0]}", item[1]), enumerate(kinds)))
            list(pool.map(lambda each: make_readable(each.collection), made))
            # The first is loaded by the program.
            made[0].collection.release()
            tool.write_config("migration.yaml", config(*servers, database=DATABASE, rows=25))
            refused = tool.run("start", "--all")
            assert refused.status == 1 and f"collection not loaded: {DATABASE}.kind_0" in refused.stderr, refused
            result = start_all(tool, source)
            assert len(events.checked("migration_start", result.stdout)["collections"]) == len(kinds)
            connections.connect(target, host=servers[1].address, port=servers[1].port, db_name=DATABASE)
            checks = [(str(each.kind), pool.submit(check, each, target)) for each in made]
            outcomes = {kind: str(done.exception()) for kind, done in checks if done.exception()}
        assert outcomes == {}
        assert utility.load_state("kind_0", using=source).name == "NotLoad"
    finally:
        for alias in (each for each in aliases if connections.has_connection(each)):
            for name in utility.list_collections(using=alias):
                utility.drop_collection(name, using=alias)


def test_every_pair_of_settings(
    migration: Tool, milvus_a: MilvusServer, milvus_b: MilvusServer, databases: tuple[str, str]
) -> None:
    migrate_kinds(migration, (milvus_a, milvus_b), databases, FEW)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(0, len(ALL), AT_ONCE))
def test_every_combination(
    migration: Tool, milvus_a: MilvusServer, milvus_b: MilvusServer, databases: tuple[str, str], first: int
) -> None:
    migrate_kinds(migration, (milvus_a, milvus_b), databases, ALL[first : first + AT_ONCE])


@pytest.mark.parametrize("kind", [DataType.VARCHAR, DataType.INT64], ids=["text", "number"])
def test_every_key_is_a_bound(
    migration: Tool, milvus_a: MilvusServer, milvus_b: MilvusServer, alias_a: str, alias_b: str, kind: DataType
) -> None:
    """With two rows in a range, every second key is part of a condition."""
    keys = TEXT_KEYS if kind == DataType.VARCHAR else NUMBER_KEYS
    fields = [
        FieldSchema("pk", kind, is_primary=True, **({"max_length": 64} if kind == DataType.VARCHAR else {})),
        FieldSchema("number", DataType.INT64),
        FieldSchema("vector", DataType.FLOAT_VECTOR, dim=4),
    ]
    name = f"keys_{kind.name.lower()}"
    with dropped_after(alias_a, name), dropped_after(alias_b, name):
        source = Collection(name, CollectionSchema(fields), using=alias_a, num_shards=2)
        rows = [{"pk": key, "number": number, "vector": [number / 7] * 4} for number, key in enumerate(keys)]
        source.insert(rows)
        make_readable(source)
        migration.write_config("migration.yaml", config(milvus_a, milvus_b, collection=name, rows=2))
        result = migration.succeed("start", "--index", "--json")
        assert events.checked("migration_start", result.stdout)["collections"][0]["rows"] == len(keys)
        target = Collection(name, using=alias_b)
        target.load()
        found = read(target, expression="number >= 0")
        assert len(found) == len(keys)
        assert difference(comparable(rows, target.schema), comparable(found, target.schema)) is None


@contextlib.contextmanager
def in_database(server: MilvusServer, name: str, *, made: bool) -> Iterator[str]:
    """pymilvus connection to a database, which is created unless it is `made`, and dropped with all it holds."""
    with connected(server) as plain:
        alias = f"{plain}-{name}"
        if not made:
            db.create_database(name, using=plain)
        connections.connect(alias, host=server.address, port=server.port, db_name=name)
        try:
            yield alias
        finally:
            for collection in utility.list_collections(using=alias):
                utility.drop_collection(collection, using=alias)
            connections.disconnect(alias)
            db.drop_database(name, using=plain)


def test_databases_go_over_whole(migration: Tool, milvus_a: MilvusServer, milvus_b: MilvusServer) -> None:
    names = ("sales2x", "hr2x")
    with contextlib.ExitStack() as stack:
        sources = {name: stack.enter_context(in_database(milvus_a, name, made=False)) for name in names}
        # Two of one name, with other rows.
        put(sources["sales2x"], "staff")
        put(sources["hr2x"], "staff").delete(f"pk in {list(range(100))}")
        put(sources["hr2x"], "other")
        meta = f"  databases: [{', '.join(names)}]\n"
        migration.write_config("migration.yaml", config(milvus_a, milvus_b, meta=meta))
        result = migration.succeed("start", "--json")
        targets = {name: stack.enter_context(in_database(milvus_b, name, made=True)) for name in names}
        done = events.checked("migration_start", result.stdout)["collections"]
        assert {(each["target_database"], each["target"], each["rows"]) for each in done} == {
            ("sales2x", "staff", SMALL_ROWS),
            ("hr2x", "staff", SMALL_ROWS - 100),
            ("hr2x", "other", SMALL_ROWS),
        }
        for each in done:
            expected = read_by_partition(sources[each["source_database"]], each["source"])
            found = read_by_partition(targets[each["target_database"]], each["target"])
            assert sum(len(rows) for rows in found.values()) == each["rows"]
            assert compare_partitions(expected, found) is None
        # The flag takes the place of what the file says.
        again = migration.succeed("start", "--databases", "sales2x")
        assert "sales2x.staff: done before this run" in again.stdout and "hr2x" not in again.stdout
        refused = migration.run("start", "--databases", "sales2x,nowhere2x")
        assert refused.status == 1 and "the source has no database nowhere2x" in refused.stderr, refused
        refused = migration.run("start", "--databases", "sales2x", "--all")
        assert refused.status == 2 and "exclude each other" in refused.stderr, refused
        migration.write_config("migration.yaml", config(milvus_a, milvus_b, meta=meta, database="sales2x"))
        refused = migration.run("start")
        assert refused.status == 4 and "source.milvus2x.database is set" in refused.stderr, refused


def test_databases_through_the_storages(
    migration: Tool, milvus_a: MilvusServer, minio_a: MinioServer, milvus_b: MilvusServer, minio_b: MinioServer
) -> None:
    names = ("stored2x_one", "stored2x_two")
    migration.write_config("a.yaml", backup_config(milvus_a, minio_a))
    migration.write_config("b.yaml", backup_config(milvus_b, minio_b))
    sites = ("--source-config", "a.yaml", "--target-config", "b.yaml")
    with contextlib.ExitStack() as stack:
        sources = {name: stack.enter_context(in_database(milvus_a, name, made=False)) for name in names}
        put(sources[names[0]], "staff")
        put(sources[names[1]], "staff").delete(f"pk in {list(range(100))}")
        migration.write_config("migration.yaml", config(milvus_a, milvus_b))
        moved = migration.succeed("start", "--json", "--databases", ",".join(names), "--via-storage", *sites)
        targets = {name: stack.enter_context(in_database(milvus_b, name, made=True)) for name in names}
        done = events.checked("migration_start_via_storage", moved.stdout)["collections"]
        assert {each["target"] for each in done} == {f"{name}.staff" for name in names}
        for name in names:
            expected, found = (read_by_partition(alias, "staff") for alias in (sources[name], targets[name]))
            assert compare_partitions(expected, found) is None


def test_user_and_password(migration: Tool, milvus_b: MilvusServer, alias_b: str) -> None:
    with MilvusServer(auth=True) as guarded, connected(guarded) as alias, dropped_after(alias_b, "guarded"):
        put(alias, "guarded")
        text = config(guarded, milvus_b, collection="guarded")
        migration.write_config("migration.yaml", text.replace(f'"{guarded.password}"', '"wrong"'))
        refused = migration.run("start")
        assert refused.status == 12 and "source.milvus2x" in refused.stderr, refused
        migration.write_config("migration.yaml", text)
        migration.succeed("start")
        rows = read_by_partition(alias_b, "guarded")
        assert compare_partitions(read_by_partition(alias, "guarded"), rows) is None
        # And back, into one that asks for them.
        migration.write_config("migration.yaml", config(milvus_b, guarded, collection="guarded", meta=into("back")))
        migration.succeed("start")
        assert compare_partitions(rows, read_by_partition(alias, "back")) is None


def test_milvus_lite_is_a_source(migration: Tool, milvus_b: MilvusServer, alias_b: str) -> None:
    """It tells no time, no ids of partitions and no version, sends keys along, and has no index here."""
    try:
        server = MilvusLite()
    except NotInstalled as error:
        pytest.skip(str(error))
    vectors = vectors_of(SMALL_ROWS)
    with server, connected(server) as alias, dropped_after(alias_b, "lite_numbers", "lite_texts"):
        expected: dict[str, dict[str, list[Row]]] = {}
        for name, kind in (("lite_numbers", DataType.INT64), ("lite_texts", DataType.VARCHAR)):
            text = {"max_length": 512}
            fields = [
                FieldSchema("pk", kind, is_primary=True, **(text if kind == DataType.VARCHAR else {})),
                FieldSchema("title", DataType.VARCHAR, **text),
                FieldSchema("info", DataType.JSON),
                FieldSchema("numbers", DataType.ARRAY, element_type=DataType.INT64, max_capacity=8),
                FieldSchema("vector", DataType.FLOAT_VECTOR, dim=DIM),
            ]
            source = Collection(name, CollectionSchema(fields, enable_dynamic_field=True), using=alias)
            expected[name] = {}
            for offset, partition in enumerate(PARTITIONS):
                source.create_partition(partition)
                rows = []
                for number in range(offset, SMALL_ROWS, 2):
                    key = number if kind == DataType.INT64 else f'key "{number}" \\ é'
                    numbers = list(range(number % 9))
                    vector = [float(value) for value in vectors[number]]
                    rows.append({**make_row(number, vectors[number]), "pk": key, "numbers": numbers, "vector": vector})
                source.insert(rows, partition_name=partition)
                expected[name][partition] = rows
        names = f"[{', '.join(expected)}]"
        migration.write_config("migration.yaml", config(server, milvus_b, collection=names, rows=50))
        result = migration.succeed("start", "--json")
        done = events.checked("migration_start", result.stdout)["collections"]
        assert {each["rows"] for each in done} == {SMALL_ROWS}
        for name, partitions in expected.items():
            target = Collection(name, using=alias_b)
            make_readable(target)
            assert read(target, partition="_default") == []
            for partition, rows in partitions.items():
                found = read(target, partition=partition)
                assert len(found) == len(rows)
                assert difference(comparable(rows, target.schema), comparable(found, target.schema)) is None


def put(alias: str, name: str) -> Collection:
    """A loaded collection that is not flushed: a server takes one flush in 10 s."""
    collection = create_collection(alias, name)
    vectors = vectors_of(SMALL_ROWS)
    for offset, partition in enumerate(PARTITIONS):
        rows = [make_row(number, vectors[number]) for number in range(offset, SMALL_ROWS, 2)]
        collection.insert(rows, partition_name=partition)
    collection.load()
    return collection


def kill_and_repeat(
    tool: Tool, source: MilvusServer, target: MilvusServer, aliases: tuple[str, str], points: Iterable[int]
) -> None:
    """Kill a run at each of these requests to the target, run them again together, and compare every row."""
    names = [f"killed_{number}" for number in points]
    port, killed = 0, 0
    with dropped_after(aliases[0], *names), dropped_after(aliases[1], *names):
        for name, number in zip(names, points):
            put(aliases[0], name)
            with Gate(target.port, None, number, passes=killed % 2 == 0, listen=port) as gate:
                port = gate.port
                tool.write_config("migration.yaml", config(source, target, collection=name, rows=40, target_port=port))
                with tool.started("start") as process:
                    killed += gate.reached_within(30)
                    process.kill()
                    process.communicate()
        assert killed == len(names)
        with Gate(target.port, None, 10**6, listen=port):
            together = f"[{', '.join(names)}]"
            text = config(source, target, collection=together, rows=40, target_port=port)
            tool.write_config("migration.yaml", text)
            result = json.loads(tool.succeed("start", "--json").stdout)
        assert {each["rows"] for each in result["collections"]} == {SMALL_ROWS}
        assert any(each["rows_repeated"] for each in result["collections"])
        for name in names:
            expected = read_by_partition(aliases[0], name)
            assert sum(len(rows) for rows in expected.values()) == SMALL_ROWS
            assert compare_partitions(expected, read_by_partition(aliases[1], name)) is None
            count = Collection(name, using=aliases[1]).query(
                "", output_fields=["count(*)"], consistency_level="Strong"
            )
            assert count[0]["count(*)"] == SMALL_ROWS


def test_killed_runs_go_on(
    migration: Tool, milvus_a: MilvusServer, milvus_b: MilvusServer, alias_a: str, alias_b: str
) -> None:
    kill_and_repeat(migration, milvus_a, milvus_b, (alias_a, alias_b), KILLED_AFTER)


@pytest.mark.soak
def test_runs_killed_anywhere_go_on(
    migration: Tool, milvus_a: MilvusServer, milvus_b: MilvusServer, alias_a: str, alias_b: str
) -> None:
    kill_and_repeat(migration, milvus_a, milvus_b, (alias_a, alias_b), MORE_KILLED_AFTER)


@pytest.mark.soak
@pytest.mark.parametrize("restarted", ["source", "target"])
def test_a_server_may_restart_half_way(
    migration: Tool,
    milvus_a: MilvusServer,
    milvus_b: MilvusServer,
    alias_b: str,
    coll_rows: dict[str, dict[int, Row]],
    restarted: str,
) -> None:
    name = f"restarted_{restarted}"
    text = config(milvus_a, milvus_b, collection="coll", meta=into(name), rows=100)
    migration.write_config("migration.yaml", text)
    with dropped_after(alias_b, name), migration.started("start") as process:
        assert process.stdout
        for line in process.stdout:
            if "Percent=30" in line:
                break
        (milvus_a if restarted == "source" else milvus_b).restart()
        finished = finish(process, 300)
        assert finished.status == 0, finished
        assert compare_partitions(coll_rows, read_by_partition(alias_b, name)) is None


def test_through_the_storages(
    migration: Tool,
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    milvus_b: MilvusServer,
    minio_b: MinioServer,
    alias_a: str,
    alias_b: str,
) -> None:
    migration.write_config("a.yaml", backup_config(milvus_a, minio_a))
    migration.write_config("b.yaml", backup_config(milvus_b, minio_b))
    sites = ("--source-config", "a.yaml", "--target-config", "b.yaml")
    with dropped_after(alias_a, "stored"), dropped_after(alias_b, "arrived"):
        put(alias_a, "stored").release()
        migration.write_config("migration.yaml", config(milvus_a, milvus_b, collection="stored", meta=into("arrived")))
        moved = migration.succeed("start", "--via-storage", *sites, "--index")
        assert f"stored: {SMALL_ROWS} rows are in default.arrived" in moved.stdout
        assert "migration through the storages: --via-storage" in moved.stdout
        rows = read_by_partition(alias_a, "stored")
        assert compare_partitions(rows, read_by_partition(alias_b, "arrived")) is None
        assert not [key for key in minio_a.client.keys(minio_a.bucket) if "/migration_" in key]
        # A target that exists is refused, and what was backed up for that is not restored later.
        refused = migration.run("start", "--via-storage", *sites)
        assert refused.status not in (0, 3) and "arrived" in refused.stderr
        utility.drop_collection("arrived", using=alias_b)
        first = Collection("stored", using=alias_a)
        first.delete(f"pk in {list(next(iter(rows.values())))[:5]}")
        again = migration.succeed("start", "--json", "--via-storage", *sites, "--index")
        assert events.checked("migration_start_via_storage", again.stdout)["collections"][0]["rows"] == SMALL_ROWS - 5
        left = read_by_partition(alias_a, "stored")
        assert sum(len(each) for each in left.values()) == SMALL_ROWS - 5
        assert compare_partitions(left, read_by_partition(alias_b, "arrived")) is None
        migration.write_config(
            "migration.yaml", config(milvus_a, milvus_b, collection="stored", meta="  fields: [pk, vector]\n")
        )
        refused = migration.run("start", "--via-storage", *sites)
        assert refused.status == 2 and "meta.fields cannot be had with --via-storage" in refused.stderr


def test_duplicate_keys_are_reported(
    migration: Tool, milvus_a: MilvusServer, milvus_b: MilvusServer, alias_a: str, alias_b: str
) -> None:
    collection = put(alias_a, "twice")
    with dropped_after(alias_a, "twice"), dropped_after(alias_b, "twice"):
        rows = read_by_partition(alias_a, "twice")
        old = next(iter(rows["part_a"].values()))
        row = {**old, "title": "the newest", "vector": [0.5] * 32}
        collection.insert([row], partition_name="part_a")
        migration.write_config("migration.yaml", config(milvus_a, milvus_b, collection="twice"))
        moved = migration.succeed("start")
        there = read_by_partition(alias_b, "twice")
        assert "1 of" in moved.stderr and "have a primary key that another row has too" in moved.stderr
        assert {name: set(each) for name, each in there.items()} == {name: set(each) for name, each in rows.items()}
        # Which of the two Milvus 2.3.5 answers differs from run to run.
        assert there["part_a"][old["pk"]]["title"] in ("the newest", old["title"])


def test_mistakes_are_named(migration: Tool, milvus_a: MilvusServer, milvus_b: MilvusServer, alias_b: str) -> None:
    def refused(status: int, part: str, *flags: str, **changes: Any) -> None:
        migration.write_config("migration.yaml", config(milvus_a, milvus_b, **changes))
        finished = migration.run("start", *flags)
        assert finished.status == status and part in finished.stderr, finished

    refused(4, "meta.collection is not set")
    refused(1, "no_such", collection="no_such")
    refused(4, "not found milvus collection field : nothing", collection="coll", meta="  fields: [nothing]\n")
    refused(4, "writeMode", collection="coll", more="    writeMode: replace\n")
    refused(2, "--keep is not for workMode milvus2x", "--keep", collection="coll")
    refused(2, "exclude each other", "--all", "-t", "coll")
    assert not utility.has_collection("coll", using=alias_b)
