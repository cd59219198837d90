"""Networks and classical matchers, one folder each, all behind ``models.base``."""
