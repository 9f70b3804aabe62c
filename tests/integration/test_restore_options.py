"""What the flags of restore do on a real Milvus. One backup serves all tests: every import costs a tick of the server."""

from __future__ import annotations

import json
from typing import Callable, Iterator

import pytest
from configs import backup_config
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, connections, db, utility
from servers import MilvusServer, MinioServer
from tool import Tool

NAME = "options"
EXISTS = 11
USAGE = 2
KEYS = ("red", "blue")


def vector(number: int) -> list[float]:
    """The vector of row `number`."""
    return [float(number), 1.0, 0.0, 0.5]


@pytest.fixture(scope="module")
def alias(milvus_a: MilvusServer) -> Iterator[str]:
    """pymilvus connection of this module."""
    connections.connect("options", host=milvus_a.address, port=milvus_a.port)
    yield "options"
    connections.disconnect("options")


def make_keyed(alias: str) -> dict[int, str]:
    """`keyed`: partition key with two values, a property, loaded with an index, an alias; rows deleted before and after a flush."""
    fields = [
        FieldSchema("id", DataType.INT64, is_primary=True),
        FieldSchema("colour", DataType.VARCHAR, max_length=16, is_partition_key=True),
        FieldSchema("v", DataType.FLOAT_VECTOR, dim=4),
    ]
    schema = CollectionSchema(fields)
    keyed = Collection("keyed", schema, using=alias, num_partitions=8, properties={"collection.ttl.seconds": 86400})
    keyed.create_index("v", {"index_type": "FLAT", "metric_type": "IP", "params": {}}, index_name="v_idx")
    rows = {number: KEYS[number % len(KEYS)] for number in range(200)}
    for first in (0, 100):
        numbers = range(first, first + 100)
        keyed.insert([list(numbers), [rows[number] for number in numbers], [vector(number) for number in numbers]])
        keyed.delete(f"id in {[first + 1, first + 2]}")
        keyed.flush()
    keyed.delete("id in [50, 51, 150]")
    keyed.flush()
    keyed.load()
    utility.create_alias("keyed", "keyed_alias", using=alias)
    for number in (1, 2, 101, 102, 50, 51, 150):
        del rows[number]
    return rows


@pytest.fixture(scope="module")
def rows(alias: str, milvus_a: MilvusServer, minio_a: MinioServer, make_cli: Callable[[str], Tool]) -> dict[int, str]:
    """The rows of `keyed`, which a backup with the collection `shop.books` holds too."""
    kept = make_keyed(alias)
    if "shop" not in db.list_database(using=alias):
        db.create_database("shop", using=alias)
    db.using_database("shop", using=alias)
    fields = [FieldSchema("id", DataType.INT64, is_primary=True), FieldSchema("v", DataType.FLOAT_VECTOR, dim=4)]
    books = Collection("books", CollectionSchema(fields), using=alias, num_shards=2)
    books.insert([[1, 2, 3], [vector(number) for number in (1, 2, 3)]])
    books.flush()
    db.using_database("default", using=alias)
    tool = make_cli("options")
    tool.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    tool.succeed("create", "-c", "keyed,shop.books", "-n", NAME)
    return kept


def read(alias: str, name: str) -> dict[int, str]:
    """Primary and partition key of every row; the vector is compared on the way."""
    collection = Collection(name, using=alias)
    if not collection.has_index():
        collection.create_index("v", {"index_type": "FLAT", "metric_type": "IP", "params": {}})
    collection.load()
    found = collection.query("id >= 0", output_fields=["*"], limit=16384, consistency_level="Strong")
    for row in found:
        assert [float(each) for each in row["v"]] == vector(row["id"])
    assert len({row["id"] for row in found}) == len(found)
    return {row["id"]: row["colour"] for row in found}


def restore(tool: Tool, *flags: str) -> dict:
    """The report of a restore."""
    return json.loads(tool.succeed("--json", "restore", "-n", NAME, *flags).stdout)


