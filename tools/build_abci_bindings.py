"""
The Python classes of ABCI's messages, made from `abci.proto` by protoc.

    python -m tools.build_abci_bindings            writes abci_pb2.py and abci_pb2.pyi
    python -m tools.build_abci_bindings --check    compares abci.proto with CometBFT's own files

protoc comes with `grpcio-tools`, needed here and nowhere else: it is installed into a temporary
environment, pinned, so that equal sources give equal files. `--check` needs Go, which brings the
published files as part of the pinned module; every field of ours must be there with the same
number, type and label.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
)

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "src/salus/node/comet"
COMPILER = "grpcio-tools==1.80.0"
"""Its protoc decides the oldest `protobuf` that the written files run on."""

GOGO = """
syntax = "proto2";
package gogoproto;
import "google/protobuf/descriptor.proto";
extend google.protobuf.FieldOptions {
  optional bool nullable = 65001; optional string jsontag = 65005;
  optional string customname = 65004; optional string casttype = 65007;
  optional bool stdtime = 65010; optional bool stdduration = 65011; optional bool embed = 65002;
  optional string customtype = 65003;
}
extend google.protobuf.MessageOptions {
  optional bool equal = 64013; optional bool compare = 64029; optional bool populate = 64007;
}
extend google.protobuf.FileOptions { optional bool equal_all = 63013; }
extend google.protobuf.EnumOptions {
  optional bool goproto_enum_prefix = 62001; optional bool goproto_enum_stringer = 62021;
}
extend google.protobuf.EnumValueOptions { optional string enumvalue_customname = 66001; }
"""
"""The options CometBFT's files mention; without them protoc would not read those files."""

HEADER = "# mypy: ignore-errors\n# ruff: noqa: PGH004\n# ruff: noqa\n# fmt: off\n"
"""Generated code keeps its generator's style."""

RENAMED = {"Timestamp": "google.protobuf.Timestamp", "PublicKey": "tendermint.crypto.PublicKey"}
"""Ours that are not in CometBFT's package `tendermint.abci`."""


def main() -> None:
    """Write the bindings, or check their source."""
    with tempfile.TemporaryDirectory() as folder:
        python = compiler(Path(folder) / "venv")
        if sys.argv[1:] == ["--check"]:
            differences = compare(ours(python, Path(folder)), published(python, Path(folder)))
            print("\n".join(differences) or "abci.proto agrees with CometBFT's published files")
            raise SystemExit(bool(differences))
        write(python)


def compiler(folder: Path) -> Path:
    """Python of a new environment that has protoc."""
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", COMPILER], check=True)
    return python


def protoc(python: Path, *words: str | Path) -> None:
    """Run protoc."""
    subprocess.run([python, "-m", "grpc_tools.protoc", *words], check=True)


def write(python: Path) -> None:
    """Write the classes, and their types for mypy, beside the source."""
    protoc(
        python, f"--proto_path={FOLDER}", f"--python_out={FOLDER}", f"--pyi_out={FOLDER}",
        "abci.proto",
    )  # fmt: skip
    for name in ("abci_pb2.py", "abci_pb2.pyi"):
        made = FOLDER / name
        made.write_text(HEADER + made.read_text())


def ours(python: Path, folder: Path) -> FileDescriptorSet:
    """Our file, described."""
    return described(python, folder / "ours", [FOLDER], "abci.proto")


def published(python: Path, folder: Path) -> FileDescriptorSet:
    """CometBFT's files of the pinned version, described."""
    build = FOLDER / "build"
    found = subprocess.run(
        ["go", "mod", "download", "-json", "github.com/cometbft/cometbft"],
        cwd=build, check=True, capture_output=True,
    )  # fmt: skip
    proto = Path(json.loads(found.stdout)["Dir"]) / "proto"
    gogo = folder / "include/gogoproto/gogo.proto"
    gogo.parent.mkdir(parents=True)
    gogo.write_text(GOGO)
    return described(
        python, folder / "published", [proto, folder / "include"], "tendermint/abci/types.proto"
    )


def described(python: Path, target: Path, include: list[Path], source: str) -> FileDescriptorSet:
    """A file and all it imports, as protoc understood them."""
    protoc(
        python, *(f"--proto_path={one}" for one in include), "--include_imports",
        f"--descriptor_set_out={target}", source,
    )  # fmt: skip
    return FileDescriptorSet.FromString(target.read_bytes())


def compare(mine: FileDescriptorSet, theirs: FileDescriptorSet) -> list[str]:
    """What of ours is missing there or differs; empty if all agrees."""
    messages = {
        f"{file.package}.{message.name}": message
        for file in theirs.file
        for message in file.message_type
    }
    enums = {enum.name: enum for file in theirs.file for enum in file.enum_type}
    (file,) = mine.file
    differences = []
    for message in file.message_type:
        name = RENAMED.get(message.name, f"tendermint.abci.{message.name}")
        if name not in messages:
            differences.append(f"{name}: not published")
            continue
        differences += compare_message(message, messages[name])
    for enum in file.enum_type:
        differences += compare_enum(enum, enums[enum.name])
    return differences


def compare_message(mine: DescriptorProto, theirs: DescriptorProto) -> list[str]:
    """Differences of one message."""
    known = {field.number: shape(field) for field in theirs.field}
    differences = [
        f"{mine.name}.{field.name} = {field.number}: expected {known.get(field.number)}"
        for field in mine.field
        if known.get(field.number) != shape(field)
    ]
    enums = {enum.name: enum for enum in theirs.enum_type}
    for enum in mine.enum_type:
        differences += compare_enum(enum, enums[enum.name])
    return differences


def compare_enum(mine: EnumDescriptorProto, theirs: EnumDescriptorProto) -> list[str]:
    """Differences of one enumeration."""
    known = {(value.name, value.number) for value in theirs.value}
    return [
        f"{mine.name}.{value.name} = {value.number}: not published"
        for value in mine.value
        if (value.name, value.number) not in known
    ]


def shape(field: FieldDescriptorProto) -> tuple[str, int, int, str]:
    """Name, label, type and, of a message or enumeration, its last name."""
    return field.name, field.label, field.type, field.type_name.rsplit(".", 1)[-1]


if __name__ == "__main__":
    main()
