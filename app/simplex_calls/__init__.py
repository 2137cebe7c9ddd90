"""Private audio and video calls over SimpleX.

The public names are in :mod:`simplex_calls.client`; ``docs/api.md`` describes them.
"""

__version__ = "0.1.0"
