"""The contract's .proto files keep buf's style, say what every part means, and are what the code was generated from."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

from sensorium import limits

PROTO = Path(__file__).parents[2] / "proto"
GENERATE = runpy.run_path(str(PROTO / "generate.py"))
SOURCES: tuple[str, ...] = GENERATE["sources"]()
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
PASCAL = re.compile(r"([A-Z][a-z0-9]*)+")
UPPER_SNAKE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    """Every file with its comments."""
    out = tmp_path_factory.mktemp("descriptors") / "contract.binpb"
    assert protoc.main(["protoc", f"-I{PROTO}", "--include_source_info", f"--descriptor_set_out={out}", *SOURCES]) == 0
    return list(FileDescriptorSet.FromString(out.read_bytes()).file)


Path_ = tuple[int, ...]


def messages(file: FileDescriptorProto) -> Iterator[tuple[str, Path_, DescriptorProto]]:
    """Every message with its full name and its path in the descriptor, map entries left out."""

    def walk(prefix: str, path: Path_, message: DescriptorProto) -> Iterator[tuple[str, Path_, DescriptorProto]]:
        if not message.options.map_entry:
            yield prefix + message.name, path, message
            for i, inner in enumerate(message.nested_type):
                yield from walk(f"{prefix}{message.name}.", (*path, 3, i), inner)

    for i, message in enumerate(file.message_type):
        yield from walk("", (4, i), message)


def parts(file: FileDescriptorProto) -> Iterator[tuple[str, Path_]]:
    """Everything that needs a comment: messages, fields, oneofs, enums, values, services, methods."""
    for name, path, message in messages(file):
        yield name, path
        yield from ((f"{name}.{f.name}", (*path, 2, i)) for i, f in enumerate(message.field))
        shown = [o for o in message.oneof_decl if not o.name.startswith("_")]
        yield from ((f"{name}.{o.name}", (*path, 8, i)) for i, o in enumerate(shown))
    for e, enum in enumerate(file.enum_type):
        yield enum.name, (5, e)
        yield from ((v.name, (5, e, 2, i)) for i, v in enumerate(enum.value))
    for s, service in enumerate(file.service):
        yield service.name, (6, s)
        yield from ((f"{service.name}.{m.name}", (6, s, 2, i)) for i, m in enumerate(service.method))


def comments(file: FileDescriptorProto) -> dict[Path_, str]:
    return {tuple(at.path): at.leading_comments.strip() for at in file.source_code_info.location}


def test_generated_code_is_what_the_sources_give(tmp_path: Path) -> None:
    GENERATE["generate"](tmp_path)

    def tree(root: Path) -> dict[str, bytes]:
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.glob("sensorium/v*/*_pb2*.py*")}

    assert tree(tmp_path) == tree(PROTO), "run: python proto/generate.py"


def test_a_broken_source_stops_the_generation(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="protoc ended with 1"):
        GENERATE["generate"](tmp_path / "not" / "there")
    assert "No such file or directory" in capfd.readouterr().err


def test_packages_are_named_after_their_folder(files: list[FileDescriptorProto]) -> None:
    assert {f.name: f.package for f in files} == {
        name: Path(name).parent.as_posix().replace("/", ".") for name in SOURCES
    }
    assert {f.package for f in files} == {"sensorium.v1"}
    assert {f.syntax for f in files} == {"proto3"}


def test_every_part_says_what_it_means(files: list[FileDescriptorProto]) -> None:
    bare = [name for f in files for name, path in parts(f) if not comments(f).get(path, "").endswith(".")]

    assert bare == []


def test_a_field_in_nanoseconds_says_so(files: list[FileDescriptorProto]) -> None:
    silent = [
        name
        for f in files
        for name, path in parts(f)
        if name.endswith(("_ns", "_ms")) and name[-2:] not in re.findall(r"\w+", comments(f)[path])
    ]

    assert silent == []


def test_names_have_the_case_of_their_kind(files: list[FileDescriptorProto]) -> None:
    def wrong(names: Iterator[str], style: re.Pattern[str]) -> list[str]:
        return [name for name in names if not style.fullmatch(name)]

    assert wrong((fd.name for f in files for _, _, m in messages(f) for fd in m.field), SNAKE) == []
    assert wrong((m.name for f in files for _, _, m in messages(f)), PASCAL) == []
    assert wrong((e.name for f in files for e in f.enum_type), PASCAL) == []
    assert wrong((v.name for f in files for e in f.enum_type for v in e.value), UPPER_SNAKE) == []
    assert wrong((m.name for f in files for s in f.service for m in s.method), PASCAL) == []
    assert all(s.name.endswith("Service") for f in files for s in f.service)


def test_enums_begin_with_unspecified_and_prefix_their_values(files: list[FileDescriptorProto]) -> None:
    for enum in (e for f in files for e in f.enum_type):
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper()
        assert (enum.value[0].name, enum.value[0].number) == (f"{prefix}_UNSPECIFIED", 0)
        assert all(value.name.startswith(f"{prefix}_") for value in enum.value)
        assert not enum.options.allow_alias


NAME, TEXT = f"{limits.NAME_BYTES} bytes", f"{limits.TEXT_BYTES} bytes"
PROMISES: dict[str, tuple[str, ...]] = {
    "Tensor.shape": (f"most {limits.TENSOR_DIMENSIONS} dim", f"{limits.TENSOR_NUMBERS} numbers"),
    "Media.content_type": (NAME,),
    "Media.data": (f"most {limits.MEDIA_BYTES >> 20} MiB",),
    "Event.stream_id": (NAME,),
    "Event.session_id": (NAME,),
    "Event.label": (NAME,),
    "Event.text": (TEXT,),
    "Event.metadata": (f"most {limits.METADATA_ENTRIES} entries", NAME, f"values at most {limits.TEXT_BYTES}"),
    "Slot.events": (f"most {limits.EVENTS_PER_SLOT}",),
    "Window.id": (NAME,),
    "Window.session_id": (NAME,),
    "Window.boot_id": (NAME,),
    "Hypothesis.concept": (NAME,),
    "Share.label": (NAME,),
    "Stage.name": (NAME,),
    "Evidence.label": (NAME,),
    "Evidence.text": (TEXT,),
    "ModelRef.name": (NAME,),
    "Provenance.processed_on": (NAME,),
    "Provenance.software": (NAME,),
    "Provenance.models": (f"most {limits.MODELS}",),
    "Symbol.id": (NAME,),
    "Symbol.session_id": (NAME,),
    "Symbol.boot_id": (NAME,),
    "Symbol.concept": (NAME,),
    "Symbol.content": (TEXT,),
    "Symbol.alternatives": (f"most {limits.ALTERNATIVES}",),
    "Symbol.domains": (f"most {limits.DOMAINS}", NAME),
    "Symbol.latency": (f"most {limits.STAGES}",),
    "Symbol.timeline": (f"most {limits.TIMELINE_ENTRIES}",),
    "Hello.device_id": (NAME,),
    "Hello.spool_id": (NAME,),
    "Hello.boot_id": (NAME,),
    "Hello.software": (NAME,),
    "Hello.taught": (f"most {limits.TAUGHT_CONCEPTS}",),
    "TaughtConcept.name": (NAME,),
    "TaughtConcept.description": (TEXT,),
    "TaughtConcept.paraphrases": (f"most {limits.TAUGHT_PARAPHRASES}", f"{limits.TEXT_BYTES // 4} bytes"),
    "TaughtConcept.labels": (f"most {limits.TAUGHT_LABELS}",),
    "TaughtLabel.label": (NAME,),
    "Welcome.software": (NAME,),
    "WindowBatch.windows": (f"most {limits.WINDOWS_PER_MESSAGE}",),
    "Answers.answers": (f"most {limits.ANSWERS_PER_MESSAGE}",),
    "Refusal.field": (TEXT,),
    "Refusal.reason": (TEXT,),
    "Introduction.device_id": (f"{limits.DEVICE_NAME_BYTES} letters",),
    "Introduction.boot_id": (NAME,),
    "Introduction.sources": (f"most {limits.SOURCES_PER_DEVICE}",),
    "Source.name": (f"{limits.DEVICE_NAME_BYTES} letters",),
    "Reading.line": (TEXT,),
    "Reading.series": (f"most {limits.VALUES_PER_READING} values",),
    "Readings.readings": (f"most {limits.READINGS_PER_MESSAGE}",),
    "Acceptance.software": (NAME,),
    "ConnectRefusal.field": (TEXT,),
    "ConnectRefusal.reason": (TEXT,),
    "FuseBatchRequest.windows": (f"most {limits.WINDOWS_PER_MESSAGE}",),
}


def test_comments_promise_the_limits_the_code_holds(files: list[FileDescriptorProto]) -> None:
    said = {name: comments(f)[path] for f in files for name, path in parts(f)}
    checked = {f.name for f in files} & {
        f"sensorium/v1/{n}.proto" for n in ("event", "window", "symbol", "fusion", "device")
    }

    assert len(checked) == 5
    assert [(name, want) for name, wants in PROMISES.items() for want in wants if want not in said[name]] == []
    sized = {n for f in files if f.name in checked for n, p in parts(f) if re.search(r"\d bytes|at most \d", said[n])}
    assert sized - set(PROMISES) - {"FusionService.FuseBatch"} == set()
