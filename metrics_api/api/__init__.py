"""The HTTP face: discovery, the resources, selectors, formats, probes and ``Status`` errors."""
