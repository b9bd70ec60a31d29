"""A value that is made quickly is the value it was: its arguments, its defaults, its equality; and it is frozen."""

from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from markets.domain.frozen import quick


@quick
@dataclass(frozen=True, slots=True)
class Made:
    first: int
    second: str = "two"
    third: list[int] = field(default_factory=list)
    whole: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "whole", self.first + len(self.third))


def test_it_takes_its_arguments_and_defaults_as_before():
    assert (Made(1).second, Made(1).third, Made(1, third=[1, 2]).whole) == ("two", [], 3)
    assert Made(1).third is not Made(1).third
    assert Made(1, "three") == Made(first=1, second="three") != Made(1)
    assert replace(Made(1), first=5).whole == 5
    assert [one.name for one in fields(Made)] == ["first", "second", "third", "whole"]
    with pytest.raises(TypeError, match="first"):
        Made()
    with pytest.raises(TypeError, match="fourth"):
        Made(1, fourth=4)


def test_it_is_frozen():
    with pytest.raises(FrozenInstanceError):
        Made(1).first = 2
