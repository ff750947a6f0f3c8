"""What becomes of each kind of line, with both connectors in containers.

Lines come through the same pipe and the same decoder as those of a process, so this is a search and no daily test.
"""

from __future__ import annotations

import pytest
from docker_lab import borrow

pytestmark = pytest.mark.long

globals().update(borrow("engine/test_lines", globals()))
