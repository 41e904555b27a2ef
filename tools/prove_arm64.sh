#!/usr/bin/env bash
# Proves on an x86-64 Debian that the agent installs and understands media on an aarch64 Debian 12, under emulation.
#   sudo tools/prove_arm64.sh WORK_FOLDER FILE...        (a .wav, a photo of a hand, ...)
# Needs: apt install mmdebstrap qemu-user-static binfmt-support, the models (sensorium models fetch), about 1 GB.
# The system and the wheels are only unpacked, which takes a minute; emulated is the run itself. It proves that it
# works, not how fast it is: float models take hundreds of times as long.
set -euo pipefail
work=$(realpath -m "$1"); shift
here=$(realpath "$(dirname "$0")/..")
pip="$here/.venv/bin/python -m pip"
root=$work/root
mkdir -p "$work"

# XNNPACK's SME kernels give wrong int8 answers on qemu 7.2's default processor; boards of today have none.
export QEMU_CPU=${QEMU_CPU:-cortex-a72}

if [ ! -e "$root/usr/bin/python3.11" ]; then
    mmdebstrap --quiet --variant=extract --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --arch=arm64 \
        --include=base-files,libc-bin,dash,python3,libportaudio2,libgomp1 bookworm "$root"
    platforms=$(for v in 35 34 28 27 26 17; do echo "--platform manylinux_2_${v}_aarch64"; done)
    $pip wheel --quiet --no-deps --wheel-dir "$work" "$here"
    # shellcheck disable=SC2086
    $pip install --quiet --no-compile --target "$root/opt/site" --python-version 3.11 --implementation cp \
        --abi cp311 --abi abi3 --abi none $platforms --platform manylinux2014_aarch64 --only-binary :all: \
        "sensorium[agent] @ file://$(ls "$work"/sensorium-*.whl)"
    # What ONNX Runtime counts processors by; the host's own /sys would make it crash.
    mkdir -p "$root/sys/devices/system/cpu" "$root/opt/media"
    echo 0-3 | tee "$root/sys/devices/system/cpu/possible" >"$root/sys/devices/system/cpu/present"
fi
cp --recursive --update "$here/.cache/models" "$root/opt/"
update-binfmts --enable qemu-aarch64
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
trap 'umount "$root/proc" "$root/dev"' EXIT

emulated() {
    PYTHONPATH=/opt/site SENSORIUM_MODELS=/opt/models HOME=/root PYTHONWARNINGS=ignore \
        chroot "$root" /usr/bin/python3.11 -m sensorium_agent "$@"
}
summary='import json, sys
for line in map(json.loads, sys.stdin):
    if line["type"] in ("event", "symbol"):
        print("  ", line["type"], line["modality"], line["label"], line["score"], line["at_ns"])'

emulated models verify --for agent
emulated doctor
for file in "$@"; do
    cp "$file" "$root/opt/media/"
    echo "$(basename "$file"), aarch64:"
    emulated run --play "/opt/media/$(basename "$file")" --jsonl | python3 -c "$summary"
    echo "$(basename "$file"), here:"
    "$here/.venv/bin/sensorium" run --play "$file" --jsonl | python3 -c "$summary"
done
