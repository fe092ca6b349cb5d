"""A self-signed certificate for 127.0.0.1, for measuring over HTTPS.

In: a folder. Out: the paths of certificate and key in it, made by the openssl command where they are not there yet.

Invariant: a key is made when it is needed and is never part of the source tree.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

CERTIFICATE = "canned-cert.pem"
_KEY = "canned-key.pem"


def can_make() -> bool:
    """Say whether this machine can make a pair."""
    return shutil.which("openssl") is not None


def tls_pair(folder: Path) -> tuple[Path, Path]:
    """Return certificate and key for 127.0.0.1 and localhost: RSA of 2,048 bits, for two days."""
    certificate, key = folder / CERTIFICATE, folder / _KEY
    if not (certificate.exists() and key.exists()):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "2"]
        command += ["-subj", "/CN=ddbetl benchmark", "-keyout", str(key), "-out", str(certificate)]
        command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        # Strict verification (Python 3.13) wants the usage of a certificate that signs itself spelled out.
        command += ["-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    return certificate, key
