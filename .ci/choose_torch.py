"""Print what to ask pip for: the CPU build of torch where there is no GPU driver and the index has one.

Usage: python .ci/choose_torch.py [REQUIREMENT]. A requirement other than plain "torch" is printed as it is.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

DRIVERS = ("/proc/driver/nvidia/version", "/dev/kfd", "/dev/dxg")
"""What the drivers of NVIDIA, of AMD and of Windows under WSL leave on Linux."""


def has_driver() -> bool:
    return shutil.which("nvidia-smi") is not None or any(Path(path).exists() for path in DRIVERS)


def versions_on_index() -> list[str]:
    """Return the releases of torch that pip finds, newest first; none where it cannot tell."""
    command = [sys.executable, "-m", "pip", "index", "versions", "torch", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        return list(json.loads(done.stdout)["versions"])
    except (ValueError, KeyError):
        return []


def choose(requirement: str, *, driver: bool, versions: list[str]) -> str:
    """Return ``requirement``, or the newest CPU build where that suits this machine."""
    if requirement != "torch" or driver:
        return requirement
    return next((f"torch=={version}" for version in versions if version.endswith("+cpu")), requirement)


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else "torch"
    driver = sys.platform != "linux" or has_driver()  # elsewhere the index's own build is the right one
    chosen = choose(wanted, driver=driver, versions=[] if driver else versions_on_index())
    if chosen == "torch" and not driver:
        sys.stderr.write(
            "No GPU driver is found, and the index has no CPU build of torch: its usual build brings\n"
            "4 GB of CUDA packages. Without them: make TORCH_INDEX=https://download.pytorch.org/whl/cpu\n"
        )
    print(chosen)


if __name__ == "__main__":
    main()
