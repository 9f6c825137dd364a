"""Networks: torch modules that know nothing of files, languages or the terminal."""
