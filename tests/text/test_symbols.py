import hashlib

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text import symbols
from sovits_cli.versions import SymbolTable
from tests.differences import every_case

SHA256 = {
    SymbolTable.V1: "f7c3b280b9cc519b0829a6f182fcdd208643a07f1e20c1ab2bf4fc9e8e9a7ca6",
    SymbolTable.V2: "0771f6cd6f6201e8c2b0de921dc69cc04caf3f346c599d4a41413967d5674da7",
}


@every_case("which", list(SymbolTable))
def test_table_is_the_official_one(which):
    assert hashlib.sha256("\n".join(symbols.table(which)).encode()).hexdigest() == SHA256[which]


def test_v2_begins_with_v1():
    first = symbols.table(SymbolTable.V1)
    assert (len(first), len(symbols.table(SymbolTable.V2))) == (322, 732)
    assert symbols.table(SymbolTable.V2)[:322] == first


def test_ids_are_positions():
    assert symbols.ids(["!", "UNK", "_", "…"], SymbolTable.V1) == [0, 86, 95, 321]


def test_symbol_of_the_other_table_is_refused_by_name():
    assert symbols.ids(["["], SymbolTable.V2) == [322]
    with pytest.raises(TextError, match=r"'\['.*v1.*322"):
        symbols.ids(["AH0", "["], SymbolTable.V1)
