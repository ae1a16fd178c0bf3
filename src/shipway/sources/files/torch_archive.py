"""Which of torch's files one is, and what stands in it, without torch and without unpickling anything.

torch has four kinds of zip archive under two endings, and an older form that is no archive: exported programs
(`.pt2`), compiled ones, TorchScript, and pickles of weights or of whole modules.
"""

from __future__ import annotations

import io
import mmap
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, cast

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.os_errors import os_errors_as_ours
from shipway.sources.files.pickle_scan import Call, Global, scan
from shipway.sources.files.torch_export_file import EXPORT_KIND, is_program, native_members, read_program
from shipway.sources.files.torch_pickle import OLD_MAGIC, Saved, SavedKind, read_saved
from shipway.sources.files.torch_script_file import find_foreign_operators, find_reach, read_argument_names
from shipway.sources.files.weights import Weight
from shipway.sources.files.zip_archive import (
    MAGIC,
    ArchiveKind,
    check_sums,
    member_names,
    open_archive,
    read_member,
)
from shipway.types import TensorSpec

_KIND: Final = ArchiveKind(
    name="PyTorch file",
    writer="torch",
    save_again="Save it again with torch.save(), or copy the file again.",
    members=200_000,
)
_PICKLE_BYTES = 256 << 20
_CODE_BYTES = 16 << 20


class TorchKind(StrEnum):
    """What one of torch's files holds."""

    PROGRAM = "pt2"
    TORCHSCRIPT = "torchscript"
    STATE_DICT = "state_dict"
    CHECKPOINT = "checkpoint"
    MODULE = "module"


@dataclass(frozen=True)
class TorchOutline:
    """`unsafe` says, in words, what the file would run, read or write once it is loaded or called.

    For TorchScript `argument_names` are those of `forward`; for a checkpoint `state_dicts` are the keys under
    which there are weights; `is_old` is the form of torch below 1.6.
    """

    kind: TorchKind
    torch_version: str = ""
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    ranges: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    weights: tuple[Weight, ...] = ()
    argument_names: tuple[str, ...] = ()
    class_name: str = ""
    state_dicts: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    foreign_operators: tuple[str, ...] = ()
    unsafe: tuple[str, ...] = ()
    is_old: bool = False


def looks_like_torch(path: Path) -> bool:
    """True for a zip archive of torch's, or the older form; also for one that was cut off. Never raises."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    if OLD_MAGIC in head[:32]:
        return True
    if not head.startswith(MAGIC):
        return False
    members = member_names(path)
    if members:
        return bool(is_program(members) or native_members(members) or _data_pickle(members))
    return any(word in head for word in (b"/data.pkl", b"/archive_format", b"/models/", b"/data/weights/"))


def read_torch(path: Path) -> TorchOutline:
    """Outlines the file. Raises `SourceDamagedError`, `SourceUnsupportedError` (compiled code), or what the
    operating system refuses."""
    with os_errors_as_ours("read the model", path), path.open("rb") as file:
        head = file.read(4)
    if head != MAGIC:
        return _read_old(path)
    kind = EXPORT_KIND if path.suffix == ".pt2" else _KIND
    with open_archive(path, kind) as archive:
        members = tuple(archive.namelist())
        native = native_members(members)
        if native:
            raise SourceUnsupportedError(
                f"{path} holds compiled code ({native[0]}), as AOTInductor writes it: to load it is to run it.",
                hint="Give the program that it was compiled from: torch.export.save(program, 'model.pt2').",
            )
        if len({name.partition("/")[0] for name in members if "/" in name}) > 1:
            raise SourceDamagedError(
                f"{path} holds more than one folder: which of them is read depends on the reader.",
                hint="torch does not write such a file; do not trust it.",
            )
        check_sums(path, archive, kind)
        if is_program(members):
            return _outline_program(path, archive)
        if _has_code(members):
            return _outline_script(path, archive, members)
        return _outline_pickle(path, archive, members)


def kind_of_members(members: tuple[str, ...]) -> str:
    """The `TorchKind` that an archive's names tell (`checkpoint` for any pickle), or `unknown`."""
    if is_program(members):
        return TorchKind.PROGRAM
    if _has_code(members):
        return TorchKind.TORCHSCRIPT
    return TorchKind.CHECKPOINT if _data_pickle(members) else "unknown"


def _has_code(members: tuple[str, ...]) -> bool:
    return any(name.endswith("/constants.pkl") or "/code/" in name for name in members)


def _data_pickle(members: tuple[str, ...]) -> str:
    return next((name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")), "")


def _outline_program(path: Path, archive: zipfile.ZipFile) -> TorchOutline:
    found = read_program(path, archive)
    return TorchOutline(
        kind=TorchKind.PROGRAM,
        torch_version=found.torch_version,
        inputs=found.inputs,
        outputs=found.outputs,
        ranges=found.ranges,
        weights=found.weights,
        others=found.others,
        foreign_operators=found.foreign_operators,
        unsafe=found.unsafe,
    )


def _outline_script(path: Path, archive: zipfile.ZipFile, members: tuple[str, ...]) -> TorchOutline:
    names = [name for name in members if "/code/" in name and name.endswith(".py")]
    left = _CODE_BYTES
    texts = []
    for name in names:
        content = read_member(path, archive, name, _KIND, limit_bytes=left)
        left -= len(content)
        texts.append(content.decode("utf-8", "replace"))
    main = scan(_pickle(path, archive, members), where=f"{path}: data.pkl")
    value = main.value
    root = value.function.name if isinstance(value, Call) and isinstance(value.function, Global) else ""
    return TorchOutline(
        kind=TorchKind.TORCHSCRIPT,
        argument_names=read_argument_names(texts, root),
        class_name=root.rpartition(".")[2],
        foreign_operators=find_foreign_operators(texts),
        unsafe=find_reach([*texts, *sorted(main.globals)]),
    )


def _outline_pickle(path: Path, archive: zipfile.ZipFile, members: tuple[str, ...]) -> TorchOutline:
    return _of_saved(read_saved(_pickle(path, archive, members), where=f"{path}: data.pkl"), is_old=False)


def _pickle(path: Path, archive: zipfile.ZipFile, members: tuple[str, ...]) -> BinaryIO:
    name = _data_pickle(members) or "data.pkl"
    return io.BytesIO(read_member(path, archive, name, _KIND, limit_bytes=_PICKLE_BYTES))


def _read_old(path: Path) -> TorchOutline:
    with os_errors_as_ours("read the model", path), path.open("rb") as file:
        if OLD_MAGIC not in file.read(32):
            raise SourceDamagedError(f"{path} is no file of torch's.", hint=_KIND.save_again)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return _of_saved(read_saved(cast("BinaryIO", mapped), where=str(path)), is_old=True)


def _of_saved(saved: Saved, *, is_old: bool) -> TorchOutline:
    kinds = {
        SavedKind.STATE_DICT: TorchKind.STATE_DICT,
        SavedKind.CHECKPOINT: TorchKind.CHECKPOINT,
        SavedKind.MODULE: TorchKind.MODULE,
    }
    return TorchOutline(
        kind=kinds[saved.kind],
        weights=saved.weights,
        state_dicts=saved.state_dicts,
        unsafe=tuple(f"imports {name}" for name in saved.foreign),
        is_old=is_old,
    )
