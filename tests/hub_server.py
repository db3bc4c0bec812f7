"""A hub on loopback that speaks what publishing and loading of data sets takes of its protocol.

Repositories of commits, small files within them, large ones (.parquet) by LFS's batch interface,
tags, and files by revision. A token that begins with `read` may look and not write.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.loopback import QuietHandler, serve

LARGE = ".parquet"


@dataclass
class Commit:
    """A state of a repository: its files by path, a large one as its SHA-256."""

    oid: str
    message: str
    files: dict[str, bytes]
    large: dict[str, str]


@dataclass
class Hub:
    """What the server knows and what it was asked."""

    url: str = ""
    repositories: dict[str, list[Commit]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)  # large files by SHA-256
    tokens: set[str] = field(default_factory=lambda: {"write-1", "read-1"})
    asked: list[str] = field(default_factory=list)  # method and path
    down: str | None = None  # requests whose path has this end without an answer
    busy: int = 0  # so many requests are told to come again later
    between: Callable[[], object] = lambda: None  # called before a commit is looked at
    lose: Callable[[str], bool] = lambda line: False  # asked first: is this request never served?

    def uploads(self) -> list[str]:
        """Return the requests that sent content."""
        return [line for line in self.asked if line.startswith("PUT") or "/commit/" in line]

    def commit(self, repository: str, message: str, files: dict[str, bytes]) -> Commit:
        """Put a commit on top, as anybody else might."""
        return self.add(repository, message, files, {})

    def add(
        self, repository: str, message: str, files: dict[str, bytes], large: dict[str, str]
    ) -> Commit:
        """Put a commit on top."""
        history = self.repositories.setdefault(repository, [])
        oid = hashlib.sha1(f"{repository} {len(history)} {message}".encode()).hexdigest()
        history.append(Commit(oid, message, files, large))
        return history[-1]

    def find(self, repository: str, revision: str) -> Commit | None:
        """Return a commit by `main`, its own name or a tag's."""
        history = self.repositories[repository]
        oid = self.tags.get(repository, {}).get(revision, revision)
        if revision == "main":
            return history[-1]
        return next((commit for commit in history if commit.oid == oid), None)


