"""One module a command: ``serve``, ``demo``, ``top``, ``doctor``."""
