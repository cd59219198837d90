"""For ``pytest.importorskip('tests.kit.built_interfaces')`` before what needs them."""

from tests.kit.interfaces import require_interfaces

require_interfaces()