class _Handler(QuietHandler):
    hub: Hub

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = unquote(urlsplit(self.path).path)
        if self.hub.down and self.hub.down in path:
            self.close_connection = True
            self.connection.close()
            return
        if self.hub.lose(f"{self.command} {path}"):
            self.close_connection = True
            return
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.busy:
            self.hub.busy -= 1
            self._send(503, {"error": "Service Unavailable"})
            return
        if self.command == "PUT":
            self.hub.stored[path.rpartition("/")[2]] = body
            self._send(200, {})
            return
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.hub.tokens:
            self._send(401, {"error": "Invalid credentials in Authorization header"})
        elif self.command == "POST" and token.startswith("read") and "validate" not in path:
            self._send(403, {"error": "Forbidden: you need write access"})
        else:
            self._route(path, body)

    def _route(self, path: str, body: bytes) -> None:
        if path == "/api/validate-yaml":
            self._send(200, {"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path.endswith("/info/lfs/objects/batch"):
            self._batch(json.loads(body))
        else:
            api = path.startswith("/api/datasets/")
            steps = path.removeprefix("/api").removeprefix("/datasets/").split("/")
            repository, rest = "/".join(steps[:2]), steps[2:]
            if repository not in self.hub.repositories:
                self._send(404, {"error": "Repository not found"}, "RepoNotFound")
            elif api:
                self._ask(repository, rest, body)
            elif rest[:1] == ["resolve"]:
                self._resolve(repository, rest[1], "/".join(rest[2:]))
            else:
                self._send(404, {"error": path})

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        self.hub.private[name] = asked.get("visibility") == "private"
        self.hub.commit(name, "initial commit", {".gitattributes": b"*.parquet filter=lfs\n"})
        self._send(200, {"url": f"{self.hub.url}/datasets/{name}"})

    def _batch(self, asked: dict[str, Any]) -> None:
        """Say where to put what is not stored yet."""
        objects = [
            {
                **entry,
                **(
                    {}
                    if entry["oid"] in self.hub.stored
                    else {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{entry['oid']}"}}}
                ),
            }
            for entry in asked["objects"]
        ]
        self._send(200, {"transfer": "basic", "objects": objects})

    def _ask(self, repository: str, steps: list[str], body: bytes) -> None:
        action, revision = [*steps, "", ""][:2]
        if action == "commit":
            self.hub.between()
        found = self.hub.find(repository, revision or "main")
        if action == "refs":
            tags = self.hub.tags.get(repository, {})
            refs = [
                {"name": n, "ref": f"refs/tags/{n}", "targetCommit": o} for n, o in tags.items()
            ]
            self._send(200, {"branches": [], "converts": [], "tags": refs})
        elif found is None:
            self._send(404, {"error": "Invalid rev id"}, "RevisionNotFound")
        elif action in ("", "revision"):
            siblings = [{"rfilename": path} for path in sorted({**found.files, **found.large})]
            about = {"id": repository, "sha": found.oid, "siblings": siblings, "tags": []}
            self._send(200, {**about, "private": self.hub.private.get(repository, False)})
        elif action == "tree":
            self._send(200, self._list(found, "/".join(steps[2:])))
        elif action == "preupload":
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            self._send(200, {"files": files})
        elif action == "commit":
            self._commit(repository, found, body)
        elif action == "tag":
            self.hub.tags.setdefault(repository, {})[json.loads(body)["tag"]] = found.oid
            self._send(200, {})
        else:
            self._send(404, {"error": action})

    def _list(self, found: Commit, below: str) -> list[dict[str, Any]]:
        entries = [
            {"type": "file", "path": path, "size": len(content), "oid": _blob_id(content)}
            for path, content in found.files.items()
        ]
        for path, sha256 in found.large.items():
            size = len(self.hub.stored[sha256])
            lfs = {"oid": sha256, "size": size, "pointerSize": 130}
            entries.append({"type": "file", "path": path, "size": size, "oid": "p", "lfs": lfs})
        return [entry for entry in entries if str(entry["path"]).startswith(below)]

    def _commit(self, repository: str, head: Commit, body: bytes) -> None:
        header, *changes = (json.loads(line) for line in body.splitlines())
        if header["value"].get("parentCommit", head.oid) != head.oid:
            self._send(412, {"error": "A commit has happened since."})
            return
        files, large = dict(head.files), dict(head.large)
        for change in changes:
            path = change["value"]["path"]
            files.pop(path, None)
            large.pop(path, None)
            if change["key"] == "file":
                files[path] = base64.b64decode(change["value"]["content"])
            elif change["key"] == "lfsFile":
                assert change["value"]["oid"] in self.hub.stored, "committed before it was stored"
                large[path] = change["value"]["oid"]
        made = self.hub.add(repository, header["value"]["summary"], files, large)
        url = f"{self.hub.url}/datasets/{repository}/commit/{made.oid}"
        self._send(200, {"commitUrl": url, "commitOid": made.oid})

    def _resolve(self, repository: str, revision: str, path: str) -> None:
        found = self.hub.find(repository, revision)
        if found is None:
            self._send(404, {"error": path}, "RevisionNotFound")
            return
        content = found.files.get(path)
        if content is None:
            content = self.hub.stored.get(found.large.get(path, ""))
        if content is None:
            self._send(404, {"error": path}, "EntryNotFound")
            return
        known = {"x-repo-commit": found.oid, "etag": f'"{hashlib.sha256(content).hexdigest()}"'}
        self.send(200, content, known)

    def _send(self, status: int, answer: object, code: str | None = None) -> None:
        headers = {"content-type": "application/json"}
        known = {"x-error-code": code} if code else {}
        self.send(status, json.dumps(answer).encode(), headers | known)


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def hub_server() -> Iterator[Hub]:
    """Serve an empty hub."""
    hub = Hub()
    with serve(type("Handler", (_Handler,), {"hub": hub})) as address:
        hub.url = f"http://{address}"
        yield hub