def test_dry_run_prints_the_plan(at_a: Tool, alias: str, rows: dict[int, str]) -> None:
    finished = at_a.succeed("restore", "-n", NAME, "-s", "_dry", "--dry-run")
    assert "would restore default.keyed as default.keyed_dry (create it): " in finished.stdout
    assert "2 imports, in place" in finished.stdout
    assert "would restore shop.books as shop.books_dry" in finished.stdout
    assert not utility.has_collection("keyed_dry", using=alias)


def test_use_v2_restore_has_no_effect(at_a: Tool, rows: dict[int, str]) -> None:
    plain = at_a.succeed("--json", "restore", "-n", NAME, "-s", "_dry", "--dry-run")
    asked = at_a.succeed("--json", "restore", "-n", NAME, "-s", "_dry", "--dry-run", "--use_v2_restore")
    assert "--use_v2_restore has no effect" in asked.stderr and "--use_v2_restore" not in plain.stderr
    assert json.loads(asked.stdout)["collections"] == json.loads(plain.stdout)["collections"]


def test_partition_key_index_and_load_state_come_back(at_a: Tool, alias: str, rows: dict[int, str]) -> None:
    report = restore(at_a, "-c", "keyed", "-s", "_one", "--rebuild_index", "--load")
    assert report["imports"] == 2 and report["collections"][0]["loaded"], report
    assert any("keyed_alias" in warning for warning in report["warnings"]), report
    restored = Collection("keyed_one", using=alias)
    assert utility.load_state("keyed_one", using=alias).name == "Loaded"
    assert read(alias, "keyed_one") == rows
    assert len(restored.partitions) == 8
    assert [(index.index_name, index.params["metric_type"]) for index in restored.indexes] == [("v_idx", "IP")]
    assert restored.describe()["properties"] == {"collection.ttl.seconds": "86400"}
    for colour in KEYS:  # Milvus looks only into the partition that the key belongs to
        found = restored.query(f'colour == "{colour}"', output_fields=["id"], consistency_level="Strong")
        assert {row["id"] for row in found} == {number for number, each in rows.items() if each == colour}
    utility.drop_collection("keyed_one", using=alias)


def test_rename_moves_to_a_new_database_with_fewer_shards(at_a: Tool, alias: str, rows: dict[int, str]) -> None:
    flags = ("-r", "shop.*:store.*", "--max_shard_num", "1", "--rebuild_index")
    selected = restore(at_a, *flags, "-d", "shop", "--dry-run")
    assert [each["source"] for each in selected["collections"]] == ["shop.books"]
    # Of all that the backup holds, by the name it is going to have.
    report = restore(at_a, *flags, "--filter", "store.books")
    assert [each["target"] for each in report["collections"]] == ["store.books"]
    assert report["created_databases"] == ["store"]
    db.using_database("store", using=alias)
    try:
        assert Collection("books", using=alias).describe()["num_shards"] == 1
        utility.drop_collection("books", using=alias)
    finally:
        db.using_database("default", using=alias)
        db.drop_database("store", using=alias)


def test_meta_only_with_auto_index(at_a: Tool, alias: str, rows: dict[int, str]) -> None:
    skip = '{"collectionProperties":["collection.ttl.seconds"]}'
    selection = '{"default":["keyed"]}'
    flags = ("--meta_only", "--restore_index", "--use_auto_index", "--skip_params", skip, "-a", selection)
    report = restore(at_a, *flags, "-r", "keyed:keyed_meta")
    assert report["imports"] == 0
    restored = Collection("keyed_meta", using=alias)
    assert restored.num_entities == 0
    assert restored.describe()["properties"] == {}
    assert [index.params for index in restored.indexes] == [{"index_type": "AUTOINDEX", "metric_type": "IP"}]
    utility.drop_collection("keyed_meta", using=alias)


