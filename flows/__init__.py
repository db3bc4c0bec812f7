"""When: one flow a file, no logic; `build` runs them all."""
