"""Manifests from files, directories and standard input."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.cli.check_files import Document, Finding, read_all

TWO = "kind: A\n---\n# nothing\n---\nkind: B\n"


def read(*names: object, stdin: bytes = b"") -> list[Document | Finding]:
    return list(read_all([str(name) for name in names], lambda: stdin))


def test_every_document_of_a_file_has_its_number_and_an_empty_one_is_none(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(TWO)
    assert read(file) == [
        Document(f"{file}, document 1", {"kind": "A"}),
        Document(f"{file}, document 3", {"kind": "B"}),
    ]


def test_standard_input_is_read_where_a_dash_is_given() -> None:
    assert read("-", stdin=b"kind: A") == [Document("standard input, document 1", {"kind": "A"})]


def test_a_directory_is_read_with_all_below_it_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c.yml", "b/d.json", "a.yaml", "README.md", "b/Makefile"):
        (tmp_path / name).write_text(json.dumps({"kind": name}))
    kinds = [it.body["kind"] for it in read(tmp_path) if isinstance(it, Document)]
    assert kinds == ["a.yaml", "b/d.json", "c.yml"]


@pytest.mark.parametrize(
    ("kind", "items", "expected"),
    [
        ("List", [{"kind": "A"}, {"kind": "B"}], [{"kind": "A"}, {"kind": "B"}]),
        ("FooList", [{"a": 1}], [{"apiVersion": "v1", "kind": "Foo", "a": 1}]),
        ("List", [], []),
        ("List", [{"kind": "List", "items": [{"kind": "A"}]}], [{"kind": "A"}]),
        ("List", ["text"], ["text"]),
    ],
)
def test_a_list_is_what_is_in_it(kind: str, items: list[object], expected: list[object]) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": kind, "items": items})
    found = read("-", stdin=text.encode())
    assert [it.body for it in found if isinstance(it, Document)] == expected
    assert all(it.where.startswith("standard input, document 1, item 1") for it in found[:1])


def test_json_may_be_indented_by_tabs_which_yaml_may_not() -> None:
    text = json.dumps({"kind": "A", "spec": {"b": 1}}, indent="\t").encode()
    assert [it.body for it in read("-", stdin=text) if isinstance(it, Document)] == [
        {"kind": "A", "spec": {"b": 1}}
    ]


def test_a_time_stays_the_text_that_it_is() -> None:
    (document,) = read("-", stdin=b"at: 2026-08-20T10:04:00Z\nday: 2026-08-20")
    assert isinstance(document, Document)
    assert document.body == {"at": "2026-08-20T10:04:00Z", "day": "2026-08-20"}


def test_anchors_and_merged_keys_are_followed() -> None:
    (document,) = read("-", stdin=b"a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: *a}")
    assert isinstance(document, Document)
    assert document.body["b"] == {"x": 1, "y": 3}
    assert document.body["c"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"a: b: c", "line 1, column 5: mapping values are not allowed here"),
        (b"kind: A\nkind: B", "line 2, column 1: the key 'kind' is there twice"),
        (b"{a: [}", "line 1, column 6"),
        (b"a: !!int x", "invalid literal for int()"),
        (b"a: !!bool x", "x"),
        (b"a: !!timestamp x", "NoneType"),
        (b"\xff", "utf-8"),
        (b"a: \x01", "special characters are not allowed"),
        (b"[" * 5000, "nested too deeply"),
        (b"? [a]\n: b", "found unhashable key"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: bytes, says: str) -> None:
    (finding,) = read("-", stdin=text)
    assert isinstance(finding, Finding)
    assert finding.where == "standard input, document 1"
    assert finding.message.startswith("cannot be read: ")
    assert says in finding.message


def test_what_comes_before_a_mistake_is_read() -> None:
    good, bad = read("-", stdin=b"kind: A\n---\na: b: c")
    assert good == Document("standard input, document 1", {"kind": "A"})
    assert isinstance(bad, Finding)
    assert bad.where == "standard input, document 2"


def test_a_file_that_is_not_there_hides_no_other(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("kind: A")
    missing, there = read(tmp_path / "b.yaml", file)
    assert (
        str(missing)
        == f"{tmp_path}/b.yaml: No such file or directory: check the path and its permissions"
    )
    assert isinstance(there, Document)


def test_a_directory_without_manifests_is_told(tmp_path: Path) -> None:
    (finding,) = read(tmp_path)
    assert str(finding).endswith("there is no *.yaml, *.yml or *.json below this directory")


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_input_makes_it_fail(content: bytes) -> None:
    for found in read("-", stdin=content):
        assert found.where.startswith("standard input, document ")
