"""Run folders in an object store, by fsspec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# What a run that was stopped goes on from.
_KEPT = ("cells", "pieces")


class Remote:
    """A folder of an object store, and its copy on this machine."""

    def __init__(self, url: str, local: Path) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise ImportError(f"`{url}` is opened by fsspec\n\nhint: `pip install fsspec`") from error
        self._files, self._path = url_to_fs(url)
        self.local = local

    def _fetch(self) -> None:
        for part in _KEPT:
            there = f"{self._path}/{part}"
            if self._files.exists(there):
                for file in self._files.find(there):
                    here = self.local / part / file.rsplit(f"/{part}/", 1)[1]
                    here.parent.mkdir(parents=True, exist_ok=True)
                    here.write_bytes(self._files.cat_file(file))

    def put(self, name: str | Path) -> None:
        """Copies a file of the local folder."""
        there = f"{self._path}/{Path(name).as_posix()}"
        self._files.makedirs(there.rsplit("/", 1)[0], exist_ok=True)
        self._files.pipe_file(there, (self.local / name).read_bytes())

    def finish(self) -> None:
        """Copies the finished run, whose pieces are in its records."""
        for path in sorted(self.local.rglob("*")):
            if path.is_file():
                self.put(path.relative_to(self.local))
        pieces: Any = f"{self._path}/pieces"
        if self._files.exists(pieces):
            self._files.rm(pieces, recursive=True)


def is_url(folder: object) -> bool:
    """Whether a folder is in an object store, as ``s3://bucket/run``."""
    return isinstance(folder, str) and "://" in folder


@contextmanager
def opened(url: str) -> Iterator[Remote]:
    """A folder of an object store, with what a run that was stopped has left there."""
    with TemporaryDirectory(prefix="thalweg-") as local:
        remote = Remote(url, Path(local))
        remote._fetch()
        yield remote
