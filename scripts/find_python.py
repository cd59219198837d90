"""Print the first interpreter there is of the versions asked for; standard library only.

``python scripts/find_python.py 3.10 3.11`` looks on PATH and among pyenv's. A name on PATH that
does not run (a shim of pyenv for a version that is not chosen) does not count. Without any of them
the interpreter that runs this is printed, with a line on stderr.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def main(wanted):
    """Print a path; give 0."""
    for version in wanted:
        for path in candidates(version):
            if version_of(path) == version:
                print(path)
                return 0
    print(
        'depth_ros: no Python %s was found (apt install python%s python%s-venv, or pyenv); '
        'using %d.%d' % (' or '.join(wanted), wanted[0], wanted[0], *sys.version_info[:2]),
        file=sys.stderr,
    )
    print(sys.executable)
    return 0


def candidates(version):
    """Return paths that may be an interpreter of this version, e.g. ``'3.10'``."""
    found = [shutil.which('python%s' % version)]
    root = Path(os.environ.get('PYENV_ROOT', str(Path.home() / '.pyenv')))
    found += sorted(map(str, root.glob('versions/%s.*/bin/python' % version)), reverse=True)
    return [path for path in found if path]


def version_of(path):
    """Return what an interpreter says of itself; None where it does not run."""
    program = 'import sys; print("%d.%d" % sys.version_info[:2])'
    result = subprocess.run([path, '-c', program], capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else None


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:] or ['3.10']))
