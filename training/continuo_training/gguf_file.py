"""Writing GGUF files: a base's metadata with changes, and tensors one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, quant_shape_to_byte_shape

#: What the writer says itself.
_WRITTEN_ANYWAY = ("GGUF.", "general.architecture")


@dataclass(frozen=True)
class Value:
    """A metadata value with its types in the file; `element` is that of an array's elements."""

    value: object
    kind: GGUFValueType
    element: GGUFValueType | None = None


@dataclass(frozen=True)
class Tensor:
    """`shape` as numpy has it: (rows, columns). `encode` is called when it is its turn; several at once."""

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    encode: Callable[[], np.ndarray]


def text(value: str) -> Value:
    return Value(value, GGUFValueType.STRING)


def number(value: int) -> Value:
    return Value(value, GGUFValueType.UINT32)


def integer(value: int) -> Value:
    return Value(value, GGUFValueType.INT32)


def real(value: float) -> Value:
    return Value(value, GGUFValueType.FLOAT32)


def flag(value: bool) -> Value:
    return Value(value, GGUFValueType.BOOL)


def texts(value: list[str]) -> Value:
    return Value(value, GGUFValueType.ARRAY, GGUFValueType.STRING)


def integers(value: list[int]) -> Value:
    return Value(value, GGUFValueType.ARRAY, GGUFValueType.INT32)


def metadata_of(reader: GGUFReader) -> dict[str, Value]:
    """All metadata of a file, in its order."""
    found = {}
    for name, field in reader.fields.items():
        if not name.startswith(_WRITTEN_ANYWAY):
            element = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
            found[name] = Value(field.contents(), field.types[0], element)
    return found


def write_gguf(path: Path, metadata: Mapping[str, Value], tensors: Iterable[Tensor]) -> None:
    """Writes a file of the llama architecture. A file that is there is replaced only by a whole one."""
    part = path.with_name(path.name + ".part")
    writer = GGUFWriter(part, "llama")
    for name, value in metadata.items():
        writer.add_key_value(name, value.value, value.kind, sub_type=value.element)
    tensors = list(tensors)
    for tensor in tensors:
        stored = np.dtype(np.uint8)
        if tensor.kind in (GGMLQuantizationType.F32, GGMLQuantizationType.F16):
            stored = np.dtype(np.float32 if tensor.kind == GGMLQuantizationType.F32 else np.float16)
        bytes_shape = tensor.shape if stored != np.uint8 else quant_shape_to_byte_shape(tensor.shape, tensor.kind)
        size = int(np.prod(bytes_shape)) * stored.itemsize
        writer.add_tensor_info(tensor.name, bytes_shape, stored, size, raw_dtype=tensor.kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    with ThreadPoolExecutor() as pool:  # what is slow in encoding runs outside Python
        for data in pool.map(lambda tensor: tensor.encode(), tensors):
            writer.write_tensor_data(data)
    writer.close()
    part.replace(path)
