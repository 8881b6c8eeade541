"""Certificate signing requests as clients send them."""

from __future__ import annotations

import base64
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def csr_pem(common_name: str, *organizations: str) -> bytes:
    """A request in PEM for a subject."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    key = ec.derive_private_key(7, ec.SECP256R1())
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def csr_spec(common_name: str, *organizations: str) -> dict[str, Any]:
    """The spec of a CertificateSigningRequest for a client certificate."""
    return {
        "request": base64.b64encode(csr_pem(common_name, *organizations)).decode(),
        "signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"],
    }
