"""Look into a built wheel: one top-level name, marked as typed, and it imports without extras."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path


def main(directory: Path) -> int:
    """Check the one wheel of a directory; 0 if all is well."""
    (wheel,) = directory.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"fleche"}, f"the wheel installs {sorted(tops)}"
    assert "fleche/py.typed" in names, "py.typed is missing"
    assert "fleche/storage/sql/schema.py" in names, "subpackages are missing"
    with tempfile.TemporaryDirectory() as scratch:
        venv.create(scratch, with_pip=True)
        python = Path(scratch) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", str(wheel)], check=True)
        subprocess.run([python, "-c", "import fleche; print('imports:', fleche.__version__)"], check=True, cwd=scratch)
        subprocess.run([Path(scratch) / "bin" / "fleche", "--help"], check=True, cwd=scratch, stdout=subprocess.DEVNULL)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
