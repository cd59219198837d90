"""MVSNet (Yao et al. 2018, arXiv 1804.02505): depth from posed views by a variance volume."""