def test_existing_collection_is_replaced_when_whole(at_a: Tool, alias: str, rows: dict[int, str]) -> None:
    keyed = Collection("keyed", using=alias)
    keyed.insert([[900], ["red"], [vector(900)]])
    assert at_a.run("restore", "-n", NAME, "-c", "keyed").status == EXISTS
    report = restore(at_a, "-c", "keyed", "--drop_exist_collection", "--rebuild_index", "--load")
    assert report["collections"][0]["action"] == "replace" and report["warnings"] == [], report
    assert read(alias, "keyed") == rows
    assert utility.load_state("keyed", using=alias).name == "Loaded"
    assert Collection("keyed_alias", using=alias).aliases == ["keyed_alias"]
    assert not [name for name in utility.list_collections(using=alias) if "_mb" in name]


def test_rows_are_added_to_an_existing_collection(at_a: Tool, alias: str, rows: dict[int, str]) -> None:
    fields = [
        FieldSchema("id", DataType.INT64, is_primary=True),
        FieldSchema("colour", DataType.VARCHAR, max_length=32, is_partition_key=True),
        FieldSchema("v", DataType.FLOAT_VECTOR, dim=4),
    ]
    target = Collection("target", CollectionSchema(fields), using=alias, num_partitions=8)
    target.insert([[900], ["red"], [vector(900)]])
    flags = ("-c", "keyed", "-r", "keyed:target", "--skip_create_collection")
    assert restore(at_a, *flags)["collections"][0]["rows"] == len(rows)
    assert read(alias, "target") == rows | {900: "red"}
    utility.drop_collection("target", using=alias)
    finished = at_a.run("restore", "-n", NAME, "-c", "keyed", "-r", "keyed:absent", "--skip_create_collection")
    assert finished.status == 1 and "collection not exist" in finished.stderr, finished


def test_reuse_refuses_another_schema(at_a: Tool, alias: str, rows: dict[int, str]) -> None:
    fields = [FieldSchema("id", DataType.INT64, is_primary=True), FieldSchema("v", DataType.FLOAT_VECTOR, dim=8)]
    Collection("other", CollectionSchema(fields), using=alias)
    flags = ("-a", '{"shop":["books"]}', "-r", "shop.books:default.other", "--skip_create_collection")
    finished = at_a.run("restore", "-n", NAME, *flags)
    assert finished.status == 1 and "dim of field 'v' is 4 in the backup and 8" in finished.stderr, finished
    utility.drop_collection("other", using=alias)


def test_rbac_is_refused_before_anything_is_written(at_a: Tool, alias_a: str, rows: dict[int, str]) -> None:
    before = sorted(utility.list_collections(using=alias_a))
    finished = at_a.run("restore", "-n", NAME, "-s", "_rbac", "--rbac")
    assert finished.status == 1 and "has no users and roles" in finished.stderr, finished
    assert sorted(utility.list_collections(using=alias_a)) == before


def test_flags_that_exclude_each_other(at_a: Tool, rows: dict[int, str]) -> None:
    for flags in (
        ("-c", "keyed", "--filter", "default.*"),
        ("-s", "_x", "-r", "keyed:k"),
        ("--drop_exist_collection", "--skip_create_collection"),
        ("-a", "not json"),
    ):
        finished = at_a.run("restore", "-n", NAME, *flags)
        assert finished.status == USAGE, finished


def test_backup_of_another_config(
    cli: Tool, alias: str, rows: dict[int, str], milvus_a: MilvusServer, minio_a: MinioServer
) -> None:
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a, backup_root="elsewhere"))
    cli.write_config("old.yaml", backup_config(milvus_a, minio_a))
    assert cli.run("restore", "-n", NAME, "-s", "_from").status == 10
    report = json.loads(
        cli.succeed("--json", "restore", "-n", NAME, "-s", "_from", "--from-config", "old.yaml", "--dry-run").stdout
    )
    assert len(report["collections"]) == 2 and report["dry_run"], report
