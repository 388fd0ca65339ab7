"""A pool in an S3-compatible bucket: what Lance has to be told of it, and whether it can be trusted with commits.

Credentials, region and endpoint come from where AWS's own tools take them (environment, profiles, roles); none of them
is ever part of a URL or of a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, Unavailable

SCHEME = "s3"
# A caller waits for this: Lance's own limit is three minutes.
_RETRY_S = 20
_CONNECT_S = 5
_AMAZON = "amazonaws.com"
_HONOURED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_NOT_IMPLEMENTED = ("NotImplemented", "501")


@dataclass(frozen=True, slots=True)
class S3Pool:
    """``s3://BUCKET/PREFIX``, with a client that is configured as AWS's tools are."""

    bucket: str
    prefix: str
    client: Any

    @classmethod
    def of(cls, url: str) -> S3Pool:
        """Look the configuration up; nothing is sent.

        Raises:
            InvalidArgument: the URL names no bucket.
            FailedPrecondition: boto3 is not installed.
        """
        parts = urlsplit(url)
        if parts.scheme != SCHEME or not parts.hostname:
            raise InvalidArgument.field("store.pool_url", "an object store is named s3://BUCKET/PREFIX")
        return cls(parts.netloc, parts.path.strip("/"), _client())

    @property
    def endpoint(self) -> str:
        """The address that requests go to."""
        return str(self.client.meta.endpoint_url)

    def lance_options(self) -> dict[str, str]:
        """Return Lance's storage options for the place; credentials Lance takes from the same sources by itself."""
        options = {"connect_timeout": f"{_CONNECT_S}s", "client_retry_timeout": str(_RETRY_S)}
        if _AMAZON not in str(urlsplit(self.endpoint).hostname):
            options |= {"aws_endpoint": self.endpoint, "aws_region": self.client.meta.region_name or "us-east-1"}
            options["allow_http"] = str(self.endpoint.startswith("http://")).lower()
        return options

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder of the place."""
        inside = "/".join(part for part in (self.prefix, folder) if part) + "/"
        with self._errors():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=inside, Delimiter="/"
            )
            found = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", ())]
        return [name.removeprefix(inside).rstrip("/") for name in found]

    def download(self, folders: Iterable[str], target: Path) -> None:
        """Copy folders of the place below ``target``, versions of a table before its data.

        Objects that vanish meanwhile are left out; whether one of them mattered is found when the copy is read.

        Raises:
            OSError: ``target`` cannot be written.
            Unavailable: the store cannot be reached, or refuses.
        """
        target.mkdir(mode=0o700, exist_ok=True)
        for folder in folders:
            inside = "/".join(part for part in (self.prefix, folder) if part) + "/"
            with self._errors():
                pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=inside)
                keys = [one["Key"] for page in pages for one in page.get("Contents", ())]
            for key in sorted(keys, key=lambda key: "/_versions/" not in key):
                self._download(key, target / folder / key.removeprefix(inside))

    def _download(self, key: str, place: Path) -> None:
        from botocore.exceptions import ClientError

        if ".." in place.parts:
            raise Unavailable(f"the bucket has an object with an odd name, {key!r}", reason="POOL_DAMAGED")
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._errors():
            try:
                self.client.download_file(self.bucket, key, str(place))
            except ClientError as error:
                if _code(error) not in ("404", "NoSuchKey"):
                    raise

    def check(self) -> None:
        """Put one new object twice on the condition that it is not there; the second time must fail.

        Lance commits so. A store that overwrites instead loses rows without a word as soon as two writers meet.

        Raises:
            FailedPrecondition: the store ignores or refuses the condition.
            Unavailable: the store cannot be reached, or refuses.
        """
        key = "/".join(part for part in (self.prefix, "_probes", uuid4().hex) if part)
        with self._errors():
            honoured = any(self._refused(key) for _ in range(2))
            self.client.delete_object(Bucket=self.bucket, Key=key)
        if not honoured:
            raise self._unconditional("ignores")

    def _refused(self, key: str) -> bool:
        """Put an object that must not be there; True when the store says that it is."""
        from botocore.exceptions import ClientError

        try:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=b"", IfNoneMatch="*")
        except ClientError as error:
            if _code(error) in _HONOURED:
                return True
            if _code(error) in _NOT_IMPLEMENTED:
                raise self._unconditional("does not know") from error
            raise
        return False

    def _unconditional(self, how: str) -> FailedPrecondition:
        return FailedPrecondition(
            f"the object store at {self._host} {how} conditional writes (If-None-Match), so that rows would be lost "
            "without a word when two writers meet: use a version or a store that has them, switch off what takes the "
            "header away between here and there, or keep the pool in a folder (store.pool_url)",
            reason="POOL_WITHOUT_CONDITIONS",
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            yield
        except NoCredentialsError as error:
            raise _unreachable(
                "there are no credentials for the object store of the pool: give them as AWS's tools take them "
                "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of this machine)"
            ) from error
        except ClientError as error:
            code = _code(error)
            if code in ("NoSuchBucket", "404"):
                problem = "has no such bucket; create it, or name another one in store.pool_url"
            else:
                problem = f"refuses ({code}); see to the credentials and to what they may do"
            raise _unreachable(f"the object store of the pool, {self._named}, {problem}") from error
        except BotoCoreError as error:
            raise _unreachable(
                f"the object store of the pool, {self._named}, cannot be reached; see to AWS_ENDPOINT_URL, the "
                "network and AWS's settings, then start again"
            ) from error

    @property
    def _named(self) -> str:
        return f"bucket {self.bucket} at {self._host}"

    @property
    def _host(self) -> str:
        return urlsplit(self.endpoint).netloc.rpartition("@")[2]


def _client() -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError as error:
        raise FailedPrecondition(
            "a pool on object storage needs boto3; run: pip install 'nextlabel[s3]'", reason="S3_NOT_INSTALLED"
        ) from error
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_RETRY_S,
        retries={"total_max_attempts": 3, "mode": "standard"},
        # Stores other than Amazon's refuse checksums that nobody asked for.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        return boto3.session.Session().client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise _unreachable(
            "AWS's settings for the object store of the pool cannot be used; see to AWS_PROFILE, "
            "AWS_REGION and AWS_ENDPOINT_URL"
        ) from error


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "without a reason"))


def _unreachable(message: str) -> Unavailable:
    return Unavailable(message, reason="POOL_UNREACHABLE")
