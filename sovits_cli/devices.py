"""Which device the work runs on: `auto` looks for one, anything else must be there. Imports torch when asked."""

from __future__ import annotations

from dataclasses import dataclass

from sovits_cli.errors import ResourceError


@dataclass(frozen=True)
class Device:
    """A device: `name` as torch takes it ("cpu", "cuda:0", "mps") and why it was chosen."""

    name: str
    why: str


def find_device(wanted: str) -> Device:
    """Find the device for `wanted`: auto, cpu, cuda, cuda:N or mps.

    Raises:
        ResourceError: it is not there.
    """
    if wanted == "cpu":
        return Device("cpu", "asked for")
    import torch

    if wanted == "auto":
        return _automatic()
    if wanted == "mps":
        if not torch.backends.mps.is_available():
            raise ResourceError("device mps is not available on this machine", code="device.missing")
        return Device("mps", "asked for")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = int(wanted.partition(":")[2] or 0)
    if index >= count:
        there = f"{count} CUDA device{'s' * (count != 1)} found" if count else "no CUDA device found"
        raise ResourceError(f"device {wanted} is not available: {there}", code="device.missing")
    return Device(f"cuda:{index}", f"asked for, {torch.cuda.get_device_name(index)}")


def _automatic() -> Device:
    import torch

    if torch.cuda.is_available():
        return Device("cuda:0", f"found {torch.cuda.get_device_name(0)}")
    if torch.backends.mps.is_available():
        return Device("mps", "found an Apple GPU")
    return Device("cpu", "no GPU found")
