"""The contract of `DatasetStore`: what was placed is found again, as it was, by its address."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.building import request_of
from trainshed.engine import Engine
from trainshed.errors import UnknownDataset
from trainshed.ports import DatasetStore

from .benches import Bench

FILES = {
    "train.conll": b"EU B-ORG\n",
    "more/dev ä.conll": b"",
    "more/deeper/test.conll": b"x\x00\xff" * 1000,
}


@pytest.fixture
def store(engine: Engine) -> DatasetStore:
    return engine.datasets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a training fetches its data set to."""
    path = tmp_path / "fetched"
    path.mkdir()
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set of some files, at some depth."""
    root = tmp_path / "my data"
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_file_is_found_as_it_was_placed(store: DatasetStore, data: Path, folder: Path) -> None:
    source = data / "more/dev ä.conll"
    source.write_bytes(b"content")
    found = store.fetch(store.place(source), folder)
    assert (found.name, found.read_bytes()) == (source.name, b"content")


def test_a_folder_is_found_as_it_was_placed(store: DatasetStore, data: Path, folder: Path) -> None:
    found = store.fetch(store.place(data), folder)
    assert found.is_dir()
    assert contents(found) == FILES


def test_what_is_fetched_is_fetched_by_another_process(
    bench: Bench, data: Path, folder: Path
) -> None:
    with bench.open() as mine:
        address = mine.datasets.place(data)
    with bench.open() as others:
        assert contents(others.datasets.fetch(address, folder)) == FILES


def test_an_address_is_one_that_a_request_may_name(store: DatasetStore, data: Path) -> None:
    for path in (data, data / "train.conll"):
        address = store.place(path)
        assert request_of(dataset=address).dataset == address


def test_placing_twice_gives_one_address(store: DatasetStore, data: Path, folder: Path) -> None:
    address = store.place(data)
    assert store.place(data) == address
    assert contents(store.fetch(address, folder)) == FILES


def test_two_data_sets_have_two_addresses(store: DatasetStore, data: Path) -> None:
    addresses = {store.place(data), store.place(data / "more"), store.place(data / "train.conll")}
    assert len(addresses) == 3


def test_fetching_leaves_the_data_set_where_it_is(
    store: DatasetStore, data: Path, folder: Path
) -> None:
    address = store.place(data)
    store.fetch(address, folder)
    assert contents(data) == FILES
    assert contents(store.fetch(address, folder)) == FILES


@pytest.mark.parametrize("tail", ["nothing", "nothing/", "../x"])
def test_a_data_set_that_is_not_there(
    store: DatasetStore, data: Path, folder: Path, tail: str
) -> None:
    address = store.place(data)
    with pytest.raises(UnknownDataset, match="There is no data set"):
        store.fetch(f"{address.rstrip('/')}/{tail}", folder)


@pytest.mark.parametrize(
    "address", ["", "relative", "https://host/x", "s3:/b/k", "s3://", "s3://b"]
)
def test_an_address_that_is_none(store: DatasetStore, folder: Path, address: str) -> None:
    with pytest.raises(UnknownDataset):
        store.fetch(address, folder)
