"""Damage files at random, as accidents and adversaries do."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from typing import Any

import numpy as np

HOSTILE_VALUES: list[Any] = [
    *[None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 10**30, -(10**30), 0.5, 1e-320, 1e308],
    *["", " ", "\0", "\x1b[2J\x1b]0;x\x07", "</script><img src=x>", "](javascript:1)", "../../etc"],
    *["a" * 100_000, "\u202e\u0301", "\ud800", "inf", "NaN", "1e999", "/dev/zero", "~", "\n\n# x"],
    *[[], {}, [[]], [None], [0] * 10_000, {"a": {"b": []}}, {"": None}],
]
HOSTILE_BYTES = [
    *[
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r",
        b"\n" * 50,
        b"[" * 50_000,
        b"9" * 400,
        b"-",
        b"{",
    ],
    *[b"\x80", b"\xf4\x90\x80\x80", b"\xed\xa0\x80", b"nan", b"1e999", b'"', b"\\", b"]}"],
]
MOST_DEPTH = 100_000


def mutate(data: bytes, name: str, rng: random.Random) -> bytes:
    """Return a damaged copy of a file, by its name: half of the time, one that keeps its format."""
    if rng.random() < 0.5:
        try:
            return _mutate_format(data, name, rng)
        except (ValueError, KeyError, struct.error, zipfile.BadZipFile):
            pass
    return mutate_bytes(data, rng)


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """Change, cut, copy, insert or drop bytes at one to four places."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        length = min(rng.choice([1, 2, 8, 64, 4096]), len(changed) - at)
        match rng.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length] * rng.randint(1, 3)
            case 3:
                changed[at:at] = rng.choice(HOSTILE_BYTES)
            case 4:
                changed[at : at + length] = rng.randbytes(length)
            case 5 if rng.random() < 0.3:
                del changed[at:]
    return bytes(changed)


def mutate_json(value: Any, rng: random.Random) -> Any:
    """Replace, drop, copy or rename one value somewhere in a JSON value."""
    places: list[tuple[Any, Any]] = []

    def collect(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                collect(node[key])

    if isinstance(value, dict | list):
        collect(value)
    if not places:
        return rng.choice(HOSTILE_VALUES)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        node, key = rng.choice(places)
        try:
            match rng.randrange(5):
                case 0:
                    del node[key]
                case 1 if isinstance(node, dict):
                    node[rng.choice(["", "x", "__class__", str(key) + " "])] = node.pop(key)
                case 2 if isinstance(node[key], int | float) and not isinstance(node[key], bool):
                    node[key] *= rng.choice([-1, 0, 2, 10**6, 10**15])
                case 3 if isinstance(node, list):
                    node.extend(node[: rng.choice([1, 100])])
                case _:
                    node[key] = rng.choice(HOSTILE_VALUES)
        except (KeyError, IndexError):
            continue  # an earlier change removed it
    return value


def _mutate_format(data: bytes, name: str, rng: random.Random) -> bytes:
    if name.endswith(".json"):
        return _to_json(mutate_json(json.loads(data), rng), rng)
    if name.endswith(".jsonl"):
        lines = data.splitlines()
        i = rng.randrange(len(lines))
        lines[i] = _to_json(mutate_json(json.loads(lines[i]), rng), rng)
        return b"\n".join(lines) + b"\n"
    if name.endswith(".safetensors"):
        (size,) = struct.unpack("<Q", data[:8])
        header = mutate_json(json.loads(data[8 : 8 + size]), rng)
        inner = header.get("__metadata__", {}) if isinstance(header, dict) else {}
        if isinstance(inner, dict) and isinstance(inner.get("gptkit"), str) and rng.random() < 0.7:
            inner["gptkit"] = _to_json(mutate_json(json.loads(inner["gptkit"]), rng), rng).decode()
        written = _to_json(header, rng)
        claimed = len(written) if rng.random() < 0.9 else rng.choice([0, 2**40, 2**63])
        return struct.pack("<Q", claimed) + written + data[8 + size :]
    if name.endswith(".npz"):
        return _mutate_arrays(data, rng)
    raise ValueError(name)


def _mutate_arrays(data: bytes, rng: random.Random) -> bytes:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = dict(file)
    name = rng.choice(list(arrays))
    array = arrays[name]
    match rng.randrange(7):
        case 0:
            del arrays[name]
        case 1:
            arrays[name] = array[: len(array) // 2] if array.ndim else np.array([array] * 3)
        case 2:
            arrays[name] = array.astype(rng.choice(["float64", "int8", "bool", "U3", "complex64"]))
        case 3:
            arrays[name] = np.array(rng.choice([0, -1, np.nan, np.inf, 2**40]))
        case 4:
            arrays[name] = -array[::-1].astype("float32") if array.ndim else array
        case 5:
            arrays[name] = np.zeros(rng.choice([0, 10, 30_000_000]), dtype="uint8")
        case 6:
            arrays["x" * rng.choice([1, 1000])] = array
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _to_json(value: Any, rng: random.Random) -> bytes:
    text = json.dumps(value)
    if rng.random() < 0.02:
        depth = rng.choice([500, 5000, MOST_DEPTH])
        text = text.replace("null", "[" * depth + "]" * depth, 1)
    return text.encode("utf-8", "surrogatepass")
