"""Import this by ``pytest.importorskip('built_interfaces')`` before what needs the interfaces."""

from interfaces import require_interfaces

require_interfaces()
