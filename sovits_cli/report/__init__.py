"""The only room that draws: terminal lines, bars, JSON, plots."""
