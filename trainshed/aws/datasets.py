"""S3Datasets: data sets in S3; what is uploaded lies under its sha256, so it lies once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from trainshed.aws.clients import error_code, in_words
from trainshed.errors import UnknownDataset
from trainshed.manifest import entry_of
from trainshed.ports import DatasetStore

SCHEME = "s3://"


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
            for name, file in files.items():
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
        with in_words(f"The data set {dataset}"):
            if key.endswith("/"):
                self._fetch_all(dataset, bucket, key, folder)
                return folder
            target = folder / key.rsplit("/", 1)[-1]
            try:
                self._s3.download_file(bucket, key, str(target))
            except ClientError as error:
                if error_code(error) in ("404", "NoSuchKey", "NoSuchBucket"):
                    raise UnknownDataset(f"There is no data set {dataset}.") from None
                raise
            return target

    def _fetch_all(self, dataset: str, bucket: str, prefix: str, folder: Path) -> None:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = False
        for page in pages:
            for entry in page.get("Contents", []):
                name = entry["Key"].removeprefix(prefix)
                target = folder / name
                if not name or name.endswith("/") or folder not in target.resolve().parents:
                    continue
                found = True
                target.parent.mkdir(parents=True, exist_ok=True)
                self._s3.download_file(bucket, entry["Key"], str(target))
        if not found:
            raise UnknownDataset(f"There is no data set {dataset}.")


def _files(path: Path) -> dict[str, Path]:
    if path.is_file():
        return {path.name: path}
    return {
        file.relative_to(path).as_posix(): file
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }
