"""S3Datasets: data sets in S3; what is uploaded lies under its sha256, so it lies once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from trainshed.aws.words import error_code, in_words
from trainshed.errors import UnknownDataset
from trainshed.manifest import entry_of
from trainshed.ports import DatasetStore

SCHEME = "s3://"
_ABSENT = ("404", "NoSuchKey", "NoSuchBucket")
_DENIED = ("403", "AccessDenied")


class S3Datasets(DatasetStore):
    def __init__(self, s3: Any, bucket: str) -> None:
        """`bucket` is the one for uploads; data sets are fetched from any."""
        self._s3 = s3
        self._bucket = bucket

    def place(self, path: Path) -> str:
        """Upload a file as `datasets/<sha256>/<name>`, a folder's files below one such prefix."""
        files = _files(path)
        if not files:
            raise UnknownDataset(f"{path} holds no files.")
        digest = hashlib.sha256()
        for name, file in sorted(files.items()):
            digest.update(f"{name}\0{entry_of(file).sha256}\n".encode())
        prefix = f"datasets/{digest.hexdigest()}"
        with in_words(f"The bucket {self._bucket}"):
            there = set(self._keys(self._bucket, f"{prefix}/"))
            for name, file in files.items():
                if f"{prefix}/{name}" not in there:
                    self._s3.upload_file(
                        str(file),
                        self._bucket,
                        f"{prefix}/{name}",
                        ExtraArgs={"ChecksumAlgorithm": "SHA256"},
                    )
        tail = "/" if path.is_dir() else f"/{path.name}"
        return f"{SCHEME}{self._bucket}/{prefix}{tail}"

    def fetch(self, dataset: str, folder: Path) -> Path:
        """An object, or with a slash at the end all that lies below."""
        bucket, _, key = dataset.removeprefix(SCHEME).partition("/")
        if not dataset.startswith(SCHEME) or not bucket or not key:
            raise UnknownDataset(f"{dataset} is not an S3 address such as s3://bucket/key.")
        name = key.rsplit("/", 1)[-1]
        if name in (".", ".."):
            raise UnknownDataset(f"{dataset} names no file.")
        with in_words(f"The data set {dataset}"):
            try:
                if not name:
                    self._fetch_all(dataset, bucket, key, folder)
                else:
                    self._s3.download_file(bucket, key, str(folder / name))
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    raise UnknownDataset(f"There is no data set {dataset}.") from None
                if error_code(error) in _DENIED:
                    raise UnknownDataset(
                        f"The data set {dataset} may not be read here: copy it into the data set"
                        " bucket, or name its path, which uploads it."
                    ) from None
                raise
        return folder / name

    def _fetch_all(self, dataset: str, bucket: str, prefix: str, folder: Path) -> None:
        root, found = folder.resolve(), False
        for key in self._keys(bucket, prefix):
            target = (root / key.removeprefix(prefix)).resolve()
            if key.endswith("/") or root not in target.parents:
                continue
            found = True
            target.parent.mkdir(parents=True, exist_ok=True)
            self._s3.download_file(bucket, key, str(target))
        if not found:
            raise UnknownDataset(f"There is no data set {dataset}.")

    def _keys(self, bucket: str, prefix: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for found in page.get("Contents", []):
                yield found["Key"]


def _files(path: Path) -> dict[str, Path]:
    if path.is_file():
        return {path.name: path}
    return {
        file.relative_to(path).as_posix(): file
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }
