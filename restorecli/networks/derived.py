"""Something made of weights, kept until they change or move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from torch import Tensor

T = TypeVar("T")


class Derived(Generic[T]):
    """Holds what was made of some weights. Safe between threads: both may make it, and either is right.

    A copy of it starts empty.

    Attributes:
        untraced: names of methods that a compiler must call as they are: data pointers cannot be traced. (A
            decorator would say so too, but load torch's whole compiler for everybody.)
    """

    untraced = ("get",)

    def __init__(self) -> None:
        self._held: tuple[tuple[object, ...], T] | None = None

    def get(self, weights: Sequence[Tensor], make: Callable[[], T]) -> T:
        """Return what ``make`` gives for the present ``weights``: what is held while they are the same."""
        state = tuple((id(w), w.data_ptr(), _version(w), w.device, w.dtype) for w in weights)
        held = self._held
        if held is not None and held[0] == state:
            return held[1]
        made = make()
        self._held = (state, made)  # one assignment
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Derived[T]:
        return Derived()

    def __reduce__(self) -> tuple[type[Derived[T]], tuple[()]]:
        return Derived, ()


def _version(weight: Tensor) -> int:
    return 0 if weight.is_inference() else weight._version  # inference tensors do not count changes
