"""One line out of pip's many: why it failed and what to do.

Pure standard library and free of imports from this project, because `tools/bootstrap.py` needs it before
anything is installed and under whatever Python it was started with.
"""

from __future__ import annotations

# What pip or the system under it writes -> what that means. The first match wins: a full disk or a
# dead network also ends in "No matching distribution".
_MEANINGS = (
    (("No space left on device", "Errno 28", "Disk quota exceeded"), "the disk is full"),
    (("No module named pip",), "this Python has no pip: sudo apt install python3-pip python3-venv"),
    (("DO NOT MATCH THE HASHES",), "wrong hash: what the package index holds is not what was pinned"),
    (
        (
            "Temporary failure in name resolution",
            "Name or service not known",
            "NewConnectionError",
            "ConnectTimeoutError",
            "ReadTimeoutError",
            "Network is unreachable",
            "Connection refused",
            "ProxyError",
        ),
        "no network: the package index cannot be reached",
    ),
    (("CERTIFICATE_VERIFY_FAILED",), "the package index shows a certificate this machine does not trust; set PIP_CERT"),
    (
        ("No matching distribution", "Could not find a version"),
        "the package index has no such version for this Python",
    ),
    (("Permission denied", "Errno 13"), "no permission to write there"),
)


def explain(output: str) -> str:
    """Why pip failed, from what it wrote: a known cause in our words, else its own last error."""
    for signs, meaning in _MEANINGS:
        if any(sign in output for sign in signs):
            return meaning
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line[len("ERROR:") :].strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["pip failed and said nothing"])[-1][:200]
