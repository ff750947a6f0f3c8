"""What runs in a process of its own, once a measurement: `python -m bench.drivers.NAME …`.

A driver prints one line of JSON at its end. Its modules use the standard library and the contestant, nothing
else of this checkout, since they run in the contestant's own environment.
"""

from __future__ import annotations
