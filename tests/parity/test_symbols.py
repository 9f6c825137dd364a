"""The phone tables against the recorded ones."""

import pytest

from sovits_cli.text import symbols
from sovits_cli.versions import SymbolTable
from tests.differences import every_case
from tests.parity import golden


@pytest.mark.parametrize("path", golden.files("symbols"))
@every_case("which", list(SymbolTable))
def test_symbols(path, which):
    assert list(symbols.table(which)) == golden.load(path)[which.value]
