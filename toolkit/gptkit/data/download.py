"""Download one text through `datasets`, and check its sha256; fail soon, with the reason."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from gptkit.errors import DownloadError
from gptkit.files import write_bytes
from gptkit_tokenizers.reachability import CONNECT_SECONDS, reachable

SILENCE_SECONDS = 10.0  # how long a server may send nothing
TOTAL_SECONDS = 300.0  # how long a download may take


def download_text(url: str, *, sha256: str, to: Path) -> bytes:
    """Download the text at a URL, and write it to the file `to` too.

    Raises:
        DownloadError: the host cannot be reached, the server fails, stalls or cuts the text
            off, or the text is not the expected one. `to` is then unchanged.
    """
    if not reachable(url):
        raise DownloadError(f"{urlsplit(url).hostname} cannot be reached: is there a network?")
    data = _load_document(url)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise DownloadError(
            f"the text at {url} is not the expected one: sha256 {found[:16]}…, not {sha256[:16]}…."
        )
    write_bytes(to, data)
    return data


def _load_document(url: str) -> bytes:
    import aiohttp
    import datasets

    timeout = aiohttp.ClientTimeout(
        total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
    )
    scheme = urlsplit(url).scheme
    with tempfile.TemporaryDirectory(prefix="gptkit-") as scratch, no_progress_bars():
        try:
            document = datasets.load_dataset(
                "text",
                data_files=url,
                sample_by="document",
                split="train",
                cache_dir=scratch,
                download_config=datasets.DownloadConfig(
                    cache_dir=Path(scratch) / "downloads",
                    max_retries=0,
                    disable_tqdm=True,
                    storage_options={scheme: {"client_kwargs": {"timeout": timeout}}},
                ),
            )
            return document[0]["text"].encode()
        except Exception as error:  # HTTP, Arrow and file errors of three libraries
            reason = str(error).strip().splitlines()
            raise DownloadError(
                f"{url} cannot be downloaded: {reason[0] if reason else type(error).__name__}"
            ) from error


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep `datasets` from drawing progress bars over the caller's terminal."""
    import datasets

    were_on = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if were_on:
            datasets.enable_progress_bars()
