from __future__ import annotations

import pytest

from restorecli.photos.formats.packing import deflate


@pytest.fixture(params=["ISA-L", "libdeflate"])
def _packer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ISA-L where this machine has it, and as on one that has not."""
    if request.param == "libdeflate":
        monkeypatch.setattr(deflate, "isal_zlib", None)
    elif deflate.isal_zlib is None:
        pytest.skip("there is no ISA-L for this processor")
