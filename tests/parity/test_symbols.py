"""The phone tables against the recorded ones."""

import pytest

from sovits_cli.text import symbols
from sovits_cli.versions import SymbolTable
from tests.parity import golden


@pytest.mark.parametrize("path", golden.files("symbols"))
@pytest.mark.parametrize("which", list(SymbolTable))
def test_symbols(path, which):
    assert list(symbols.table(which)) == golden.load(path)[which.value]
