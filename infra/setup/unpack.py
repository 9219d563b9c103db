"""Unpacks the files of a folder of wheels that match any of the patterns, and nothing else.

usage: unpack.py WHEELS DEST PATTERN…   (shell patterns on paths inside the wheels; `*` spans folders)
"""

import fnmatch
import pathlib
import sys
import zipfile


def main() -> int:
    wheels, dest, patterns = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    unused = set(patterns)
    for path in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                matching = [p for p in patterns if fnmatch.fnmatchcase(name, p)]
                if matching:
                    wheel.extract(name, dest)
                    unused.difference_update(matching)
    for pattern in sorted(unused):
        print(f"no wheel holds `{pattern}`", file=sys.stderr)
    return 1 if unused else 0


if __name__ == "__main__":
    sys.exit(main())
