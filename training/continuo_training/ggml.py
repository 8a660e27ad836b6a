"""ggml's own quantisers, called in the shared library that the server runs on.

The Python package `gguf` has none for K types and IQ4_NL, and none that takes an importance of the columns.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from functools import cache
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quant_shape_to_byte_shape

_PACKAGES = {
    ("linux", "x86_64"): "linux-x64",
    ("linux", "aarch64"): "linux-arm64",
    ("darwin", "arm64"): "mac-arm64-metal",
    ("darwin", "x86_64"): "mac-x64",
    ("win32", "AMD64"): "win-x64",
    ("win32", "ARM64"): "win-arm64",
}

#: Types that are no more than another notation of a float; numpy converts them.
_PLAIN = {GGMLQuantizationType.F32: np.float32, GGMLQuantizationType.F16: np.float16}


def blocks_fit(kind: GGMLQuantizationType, columns: int) -> bool:
    """Whether rows of `columns` values can be stored in blocks of `kind`."""
    return columns % GGML_QUANT_SIZES[kind][0] == 0


def encode(
    matrix: np.ndarray, kind: GGMLQuantizationType, importance: np.ndarray | None = None
) -> np.ndarray:
    """`matrix` (rows, columns) or (columns,), float32, as ggml stores it in `kind`.

    `importance` (columns,): how much the squared error of each column weighs; without it ggml weighs by its own rules.
    """
    if kind in _PLAIN:
        return matrix.astype(_PLAIN[kind], copy=False)
    columns = matrix.shape[-1]
    if not blocks_fit(kind, columns):
        raise ValueError(f"rows of {columns} values cannot be {kind.name}: blocks hold {GGML_QUANT_SIZES[kind][0]}")
    source = np.ascontiguousarray(matrix, dtype=np.float32)
    encoded = np.empty(quant_shape_to_byte_shape(source.shape, kind), dtype=np.uint8)
    weights = None if importance is None else np.ascontiguousarray(importance, dtype=np.float32)
    if weights is not None and weights.shape != (columns,):
        raise ValueError(f"importance has the shape {weights.shape}, expected ({columns},)")
    written = _library().ggml_quantize_chunk(
        int(kind), _pointer(source), _pointer(encoded), 0, source.size // columns, columns, _pointer(weights)
    )
    if written != encoded.nbytes:
        raise RuntimeError(f"ggml wrote {written} bytes of {kind.name}, expected {encoded.nbytes}")
    return encoded


def _pointer(array: np.ndarray | None) -> ctypes.c_void_p | None:
    return None if array is None else array.ctypes.data_as(ctypes.c_void_p)


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(_library_file()))
    function = library.ggml_quantize_chunk
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = [ctypes.c_int, pointer, pointer, count, count, count, pointer]
    function.restype = ctypes.c_size_t
    return library


def _library_file() -> Path:
    package = _PACKAGES.get((sys.platform, platform.machine()))
    if package is None:
        raise SystemExit(f"there are no llama.cpp libraries for {sys.platform} {platform.machine()}")
    root = Path(__file__).resolve().parents[2]
    folder = root / "node_modules" / "@node-llama-cpp" / package / "bins"
    found = sorted(
        file for file in folder.glob("*/*ggml-base*") if file.suffix in (".so", ".dylib", ".dll")
    )
    if not found:
        raise SystemExit(f"{folder} has no ggml library; run npm install in {root} first")
    return found[0]
