"""Rows of a matrix in another order, where the usual way is slow on a GPU: short rows.

torch's kernel for it (`vectorized_gather`, in recent releases) gives each row a block of threads, whatever
its length: on an H200 six copies of 262,144 rows of 16 or 64 bytes took a millisecond, where their bytes
take 0.04. As an index of two coordinates, 16 bytes at a time, a copy goes through the kernel for single
elements, whose blocks have hundreds of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from restorecli.networks.byte_cache import ByteCache

WORD = 16  # bytes, the most that a thread reads at once
LONGEST = 512  # bytes; longer rows keep a block busy


def rows_at(tokens: Tensor, places: Tensor, cache: ByteCache) -> Tensor:
    """Return the rows ``places`` of ``tokens``, M×D.

    Args:
        tokens: N×D.
        places: M indices.
        cache: keeps the numbers of the words of a row.
    """
    if not _in_words(tokens):
        return tokens.index_select(0, places)
    words = tokens.view(torch.complex128)  # of 16 bytes; what they mean does not matter
    count, device = words.shape[1], words.device
    columns = cache.get(
        ("words", count, device), lambda: torch.arange(count, device=device), lambda made: made.nbytes
    )
    return words[places[:, None], columns].view(tokens.dtype)


def _in_words(tokens: Tensor) -> bool:
    if tokens.device.type != "cuda" or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    length, start = (n * tokens.element_size() for n in (tokens.shape[1], tokens.storage_offset()))
    return tokens.is_contiguous() and length <= LONGEST and not length % WORD and not start % WORD
