"""The options that several commands share, and the values that they read from them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shipway.bundle.evidence import Result

if TYPE_CHECKING:
    from shipway.sources.base import Hints, Limits
    from shipway.targets.credentials import Credentials
    from shipway.types import TensorSpec

MODEL_HELP = (
    "A trained model: a file or folder that Keras, TensorFlow, PyTorch, scikit-learn, XGBoost, LightGBM, ONNX or "
    "LiteRT wrote, or module.py:factory."
)
_HIDDEN = "KEY"
JsonFlag = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON document on standard output; all else goes to standard error."
    ),
]
PythonOption = Annotated[
    str | None,
    typer.Option("--python", metavar="PATH", help="Python of the environment that the model was trained in."),
]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", min=1, metavar="SECONDS", help="Limit for each run of the training framework."),
]
MemoryOption = Annotated[
    float | None,
    typer.Option(
        "--memory-limit", min=0.1, metavar="GB", help="Memory limit for the training framework's process."
    ),
]
InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=DTYPE[DIMS]",
        help="What goes in, for files that do not say: 'x=float32[batch,3,224,224]'. Names are free dimensions.",
    ),
]
SignatureOption = Annotated[
    str | None,
    typer.Option("--signature", metavar="NAME", help="Which signature of a SavedModel or LiteRT file."),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights", metavar="FILE", help="Weights for module.py:factory: .safetensors or a state_dict."
    ),
]
TrustFlag = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Run code that the file carries (pickle, lambdas). It can do all that you can do on this machine: "
        "only for files that you made yourself.",
    ),
]
DiskOption = Annotated[
    float | None,
    typer.Option(
        "--disk-limit", min=0.1, metavar="GB", help="Limit for the training framework's temporary files."
    ),
]
ApiKeyOption = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        metavar="KEY",
        envvar="SHIPWAY_API_KEY",
        help="Key of the server, sent as Authorization: Bearer. Better in SHIPWAY_API_KEY: every user of this "
        "machine can read its command lines.",
    ),
]
CaOption = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="Authority of the server's certificate, in PEM."),
]
ClientCertOption = Annotated[
    Path | None,
    typer.Option(
        "--client-cert", metavar="FILE", help="Certificate to show a server that asks for one (mTLS), in PEM."
    ),
]
ClientKeyOption = Annotated[
    Path | None,
    typer.Option("--client-key", metavar="FILE", help="Its private key, where it is in a file of its own."),
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option("--accept", metavar="VERDICT", help="Go on with this verdict too: inconclusive."),
]


def accepted(values: list[str] | None) -> frozenset[Result]:
    """The verdicts of `--accept`. Raises `typer.BadParameter`."""
    found = set()
    for value in values or []:
        if value.upper() != Result.INCONCLUSIVE:
            raise typer.BadParameter(f"{value!r}: only inconclusive can be accepted.", param_hint="--accept")
        found.add(Result.INCONCLUSIVE)
    return frozenset(found)


def given_credentials(
    api_key: str | None, ca: Path | None, client_cert: Path | None, client_key: Path | None
) -> Credentials:
    """What a server is shown. Raises `typer.BadParameter`."""
    from shipway.errors import UsageError  # inside: `shipway --help` loads no rooms but cli
    from shipway.targets.credentials import Credentials

    try:
        return Credentials(api_key=api_key, ca=ca, client_cert=client_cert, client_key=client_key)
    except UsageError as error:
        raise typer.BadParameter(f"{error.message} {error.hint}") from error


def command_line(arguments: Sequence[str]) -> str:
    """The line that was given, for reports: without the key, which may stand in it."""
    shown, is_key = ["shipway"], False
    for argument in arguments:
        option, is_one_word, _ = argument.partition("=")
        if is_key:
            shown.append(_HIDDEN)
        else:
            shown.append(f"{option}={_HIDDEN}" if is_one_word and option == "--api-key" else argument)
        is_key = argument == "--api-key"
    return shlex.join(shown)


def child_limits(
    timeout_seconds: float, memory_gigabytes: float | None, disk_gigabytes: float | None
) -> Limits:
    """The limits of the framework's process."""
    from shipway.sources.base import Limits  # inside: `shipway --help` loads no rooms but cli

    memory = None if memory_gigabytes is None else int(memory_gigabytes * 1e9)
    disk = None if disk_gigabytes is None else int(disk_gigabytes * 1e9)
    return Limits(timeout_seconds=timeout_seconds, memory_bytes=memory, disk_bytes=disk)


def given_hints(inputs: list[str] | None, signature: str | None, weights: Path | None, trust: bool) -> Hints:
    """What the user says of the model beyond its path. Raises `typer.BadParameter`."""
    from shipway.sources.base import Hints  # inside: as above

    return Hints(
        inputs=tuple(parse_input(text) for text in inputs or ()),
        signature=signature,
        weights=weights,
        trust=trust,
    )


def parse_input(text: str) -> TensorSpec:
    """`x=float32[batch,3,224,224]` as a specification. Raises `typer.BadParameter`."""
    from shipway.types import DType, TensorSpec  # inside: as above

    found = re.fullmatch(r"\s*([^=]+?)\s*=\s*(\w+)\s*\[([^\]]*)\]\s*", text)
    names = {"string": DType.BYTES, **{kind.numpy.name: kind for kind in DType if kind is not DType.BYTES}}
    if found is None or found[2] not in names:
        raise typer.BadParameter(
            f"{text!r}: expected NAME=DTYPE[DIMS], as 'x=float32[batch,3,224,224]'; dtypes: {', '.join(names)}.",
            param_hint="--input",
        )
    sizes = [size.strip() for size in found[3].split(",") if size.strip()]
    return TensorSpec(found[1], names[found[2]], tuple(int(s) if s.isdigit() else s for s in sizes))


def given_formats(values: list[str] | None) -> tuple[str, ...]:
    """`--to onnx,litert --to openvino` as names, each once; ONNX where nothing is said."""
    names = [name.strip().lower() for value in values or ["onnx"] for name in value.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))
