"""Regenerate the committed protobuf code: ``python proto/generate.py``.

Needs grpcio-tools of the version pinned in pyproject.toml: older generated code runs on newer
runtimes, and never the other way round.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent


def sources() -> tuple[str, ...]:
    """The contract's .proto files, relative to this folder."""
    return tuple(sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("sensorium/v*/*.proto")))


def generate(into: Path = ROOT) -> None:
    """Write messages, their types and, for files with a service, the gRPC stubs below ``into``.

    Raises:
        RuntimeError: protoc refused a file; it has said why on stderr.
    """
    from grpc_tools import protoc  # type: ignore[import-untyped] # only developers have it

    with_service = [name for name in sources() if "\nservice " in (ROOT / name).read_text()]
    for options in (
        [f"--python_out={into}", f"--pyi_out={into}", *sources()],
        [f"--grpc_python_out={into}", *with_service],
    ):
        if code := protoc.main(["protoc", f"-I{ROOT}", *options]):
            raise RuntimeError(f"protoc ended with {code}")


if __name__ == "__main__":
    generate()
    sys.stdout.write(f"generated from {', '.join(sources())}\n")
