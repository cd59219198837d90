"""Networks and classical matchers, one folder each, all with the interface of ``models.base``."""
