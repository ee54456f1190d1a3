from __future__ import annotations

from restorecli.photos.formats.extent import Extent
from restorecli.pipeline.needs import Going, needed_bytes
from restorecli.stages import Stage
from restorecli.tasks.base import Task
from restorecli.tasks.brighten import Brighten
from restorecli.tasks.deblur import Deblur
from restorecli.tasks.same_size import SameSize
from tests.pipeline.test_threads import REQUEST

PAGE = Extent(width=4000, height=3000, channels=3, sample_bytes=1)


def foretold(task: Task) -> int:
    return needed_bytes([PAGE], 1_000_000, Going((Stage(task, REQUEST),), "png"))


def test_what_a_task_holds_beside_the_photo_is_foretold() -> None:
    alone = foretold(SameSize("deblur"))
    assert foretold(Deblur()) - alone == Deblur.preparing * PAGE.pixels
    assert foretold(Brighten()) - alone == Brighten.preparing * PAGE.pixels
