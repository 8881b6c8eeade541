"""A server that keeps blobs as Azure Storage does, as far as checkpoints need it: metadata, ETags, and conditions.

It takes any signature; who may do what it only knows as "may read" and "may write".
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

ACCOUNT, CONTAINER = "devstoreaccount1", "checkpoints"
_META = "x-ms-meta-"


@dataclass
class Blob:
    """A blob without content."""

    metadata: dict[str, str]
    version: int
    modified: str = field(default_factory=lambda: formatdate(usegmt=True))

    @property
    def etag(self) -> str:
        return f'"0x{self.version:X}"'


class Storage:
    """An account with one container, in a thread of its own."""

    def __init__(self) -> None:
        self.blobs: dict[str, Blob] = {}
        self.may_read = self.may_write = True
        self.has_container = True
        self._lock = threading.Lock()
        self._version = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.connection_string = (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey=c2VjcmV0;"
            f"BlobEndpoint=http://127.0.0.1:{self._server.server_port}/{ACCOUNT};"
        )

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def checkpoints(self) -> dict[str, int]:
        """By partition, the sequence number of the last message that was dealt with."""
        return {
            name.rpartition("/")[2]: int(blob.metadata["sequencenumber"])
            for name, blob in self.blobs.items()
            if "/checkpoint/" in name
        }

    def expire(self) -> None:
        """Have all owners of partitions be gone, as after a crash a minute ago."""
        with self._lock:
            for name, blob in self.blobs.items():
                if "/ownership/" in name:
                    blob.modified = formatdate(0, usegmt=True)

    def put(self, name: str, headers: dict[str, str], *, is_metadata: bool) -> tuple[int, str, Blob | None]:
        """Write a blob's metadata: the status, the code of an error, and the blob."""
        with self._lock:
            known = self.blobs.get(name)
            if not self.may_write:
                return 403, "AuthorizationPermissionMismatch", None
            if is_metadata and known is None:
                return 404, "BlobNotFound", None
            if headers.get("if-none-match") == "*" and known:
                return 409, "BlobAlreadyExists", None
            if "if-match" in headers and (known is None or headers["if-match"] != known.etag):
                return 412, "ConditionNotMet", None
            self._version += 1
            metadata = {key[len(_META) :]: value for key, value in headers.items() if key.startswith(_META)}
            self.blobs[name] = Blob(metadata, self._version)
            return 200 if is_metadata else 201, "", self.blobs[name]

    def listing(self, prefix: str) -> str:
        """The blobs whose names begin so."""
        with self._lock:
            found = [_described(name, blob) for name, blob in self.blobs.items() if name.startswith(prefix)]
        return f"<EnumerationResults><Blobs>{''.join(found)}</Blobs><NextMarker/></EnumerationResults>"

    def _handler(storage) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                name = unquote(parts.path).removeprefix(f"/{ACCOUNT}/{CONTAINER}/")
                headers = {key.lower(): value for key, value in self.headers.items()}
                is_metadata = parse_qs(parts.query).get("comp") == ["metadata"]
                status, code, blob = storage.put(name, headers, is_metadata=is_metadata)
                self._answer(status, code, blob=blob)

            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                if not storage.has_container:
                    self._answer(404, "ContainerNotFound")
                elif not storage.may_read:
                    self._answer(403, "AuthorizationPermissionMismatch")
                else:
                    self._answer(200, "", storage.listing(query.get("prefix", [""])[0]).encode())

            def _answer(self, status: int, code: str, body: bytes = b"", blob: Blob | None = None) -> None:
                self.send_response(status)
                if code:
                    self.send_header("x-ms-error-code", code)
                    body = f"<Error><Code>{code}</Code><Message>{code}.</Message></Error>".encode()
                if blob:
                    self.send_header("ETag", blob.etag)
                    self.send_header("Last-Modified", blob.modified)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler


def _described(name: str, blob: Blob) -> str:
    metadata = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in blob.metadata.items())
    properties = (
        f"<Last-Modified>{blob.modified}</Last-Modified><Etag>{escape(blob.etag)}</Etag>"
        "<Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType>"
    )
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties>{properties}</Properties><Metadata>{metadata}</Metadata></Blob>"
    )
