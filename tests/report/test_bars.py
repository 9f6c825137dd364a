"""Bars on a terminal of ordinary width: numbers are never cut."""

from sovits_cli.events import Progress
from sovits_cli.report.bars import Bars
from tests.differences import every_case


@every_case("columns", [80, 120])
def test_numbers_stay_whole_beside_long_names(columns, monkeypatch, capsys):
    for name, value in (("COLUMNS", str(columns)), ("FORCE_COLOR", "1"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    bars = Bars(lambda: "RSS 254 MB")
    bars.show(Progress("s1bert25hz-5kh-longer-epoch=12.ckpt", 324.1, 1302.2, "MB"), keep_total=False)
    bars.close()
    shown = capsys.readouterr().err
    for text in ("s1bert25hz-5kh-longer-e…", "324.1/1302.2 MB", "25%", "0:00:00", "RSS 254 MB"):
        assert text in shown
