"""perfpath: which way did my packet go through this host?"""

__version__ = "0.1.0"
