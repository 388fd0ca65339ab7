"""PEM files of TLS, looked at before gRPC gets them: of wrong ones it says only that there can be no connection."""

import ssl
from pathlib import Path
from typing import NoReturn


def check_pem_files(*, ca: Path | None, certificate: Path | None, key: Path | None) -> None:
    """See whether the files that are given can be used; `certificate` and `key` are given together.

    Raises ValueError, which begins with the file: it cannot be read, holds no certificate, has a passphrase, or is no
    key, or another certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for path in filter(None, (ca, certificate, key)):
        _check_readable(path)
        if path is not key:
            _load_certificates(context, path)
    if certificate is not None and key is not None:
        _load_key(context, certificate, key)


def _check_readable(path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error


def _load_certificates(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise ValueError(f"{path}: no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----") from error


def _load_key(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    def passphrase() -> NoReturn:
        raise ValueError(f"{key}: the key has a passphrase; write one without: openssl pkey -in {key} -out NEW.key")

    try:
        context.load_cert_chain(certificate, key, passphrase)
    except ssl.SSLError as error:
        raise ValueError(f"{key}: not the private key, in PEM, of the certificate in {certificate}") from error
