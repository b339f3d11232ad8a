"""S3Artifacts: the artifact store, an S3 bucket. S3 checks each upload's sha256 as it arrives."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from trainshed.aws.words import error_code, in_words
from trainshed.errors import ArtifactExists
from trainshed.manifest import check_key
from trainshed.ports import ArtifactStore, FileEntry, StoredFile, Upload
from trainshed.record import is_checkpoint

PART_BYTES = 64 << 20
"""Larger files are uploaded in parts of this size."""

CHECKPOINT_TAG = "trainshed=checkpoint"
"""Terraform's lifecycle rule lets what has it expire, should it be left behind."""

_CHUNK_BYTES = 1 << 20
_ABSENT = ("404", "NoSuchKey")


class S3Artifacts(ArtifactStore):
    def __init__(self, s3: Any, bucket: str, part_bytes: int = PART_BYTES) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._part_bytes = part_bytes

    def put(self, key: str, path: Path) -> None:
        check_key(key)
        try:
            with in_words(f"The bucket {self._bucket}"):
                if path.stat().st_size <= self._part_bytes:
                    self._put_whole(key, path)
                else:
                    self._put_in_parts(key, path)
        except _Taken:
            raise ArtifactExists(f"{key} has been written already.") from None

    def get(self, key: str, path: Path) -> None:
        with in_words(f"The bucket {self._bucket}"):
            try:
                self._s3.download_file(self._bucket, check_key(key), str(path))
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    raise FileNotFoundError(key) from None
                raise

    def read(self, key: str) -> bytes:
        with in_words(f"The bucket {self._bucket}"):
            try:
                found = self._s3.get_object(Bucket=self._bucket, Key=check_key(key))
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    raise FileNotFoundError(key) from None
                raise
            return bytes(found["Body"].read())

    def entry(self, key: str) -> FileEntry | None:
        with in_words(f"The bucket {self._bucket}"):
            try:
                head = self._s3.head_object(
                    Bucket=self._bucket, Key=check_key(key), ChecksumMode="ENABLED"
                )
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    return None
                raise
            checksum = str(head.get("ChecksumSHA256", ""))
            # That of an upload in parts, whose ETag has a hyphen, is a checksum of checksums.
            if checksum and "-" not in head["ETag"]:
                digest = base64.b64decode(checksum).hex()
            else:
                digest = self._read_digest(key)
        return FileEntry(size=head["ContentLength"], sha256=digest)

    def keys(self, prefix: str) -> list[str]:
        return [file.key for file in self.files(prefix)]

    def files(self, prefix: str) -> list[StoredFile]:
        with in_words(f"The bucket {self._bucket}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{check_key(prefix)}/"
            )
            found = [
                StoredFile(item["Key"], item["LastModified"])
                for page in pages
                for item in page.get("Contents", [])
            ]
        return sorted(found, key=lambda file: file.key)

    def uploads(self) -> list[Upload]:
        with in_words(f"The bucket {self._bucket}"):
            pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket)
            found = [
                Upload(item["Key"], item["UploadId"], item["Initiated"])
                for page in pages
                for item in page.get("Uploads", [])
            ]
        return sorted(found, key=lambda upload: upload.key)

    def abort(self, upload: Upload) -> None:
        with in_words(f"The bucket {self._bucket}"):
            try:
                self._s3.abort_multipart_upload(
                    Bucket=self._bucket, Key=upload.key, UploadId=upload.upload_id
                )
            except ClientError as error:
                if error_code(error) != "NoSuchUpload":
                    raise

    def delete(self, key: str) -> None:
        with in_words(f"The bucket {self._bucket}"):
            self._s3.delete_object(Bucket=self._bucket, Key=check_key(key))

    def _put_whole(self, key: str, path: Path) -> None:
        with path.open("rb") as file, _taken():
            self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=file,
                ChecksumAlgorithm="SHA256",
                IfNoneMatch="*",
                **_tagging(key),
            )

    def _put_in_parts(self, key: str, path: Path) -> None:
        where = {"Bucket": self._bucket, "Key": key}
        upload = self._s3.create_multipart_upload(
            **where, ChecksumAlgorithm="SHA256", **_tagging(key)
        )["UploadId"]
        try:
            parts: list[dict[str, Any]] = []
            with path.open("rb") as file:
                while content := file.read(self._part_bytes):
                    number = len(parts) + 1
                    part = self._s3.upload_part(
                        **where,
                        UploadId=upload,
                        PartNumber=number,
                        Body=content,
                        ChecksumAlgorithm="SHA256",
                    )
                    parts.append(
                        {
                            "PartNumber": number,
                            "ETag": part["ETag"],
                            "ChecksumSHA256": part["ChecksumSHA256"],
                        }
                    )
            with _taken():
                self._s3.complete_multipart_upload(
                    **where, UploadId=upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
                )
        except BaseException:
            # What went wrong first counts; it may even have ended, and only its answer got lost.
            with suppress(ClientError, BotoCoreError):
                self._s3.abort_multipart_upload(**where, UploadId=upload)
            raise

    def _read_digest(self, key: str) -> str:
        body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
        digest = hashlib.sha256()
        for chunk in body.iter_chunks(_CHUNK_BYTES):
            digest.update(chunk)
        return digest.hexdigest()


def _tagging(key: str) -> dict[str, str]:
    return {"Tagging": CHECKPOINT_TAG} if is_checkpoint(key) else {}


class _Taken(Exception):
    pass


@contextmanager
def _taken() -> Iterator[None]:
    """Turn S3's answer to a failed If-None-Match into `_Taken`."""
    try:
        yield
    except ClientError as error:
        # Not ConditionalRequestConflict: there, nobody has written the key yet.
        if error_code(error) == "PreconditionFailed":
            raise _Taken from error
        raise
