"""Lists the benchmarks, or runs one with its own arguments: ``python benchmarks/run.py pipeline --all``."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOT_ALONE = ("arrivals", "rig", "run", "sampled")


def main() -> int:
    names = {path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem not in NOT_ALONE}
    name, *arguments = sys.argv[1:] or [""]
    if name in names:
        return subprocess.run([sys.executable, str(names[name]), *arguments], check=False).returncode
    for each, path in names.items():
        first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        print(f'make bench ARGS="{each}"'.ljust(32), first)
    return 2 if name else 0


if __name__ == "__main__":
    raise SystemExit(main())
