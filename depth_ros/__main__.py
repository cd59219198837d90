"""``python -m depth_ros`` is ``depth-ros``."""

import sys

from depth_ros.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
